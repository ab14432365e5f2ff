package reindex

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// maxIDBytes is the length of the longest product id, in bytes.
const maxIDBytes = 4096

// errOverlap ends an attempt to read parts: an id came twice with different bodies, and no part comes before another.
var errOverlap = errors.New("the parts hold different products of the same id")

// pump fills one generation: readers turn the source into batches, workers check and write them. What is in memory is bounded by one
// batch a reader and one a worker, and the set of ids.
type pump struct {
	cfg     *Config
	sizes   sizes
	tenant  string
	record  *record
	info    JobInfo
	gen     Writer
	parted  bool
	pace    *pace
	ids     *idSet // of all products that were read
	bad     *idSet // of those of them that were rejected
	batches chan *batch
	unused  sync.Pool // of *batch
	late    atomic.Pointer[error]
}

func newPump(r *run, gen Writer, parted bool) *pump {
	return &pump{
		cfg: r.cfg, sizes: r.sizes, tenant: r.tenant, record: r.record, info: r.record.info(), gen: gen, parted: parted,
		pace: newPace(r.sizes), ids: newIDSet(), bad: newIDSet(), batches: make(chan *batch),
	}
}

// batch is a number of products on their way to the index, and what was counted while they were read.
type batch struct {
	products []Product
	bytes    int
	limit    int // of bytes
	counted  Report
}

// sequence opens one of the sequences that are read at the same time, under the context that ends when it is no longer needed.
type sequence func(ctx context.Context) iter.Seq2[Product, error]

// sequences are those of the parts, or that of the whole snapshot if there are none.
func sequences(snap Snapshot, parts []string) []sequence {
	if len(parts) == 0 {
		return []sequence{snap.Products}
	}
	var all []sequence
	splitter, _ := As[Splitter](snap)
	for _, name := range parts {
		all = append(all, func(ctx context.Context) iter.Seq2[Product, error] { return splitter.Part(ctx, name) })
	}
	return all
}

// fill reads the sequences to their ends and writes what they yield. The first error stops everything.
func (p *pump) fill(ctx context.Context, sequences []sequence) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error {
		defer close(p.batches)
		readers, ctx := errgroup.WithContext(ctx)
		for _, open := range sequences {
			readers.Go(func() error {
				return inPhase(PhaseRead, contain(func() error { return p.read(ctx, open) }))
			})
		}
		return readers.Wait()
	})
	for range p.sizes.workers {
		all.Go(func() error {
			return inPhase(PhaseWrite, contain(func() error { return p.work(ctx) }))
		})
	}
	return all.Wait()
}

// read turns one sequence into batches.
func (p *pump) read(ctx context.Context, open sequence) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	b := p.newBatch()
	var read int64
	misused := func(err error) {
		p.late.CompareAndSwap(nil, &err)
		stop(err)
	}
	err := consume(open(ctx), func(product Product, err error) error {
		if err != nil {
			err = p.takeError(b, err, read)
		} else {
			b, err = p.take(ctx, b, product)
		}
		if err != nil {
			return err
		}
		if read++; b.counted.Read < int64(p.sizes.docs) && b.bytes < b.limit {
			return nil
		}
		b, err = p.send(ctx, b)
		return err
	}, misused)
	if err == nil {
		err = ctx.Err() // a sequence that ended under a done context is not known to be complete
	}
	if err != nil {
		p.count(b)
		return err
	}
	_, err = p.send(ctx, b)
	return err
}

// misused returns an error if the source yielded something when it should not have.
func (p *pump) misused() error {
	if err := p.late.Load(); err != nil {
		return *err
	}
	return nil
}

// takeError counts a record that cannot be read. Any other error ends the read.
func (p *pump) takeError(b *batch, err error, read int64) error {
	err = sound(err)
	bad, ok := errors.AsType[*RecordError](err)
	if !ok {
		return fmt.Errorf("the source failed after %d products: %w", read, err)
	}
	b.counted.Read++
	b.counted.Rejected++
	p.list(&b.counted, Rejection{ID: shortID(bad.ID), Reason: reason(bad.Err), Where: shorten(bad.Where)})
	return nil
}

// take counts a product and adds it to a batch, unless it is a duplicate or has no proper id: to b, or to the one that follows if b is
// full, which it returns.
func (p *pump) take(ctx context.Context, b *batch, product Product) (*batch, error) {
	size := len(product.ID) + len(product.Body)
	if len(b.products) > 0 && b.bytes+size > b.limit {
		var err error
		if b, err = p.send(ctx, b); err != nil {
			return b, err
		}
	}
	c := &b.counted
	c.Read++
	c.Bytes += int64(len(product.Body))
	if n := len(product.ID); n == 0 || n > maxIDBytes {
		c.Rejected++
		p.list(c, Rejection{ID: shortID(product.ID), Reason: fmt.Sprintf("the id has %d bytes, 1 to %d are allowed", n, maxIDBytes)})
		return b, nil
	}
	if isNew, same := p.ids.add(product.ID, product.Body); !isNew {
		return b, p.takeDuplicate(c, product.ID, same)
	}
	b.products = append(b.products, product)
	b.bytes += size
	return b, nil
}

func (p *pump) takeDuplicate(c *Report, id string, same bool) error {
	c.Duplicates++
	if !same {
		if p.parted {
			return errOverlap
		}
		c.Conflicts++
	}
	if len(c.DuplicateIDs) < p.cfg.ReportItems {
		c.DuplicateIDs = append(c.DuplicateIDs, id)
	}
	return nil
}

// shortID returns an id for a report, cut to the length of the longest one.
func shortID(id string) string { return id[:min(len(id), maxIDBytes)] }

// list adds rejections to a report that has room for them.
func (p *pump) list(r *Report, rejections ...Rejection) {
	room := max(0, p.cfg.ReportItems-len(r.Rejections))
	r.Rejections = append(r.Rejections, rejections[:min(room, len(rejections))]...)
}

// count adds what was counted while a batch was read to the report, and returns how the job stands then.
func (p *pump) count(b *batch) Job {
	c := b.counted
	b.counted = Report{}
	return p.record.change(func(j *Job) {
		r := &j.Report
		r.Read += c.Read
		r.Bytes += c.Bytes
		r.Duplicates += c.Duplicates
		r.Conflicts += c.Conflicts
		r.Rejected += c.Rejected
		p.list(r, c.Rejections...)
		r.DuplicateIDs = append(r.DuplicateIDs, c.DuplicateIDs[:min(len(c.DuplicateIDs), p.cfg.ReportItems-len(r.DuplicateIDs))]...)
	})
}

// send hands a batch to the workers and returns an empty one.
func (p *pump) send(ctx context.Context, b *batch) (*batch, error) {
	bad := b.counted.Rejected
	if job := p.count(b); bad > 0 {
		if err := p.hopeless(job); err != nil {
			return b, err
		}
	}
	if len(b.products) == 0 {
		return b, ctx.Err()
	}
	select {
	case p.batches <- b:
		return p.newBatch(), nil
	case <-ctx.Done():
		return b, ctx.Err()
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

// rejected counts n rejected products and lists them.
func (p *pump) rejected(n int64, rejections ...Rejection) Job {
	for _, rejection := range rejections {
		p.bad.add(rejection.ID, nil)
	}
	return p.record.change(func(j *Job) {
		j.Report.Rejected += n
		p.list(&j.Report, rejections...)
	})
}

// reject does the same while products are still being read. It returns an error once there is no hope for the run.
func (p *pump) reject(rejections ...Rejection) error {
	if len(rejections) == 0 {
		return nil
	}
	return p.hopeless(p.rejected(int64(len(rejections)), rejections...))
}

// hopeless returns an error once the run can no longer succeed and its report is full: reading on would neither save the run nor say
// more.
func (p *pump) hopeless(job Job) error {
	if len(job.Report.Rejections) < p.cfg.ReportItems {
		return nil
	}
	return p.cfg.checkRejected(job.Report.Rejected)
}

// holds reports whether a product was read and not rejected.
func (p *pump) holds(id string) bool { return p.ids.has(id) && !p.bad.has(id) }

// refusedLate moves what the index refused after Write had returned from indexed to rejected.
func (p *pump) refusedLate(late []ItemError) error {
	failed := make(map[string]struct{}, len(late))
	rejections := make([]Rejection, 0, min(len(late), p.cfg.ReportItems))
	for _, item := range late {
		if _, twice := failed[item.ID]; twice || !p.ids.has(item.ID) {
			return fmt.Errorf("the index reported product %q as failed, which was not written, or twice: a defect of the Indexer", shortID(item.ID))
		}
		failed[item.ID] = struct{}{}
		p.bad.add(item.ID, nil)
		if len(rejections) < p.cfg.ReportItems {
			rejections = append(rejections, Rejection{ID: item.ID, Reason: reason(item.Err)})
		}
	}
	p.record.change(func(j *Job) { j.Report.Indexed -= int64(len(late)) })
	p.rejected(int64(len(late)), rejections...)
	return nil
}
