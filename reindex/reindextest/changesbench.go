package reindextest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"productindex/reindex"
)

// Changing is an index whose changes [BenchmarkChanges] measures.
type Changing struct {
	Indexer reindex.Indexer
	// Products is the catalogue of each run.
	Products []reindex.Product
	// Plainly writes products to another live index with one bulk call of the client library. That index has the same
	// mapping and the same products, and stores the same data. Plainly must be safe for concurrent use.
	Plainly func(products []reindex.Product) error
	// Second is like Plainly for a second such index, which stands for the new index of a run. A host that is to lose no
	// changes by a run, and has no engine, writes each change to both.
	Second func(products []reindex.Product) error
	// Finds reports whether a search for a word finds a product of the tenant.
	Finds func(word string) (bool, error)
}

// ChangingTenant is the tenant of BenchmarkChanges.
const ChangingTenant = "acme"

const (
	changeBatch   = 100
	changeWriters = 4
	roundBatches  = 160
)

// BenchmarkChanges measures the speed of changes of a live index, and the time that changes add to a run. Each
// benchmark alternates between the cases that it compares, so that the ratios hold on a busy machine.
func BenchmarkChanges(b *testing.B, c Changing) {
	engine, err := reindex.New(Slice(c.Products), c.Indexer, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := engine.Shutdown(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	if _, err := engine.Run(b.Context(), ChangingTenant); err != nil {
		b.Fatal(err)
	}
	b.Run("Update", func(b *testing.B) { c.rate(b, engine) })
	b.Run("UpdateDuringRun", func(b *testing.B) { c.rateDuringRun(b, engine) })
	b.Run("Run", func(b *testing.B) { c.cost(b, engine) })
	b.Run("Searchable", func(b *testing.B) { c.searchable(b, engine) })
}

// bulk writes a batch of products to a live index. The products are on the disk when it returns.
type bulk func(products []reindex.Product) error

// through returns a bulk that writes through the engine.
func through(b *testing.B, engine *reindex.Engine) bulk {
	b.Helper()
	return func(products []reindex.Product) error {
		changes := make([]reindex.Change, len(products))
		for i, p := range products {
			changes[i] = reindex.Change{ID: p.ID, Body: p.Body}
		}
		return engine.Update(b.Context(), ChangingTenant, changes...)
	}
}

// inTurns measures sides in a loop. The first side of a round is the last one of the round before, since an index does
// work later that a side causes.
func inTurns(b *testing.B, sides ...func(n int)) {
	b.Helper()
	for n := 0; b.Loop(); n++ {
		for _, side := range sides {
			side(n)
		}
		slices.Reverse(sides)
	}
}

// rate writes rounds of batches, alternately through the engine and with Plainly. A ratio above 1 means that the engine
// is faster.
func (c Changing) rate(b *testing.B, engine *reindex.Engine) {
	b.Helper()
	round := func(n int, write bulk) time.Duration {
		start := time.Now()
		c.write(b, n*roundBatches, write, func(batches int64) bool { return batches < roundBatches })
		return time.Since(start)
	}
	var ours, theirs time.Duration
	inTurns(b,
		func(n int) { ours += round(n, through(b, engine)) },
		func(n int) { theirs += round(n, c.Plainly) })
	b.ReportMetric(float64(theirs)/float64(ours), "ratio")
	b.ReportMetric(float64(b.N*roundBatches*changeBatch)/ours.Seconds(), "changes/s")
	b.ReportMetric(0, "ns/op")
}

// rateDuringRun writes batches while the engine's runs go on, one run for each side in turn: through the engine, which
// also replays each change into the new index, with Plainly, whose changes are lost by the run, and with Plainly and
// Second. The runs and the changes share the processors, so a side can also be fast because it slows the run down: a
// run-ratio is the time that the runs beside the engine's changes took, divided by that of the runs beside the others.
func (c Changing) rateDuringRun(b *testing.B, engine *reindex.Engine) {
	b.Helper()
	type side struct {
		changes int64
		took    time.Duration
	}
	var ours, once, twice side
	during := func(s *side, write bulk) func(int) {
		return func(n int) {
			changes, took := c.beside(b, engine, n, write)
			s.changes += changes
			s.took += took
		}
	}
	inTurns(b, during(&ours, through(b, engine)), during(&once, c.Plainly), during(&twice, c.twice))
	perSecond := func(s side) float64 { return float64(s.changes) / s.took.Seconds() }
	b.ReportMetric(perSecond(ours)/perSecond(once), "ratio")
	b.ReportMetric(float64(ours.took)/float64(once.took), "run-ratio")
	b.ReportMetric(perSecond(ours)/perSecond(twice), "twice-ratio")
	b.ReportMetric(float64(ours.took)/float64(twice.took), "twice-run-ratio")
	b.ReportMetric(perSecond(ours), "changes/s")
	b.ReportMetric(0, "ns/op")
}

// twice writes products with Plainly and with Second at the same time.
func (c Changing) twice(products []reindex.Product) error {
	failed := make(chan error, 1)
	go func() { failed <- c.Second(products) }()
	err := c.Plainly(products)
	return errors.Join(err, <-failed)
}

// beside writes batches from the start of a run to its end. It returns the number of changes that were written
// meanwhile, and the time that the run took.
func (c Changing) beside(b *testing.B, engine *reindex.Engine, n int, write bulk) (changes int64, took time.Duration) {
	b.Helper()
	rest(b)
	var done atomic.Bool
	var written atomic.Int64
	stop := repeatUntil(func(<-chan struct{}) {
		c.write(b, n*roundBatches, func(products []reindex.Product) error {
			err := write(products)
			written.Add(int64(len(products)))
			return err
		}, func(int64) bool { return !done.Load() })
	})
	report, err := engine.Run(b.Context(), ChangingTenant)
	changes = written.Load()
	done.Store(true)
	stop()
	if err != nil {
		b.Fatal(err)
	}
	return changes, report.Durations.Total
}

// write writes batches from several goroutines as long as more returns true for the number of batches so far. The
// products follow each other from batch to batch.
func (c Changing) write(b *testing.B, first int, write bulk, more func(batches int64) bool) {
	b.Helper()
	var writers sync.WaitGroup
	var next atomic.Int64
	for range changeWriters {
		writers.Go(func() {
			for {
				i := next.Add(1) - 1
				if !more(i) {
					return
				}
				batch := make([]reindex.Product, changeBatch)
				for k := range batch {
					batch[k] = c.product((first+int(i))*changeBatch + k)
				}
				if err := write(batch); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
}

// product returns the nth product to change. Successive products are far from each other in the catalogue.
func (c Changing) product(n int) reindex.Product { return c.Products[n*7919%len(c.Products)] }

// cost measures runs without changes and runs with 100 changes a second. Each ratio is the median of the ratios of two
// successive runs. The ratio of CPU time is that of the whole process, including the work of the live index.
func (c Changing) cost(b *testing.B, engine *reindex.Engine) {
	b.Helper()
	var walls, cpus []float64
	var held []time.Duration
	var rates []float64
	for n := 0; b.Loop(); n++ {
		var alone, changed costs
		if n%2 == 0 {
			alone, changed = c.run(b, engine, false), c.run(b, engine, true)
		} else {
			changed, alone = c.run(b, engine, true), c.run(b, engine, false)
		}
		walls = append(walls, float64(changed.wall)/float64(alone.wall))
		if alone.cpu > 0 {
			cpus = append(cpus, float64(changed.cpu)/float64(alone.cpu))
		}
		held = append(held, changed.held)
		rates = append(rates, changed.rate)
	}
	b.ReportMetric(quantile(walls, 0.5), "ratio")
	if len(cpus) > 0 {
		b.ReportMetric(quantile(cpus, 0.5), "cpu-ratio")
	}
	b.ReportMetric(quantile(rates, 0.5), "changes/s")
	b.ReportMetric(milliseconds(quantile(held, 0.5)), "held-p50-ms")
	b.ReportMetric(milliseconds(quantile(held, 0.99)), "held-p99-ms")
	b.ReportMetric(0, "ns/op")
}

// costs holds the costs of one run.
type costs struct {
	wall, cpu, held time.Duration
	rate            float64 // changes per second
}

// run measures one run. It waits until the process is at rest, so that work left over from the previous run, such as
// merging, does not count.
func (c Changing) run(b *testing.B, engine *reindex.Engine, changing bool) costs {
	b.Helper()
	rest(b)
	var made, failed atomic.Int64
	stop := func() {}
	began := cpuTime()
	if changing {
		stop = c.change(b, engine, &made, &failed)
	}
	report, err := engine.Run(b.Context(), ChangingTenant)
	cpu, sent := cpuTime()-began, made.Load()
	stop()
	if err != nil {
		b.Fatal(err)
	}
	if n := failed.Load(); n > 0 {
		b.Errorf("%d changes failed", n)
	}
	total := report.Durations.Total
	return costs{wall: total, cpu: cpu, held: report.Durations.Held, rate: float64(sent) / total.Seconds()}
}

// restTime is the time for which a process at rest uses less than a twentieth of a CPU.
const restTime = 500 * time.Millisecond

// rest waits until the process is at rest.
func rest(b *testing.B) {
	b.Helper()
	runtime.GC()
	ticker := time.NewTicker(restTime)
	defer ticker.Stop()
	for before := cpuTime(); ; {
		select {
		case <-ticker.C:
		case <-b.Context().Done():
			b.Fatal(b.Context().Err())
		}
		now := cpuTime()
		if now-before < restTime/20 {
			return
		}
		before = now
	}
}

const changesPerSecond = 100

// change makes 100 calls of Update a second, with one change each, until stop is called. It does not wait for a call
// before the next one. If the machine delays it, it makes all calls that are due.
func (c Changing) change(b *testing.B, engine *reindex.Engine, made, failed *atomic.Int64) (stop func()) {
	b.Helper()
	ticker := time.NewTicker(time.Second / changesPerSecond)
	var calls sync.WaitGroup
	start := time.Now()
	return repeatUntil(func(done <-chan struct{}) {
		defer calls.Wait()
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			for due := int64(time.Since(start) * changesPerSecond / time.Second); made.Load() < due; {
				p := c.product(int(made.Add(1)))
				calls.Go(func() {
					if engine.Update(b.Context(), ChangingTenant, reindex.Change{ID: p.ID, Body: p.Body}) != nil {
						failed.Add(1)
					}
				})
			}
		}
	})
}

// searchable measures the time from a call of Update until a search finds the change.
func (c Changing) searchable(b *testing.B, engine *reindex.Engine) {
	b.Helper()
	var took []time.Duration
	for n := 0; b.Loop(); n++ {
		word := fmt.Sprintf("mark%dx%d", b.N, n)
		p := NewProduct(c.product(n).ID, map[string]any{"name": word})
		start := time.Now()
		if err := engine.Update(b.Context(), ChangingTenant, reindex.Change{ID: p.ID, Body: p.Body}); err != nil {
			b.Fatal(err)
		}
		for found := false; !found; {
			var err error
			if found, err = c.Finds(word); err != nil {
				b.Fatal(err)
			}
		}
		took = append(took, time.Since(start))
	}
	b.ReportMetric(milliseconds(quantile(took, 0.5)), "p50-ms")
	b.ReportMetric(milliseconds(quantile(took, 0.99)), "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// repeatUntil starts f in a goroutine. stop closes done and waits until f has returned.
func repeatUntil(f func(done <-chan struct{})) (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { f(done) })
	return func() { close(done); running.Wait() }
}

// quantile returns the smallest value that the given part of all values does not exceed.
func quantile[T cmp.Ordered](of []T, part float64) T {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
