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

// errOverlap ends an attempt to read parts: an id came twice with different bodies, and the parts have no order.
var errOverlap = errors.New("the parts hold different products with the same id")

// pump fills one generation: readers turn the source into batches, workers check and write them. Memory is
// bounded by one batch per reader and one per worker, and the set of ids.
type pump struct {
	cfg     *Config
	sizes   sizes
	tenant  string
	parted  bool
	tally   *tally
	writer  *writer
	batches chan *batch
	unused  sync.Pool // of *batch
	late    atomic.Pointer[error]
}

func newPump(cfg *Config, sizes sizes, share *share, t *tally, gen Writer, parted bool) *pump {
	return &pump{
		cfg: cfg, sizes: sizes, tenant: t.record.now().Tenant, parted: parted, tally: t,
		writer:  newWriter(cfg, sizes, share, t, gen),
		batches: make(chan *batch),
	}
}

// batch holds products on their way to the index, and the counts made while they were read.
type batch struct {
	products []Product
	bytes    int
	limit    int // of bytes
	counted  Report
}

// sequence opens one of the sequences that are read at the same time. Its context ends when the sequence is no longer
// needed.
type sequence func(ctx context.Context) iter.Seq2[Product, error]

// sequences returns the sequences of the parts, or that of the whole snapshot if there are no parts.
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
		err = ctx.Err() // a sequence that ended after its context may be incomplete
	}
	if err != nil {
		p.count(b)
		return err
	}
	_, err = p.send(ctx, b)
	return err
}

// misused returns an error if the source yielded a product at a time when it must not.
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
		return fmt.Errorf("the source failed after %s: %w", counted(read, "product"), err)
	}
	b.counted.Read++
	b.counted.Rejected++
	p.tally.list(&b.counted, Rejection{ID: shortID(bad.ID), Reason: reason(bad.Err), Where: shorten(bad.Where)})
	return nil
}

// take counts a product and, unless it is a duplicate or its id is not valid, adds it to b. If b is full, take sends it
// and uses a new batch. It returns the batch in use.
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
		p.tally.list(c,
			Rejection{ID: shortID(product.ID), Reason: fmt.Sprintf("the id has %d bytes, 1 to %d are allowed", n, maxIDBytes)})
		return b, nil
	}
	if isNew, same := p.tally.ids.add(product.ID, product.Body); !isNew {
		return b, p.takeDuplicate(c, product.ID, same)
	}
	if p.tally.hashes != nil {
		p.tally.hashes.add(product.ID)
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

// count adds the counts made while a batch was read.
func (p *pump) count(b *batch) Job {
	counted := b.counted
	b.counted = Report{}
	return p.tally.count(counted)
}

// send passes a batch to the workers and returns an empty one.
func (p *pump) send(ctx context.Context, b *batch) (*batch, error) {
	bad := b.counted.Rejected
	if job := p.count(b); bad > 0 {
		if err := p.tally.hopeless(job); err != nil {
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
	b.limit = p.writer.pace.size()
	return b
}

// recycle drops the products of a batch and keeps its memory for the next one.
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
		if err := p.tally.reject(rejections...); err != nil {
			return err
		}
		if _, err := p.writer.write(ctx, products); err != nil {
			return err
		}
		p.recycle(b)
	}
	return nil
}

// check returns the products that can be indexed, in the same slice, and the rejections of the others.
func (p *pump) check(ctx context.Context, products []Product) (good []Product, bad []Rejection, err error) {
	good = products[:0]
	for _, product := range products {
		product, err := p.cfg.checkProduct(ctx, p.tenant, product)
		if err == nil {
			good = append(good, product)
			continue
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		bad = append(bad, Rejection{ID: product.ID, Reason: reason(err)})
	}
	return good, bad, nil
}
