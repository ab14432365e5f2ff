package reindex

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"golang.org/x/sync/errgroup"
)

// maxIDBytes is the length of the longest product id, in bytes.
const maxIDBytes = 4096

// errOverlap ends an attempt to read partitions: an id came twice, and no partition comes before another.
var errOverlap = errors.New("the partitions hold products of the same id")

// pump fills one generation: readers turn the source into batches, workers check and write them. What is in memory is bounded by one
// batch a reader and one a worker, and the set of ids.
type pump struct {
	*run

	gen         Generation
	partitioned bool
	pace        *pace
	seen        *idSet
	batches     chan *batch
	unused      sync.Pool // of *batch
}

func newPump(r *run, gen Generation, partitioned bool) *pump {
	return &pump{run: r, gen: gen, partitioned: partitioned, pace: newPace(r.sizes), seen: newIDSet(), batches: make(chan *batch)}
}

// batch is a number of products on their way to the index, and what was counted while they were read.
type batch struct {
	products []Product
	bytes    int
	limit    int // of bytes
	counted  Report
}

// fill reads the sequences to their ends and writes what they yield. The first error stops everything.
func (p *pump) fill(ctx context.Context, seqs []iter.Seq2[Product, error]) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error {
		defer close(p.batches)
		readers, ctx := errgroup.WithContext(ctx)
		for _, seq := range seqs {
			readers.Go(func() error {
				return inPhase(PhaseRead, guard(func() error { return p.read(ctx, seq) }))
			})
		}
		return readers.Wait()
	})
	for range p.sizes.workers {
		all.Go(func() error {
			return inPhase(PhaseWrite, guard(func() error { return p.work(ctx) }))
		})
	}
	return all.Wait()
}

// read turns one sequence into batches.
func (p *pump) read(ctx context.Context, seq iter.Seq2[Product, error]) error {
	b := p.newBatch()
	var read int64
	for product, err := range seq {
		if bad, ok := errors.AsType[*RecordError](err); ok {
			b.counted.Read++
			b.counted.Rejected++
			p.list(&b.counted, Rejection{ID: bad.ID, Reason: bad.Err.Error(), Where: bad.Where})
			continue
		}
		if err != nil {
			return fmt.Errorf("the source failed after %d products: %w", read, err)
		}
		if len(b.products) > 0 && b.bytes+len(product.Body) > b.limit {
			if b, err = p.send(ctx, b); err != nil {
				return err
			}
		}
		if err := p.take(b, product); err != nil {
			return err
		}
		read++
		if b.counted.Read >= int64(p.sizes.docs) || b.bytes >= b.limit {
			if b, err = p.send(ctx, b); err != nil {
				return err
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return err // a sequence that ended under a done context is not known to be complete
	}
	_, err := p.send(ctx, b)
	return err
}

// take counts a product and adds it to the batch, unless it is a duplicate or has no proper id.
func (p *pump) take(b *batch, product Product) error {
	c := &b.counted
	c.Read++
	c.Bytes += int64(len(product.Body))
	if n := len(product.ID); n == 0 || n > maxIDBytes {
		c.Rejected++
		reason := fmt.Sprintf("the id has %d bytes, 1 to %d are allowed", n, maxIDBytes)
		p.list(c, Rejection{ID: product.ID[:min(n, maxIDBytes)], Reason: reason})
		return nil
	}
	if !p.seen.add(product.ID) {
		if p.partitioned {
			return errOverlap
		}
		c.Duplicates++
		if len(c.DuplicateIDs) < p.cfg.ReportItems {
			c.DuplicateIDs = append(c.DuplicateIDs, product.ID)
		}
		return nil
	}
	b.products = append(b.products, product)
	b.bytes += len(product.Body)
	return nil
}

// list adds rejections to a report that has room for them.
func (p *pump) list(r *Report, rejections ...Rejection) {
	room := max(0, p.cfg.ReportItems-len(r.Rejections))
	r.Rejections = append(r.Rejections, rejections[:min(room, len(rejections))]...)
}

// send hands a batch to the workers and returns an empty one.
func (p *pump) send(ctx context.Context, b *batch) (*batch, error) {
	c := b.counted
	p.change(func(j *Job) {
		r := &j.Report
		r.Read += c.Read
		r.Bytes += c.Bytes
		r.Duplicates += c.Duplicates
		r.DuplicateIDs = append(r.DuplicateIDs, c.DuplicateIDs[:min(len(c.DuplicateIDs), p.cfg.ReportItems-len(r.DuplicateIDs))]...)
	})
	b.counted = Report{}
	if err := p.reject(c.Rejected, c.Rejections...); err != nil {
		return nil, err
	}
	if len(b.products) == 0 {
		return b, ctx.Err()
	}
	select {
	case p.batches <- b:
		return p.newBatch(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pump) newBatch() *batch {
	b, ok := p.unused.Get().(*batch)
	if !ok {
		b = &batch{}
	}
	b.limit = p.pace.size()
	return b
}

// recycle lets go of the products of a batch and keeps the rest of it for the next.
func (p *pump) recycle(b *batch) {
	clear(b.products)
	b.products, b.bytes = b.products[:0], 0
	p.unused.Put(b)
}

// work checks and writes batches until there are no more.
func (p *pump) work(ctx context.Context) error {
	for b := range p.batches {
		products, rejections, err := p.check(ctx, b.products)
		if err != nil {
			return err
		}
		if err := p.reject(int64(len(rejections)), rejections...); err != nil {
			return err
		}
		if _, err := p.write(ctx, products); err != nil {
			return err
		}
		p.recycle(b)
	}
	return nil
}

// check returns the products that can be indexed, in the same slice, and why the others can not.
func (p *pump) check(ctx context.Context, products []Product) (good []Product, bad []Rejection, err error) {
	good = products[:0]
	for _, product := range products {
		product, err := p.checkProduct(ctx, product)
		if err == nil {
			good = append(good, product)
			continue
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		bad = append(bad, Rejection{ID: product.ID, Reason: err.Error()})
	}
	return good, bad, nil
}

func (p *pump) checkProduct(ctx context.Context, product Product) (Product, error) {
	if !printable(product.ID) {
		return product, errors.New("the id holds control characters or is no valid UTF-8")
	}
	body, err := checkBody(product.Body)
	if err != nil || p.cfg.Transform == nil {
		return Product{product.ID, body}, err
	}
	body, err = p.cfg.Transform(ctx, p.tenant, Product{product.ID, body})
	if err != nil {
		return product, fmt.Errorf("transform: %w", err)
	}
	body, err = checkBody(body)
	if err != nil {
		return product, fmt.Errorf("after the transform: %w", err)
	}
	return Product{product.ID, body}, nil
}

// rejected counts n rejected products and lists them.
func (p *pump) rejected(n int64, rejections ...Rejection) Job {
	return p.change(func(j *Job) {
		j.Report.Rejected += n
		p.list(&j.Report, rejections...)
	})
}

// reject does the same while products are still being read. It returns an error once the run can no longer succeed and its report is
// full: reading on would neither save the run nor tell more.
func (p *pump) reject(n int64, rejections ...Rejection) error {
	if n == 0 {
		return nil
	}
	job := p.rejected(n, rejections...)
	if len(job.Report.Rejections) < p.cfg.ReportItems {
		return nil
	}
	return p.cfg.checkRejected(job.Report.Rejected)
}
