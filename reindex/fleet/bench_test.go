package fleet

import (
	"context"
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

// paged is a source that waits before each page. If a wait ends late on a busy machine, the next wait is shorter, so
// that the pages of a part together take the same time on any machine.
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
		pace := pace{every: s.wait}
		for i := first; i < last; i++ {
			if (i-first)%pageItems == 0 {
				if err := pace.wait(ctx); err != nil {
					yield(reindex.Product{}, err)
					return
				}
			}
			if !yield(reindex.Product{ID: "p" + strconv.Itoa(i), Body: []byte(`{"rev":"1"}`)}, nil) {
				return
			}
		}
	}
}

// pace waits at regular intervals. After a late wait, the next one is shorter.
type pace struct {
	every, late time.Duration
}

func (p *pace) wait(ctx context.Context) error {
	begun := time.Now()
	if wait := p.every - p.late; wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.late = max(0, p.late+time.Since(begun)-p.every)
	return nil
}

// counting is an index that only counts its products.
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

// BenchmarkWorkers measures how the speed of a load grows with the number of workers; 1 means linear growth. The source
// waits 5 ms for each page of 100 products. Runs with different numbers of workers alternate, so that other load on the
// machine affects all of them.
func BenchmarkWorkers(b *testing.B) {
	src := paged{640_000, 10_000, pageWait}
	counts := []int{1, 2, 4, 8}
	took := make([]time.Duration, len(counts))
	for b.Loop() {
		for i, workers := range counts {
			f := newFleet(b, connect(b), src, &counting{}, Config{Parts: workers, PartProducts: src.inPart})
			took[i] += timed(b, f, "acme")
		}
	}
	for i, workers := range counts[1:] {
		b.ReportMetric(took[0].Seconds()/took[i+1].Seconds()/float64(workers), fmt.Sprintf("scale-%d", workers))
	}
	b.ReportMetric(float64(src.products*b.N)/took[0].Seconds(), "products/s-1")
}

// BenchmarkOverhead compares a fleet of one worker with the plain engine. Their runs alternate. Both read 200,000
// products, one part at a time.
func BenchmarkOverhead(b *testing.B) {
	src := paged{200_000, 20_000, pageWait}
	e, err := reindex.New(src, &counting{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	f := newFleet(b, connect(b), src, &counting{}, Config{Parts: 1, PartProducts: src.inPart})
	var plain, fleet time.Duration
	for b.Loop() {
		begun := time.Now()
		if _, err := e.Run(b.Context(), "acme"); err != nil {
			b.Fatal(err)
		}
		plain += time.Since(begun)
		fleet += timed(b, f, "acme")
	}
	b.ReportMetric(plain.Seconds()/float64(b.N), "plain-s")
	b.ReportMetric(fleet.Seconds()/float64(b.N), "fleet-s")
	b.ReportMetric(100*(fleet.Seconds()/plain.Seconds()-1), "overhead-%")
}

// timed returns the duration of a reindex.
func timed(b *testing.B, f *Fleet, tenant string) time.Duration {
	b.Helper()
	begun := time.Now()
	job := start(b, f, tenant)
	for j, err := range f.Watch(b.Context(), tenant, job.ID) {
		if err != nil {
			b.Fatal(err)
		}
		job = j
	}
	if job.Status != reindex.StatusSuccess {
		b.Fatal(job.Message)
	}
	return time.Since(begun)
}
