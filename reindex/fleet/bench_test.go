package fleet

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"productindex/reindex"
)

const (
	pageWait  = 5 * time.Millisecond
	pageItems = 100
)

// paged is a source that waits before each page.
type paged struct {
	products, inPart int
	wait             time.Duration
}

func (s paged) Open(context.Context, string) (reindex.Snapshot, error) { return s, nil }
func (s paged) Close() error                                           { return nil }
func (s paged) Count(context.Context) (int64, error)                   { return int64(s.products), nil }

func (s paged) Products(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return s.between(ctx, 0, s.products)
}

func (s paged) Split(context.Context, int) ([]string, error) {
	var names []string
	for first := 0; first < s.products; first += s.inPart {
		names = append(names, strconv.Itoa(first))
	}
	return names, nil
}

func (s paged) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	first, err := strconv.Atoi(name)
	if err != nil {
		return func(yield func(reindex.Product, error) bool) { yield(reindex.Product{}, err) }
	}
	return s.between(ctx, first, min(s.products, first+s.inPart))
}

func (s paged) between(ctx context.Context, first, last int) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		for i := first; i < last; i++ {
			if (i-first)%pageItems == 0 && s.wait > 0 {
				select {
				case <-time.After(s.wait):
				case <-ctx.Done():
					yield(reindex.Product{}, ctx.Err())
					return
				}
			}
			if !yield(reindex.Product{ID: "p" + strconv.Itoa(i), Body: []byte(`{"rev":"1"}`)}, nil) {
				return
			}
		}
	}
}

// counting is an index that does nothing but count.
type counting struct{ written atomic.Int64 }

func (c *counting) Begin(context.Context, string) (reindex.Generation, error) {
	c.written.Store(0)
	return nothing{c}, nil
}

func (c *counting) Join(context.Context, string, string) (reindex.Writer, error) {
	return nothing{c}, nil
}

type nothing struct{ index *counting }

func (n nothing) Write(_ context.Context, batch []reindex.Product) error {
	n.index.written.Add(int64(len(batch)))
	return nil
}
func (n nothing) Flush(context.Context) ([]reindex.ItemError, error) { return nil, nil }
func (n nothing) Name() string                                       { return "nothing" }
func (n nothing) Commit(context.Context) error                       { return nil }
func (n nothing) Abort(context.Context) error                        { return nil }
func (n nothing) Seal(context.Context) (reindex.Sealed, error) {
	return reindex.Sealed{Documents: n.index.written.Load(), Live: -1}, nil
}

// A source that waits 5 ms for each page of 100 products: how parts scale with the workers that load them.
func BenchmarkWorkers(b *testing.B) {
	for _, workers := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			src := paged{160_000, 10_000, pageWait}
			f := newFleet(b, connect(b), src, &counting{}, Config{Parts: workers, PartProducts: src.inPart})
			runs(b, src.products, func() error {
				if job := await(b, f, start(b, f, "acme")); job.Status != reindex.StatusSuccess {
					return errors.New(job.Message)
				}
				return nil
			})
		})
	}
}

// One worker beside the plain engine, each of which reads 200,000 products in one sequence at a time.
func BenchmarkOverhead(b *testing.B) {
	src := paged{200_000, 20_000, pageWait}
	b.Run("engine", func(b *testing.B) {
		e, err := reindex.New(src, &counting{}, nil)
		if err != nil {
			b.Fatal(err)
		}
		runs(b, src.products, func() error {
			_, err := e.Run(b.Context(), "acme")
			return err
		})
	})
	b.Run("fleet", func(b *testing.B) {
		f := newFleet(b, connect(b), src, &counting{}, Config{Parts: 1, PartProducts: src.inPart})
		runs(b, src.products, func() error {
			if job := await(b, f, start(b, f, "acme")); job.Status != reindex.StatusSuccess {
				return errors.New(job.Message)
			}
			return nil
		})
	})
}

func runs(b *testing.B, products int, run func() error) {
	b.Helper()
	for b.Loop() {
		if err := run(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(products)*float64(b.N)/b.Elapsed().Seconds(), "products/s")
}
