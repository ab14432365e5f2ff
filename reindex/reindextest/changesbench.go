package reindextest

import (
	"cmp"
	"context"
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

// BenchmarkChanges measures the speed of changes of a live index, and the time that changes add to a run. Update and
// Run alternate between the cases that they compare, so that the ratios hold on a busy machine.
func BenchmarkChanges(b *testing.B, c Changing) {
	var loaded atomic.Int64 // products and changes that runs have sent to new indexes
	indexer := NewFaulty(c.Indexer, func(call Call) Fault {
		if call.Op == OpWrite || call.Op == OpEdit {
			loaded.Add(int64(len(call.Batch) + len(call.Changes)))
		}
		return Fault{}
	})
	engine, err := reindex.New(Slice(c.Products), indexer, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := engine.Shutdown(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	run := func(ctx context.Context) (reindex.Report, error) { return engine.Run(ctx, ChangingTenant) }
	if _, err := run(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Run("Update", func(b *testing.B) { c.rate(b, engine, &loaded) })
	b.Run("UpdateDuringRun", func(b *testing.B) {
		stop := repeat(b, func(ctx context.Context) error { _, err := run(ctx); return err })
		defer stop()
		c.rate(b, engine, &loaded)
	})
	b.Run("Run", func(b *testing.B) { c.cost(b, engine) })
	b.Run("Searchable", func(b *testing.B) { c.searchable(b, engine) })
}

// rate writes rounds of batches, alternately through the engine and with Plainly. A ratio above 1 means that the engine
// is faster.
//
// In UpdateDuringRun, runs go on while either side writes. On both sides a change is written once to a live index, and
// is on the disk when the call returns. Only the engine's changes are also replayed into the new index of the run. Runs
// keep all processors busy, so a side can also be fast because it slows the runs down. The run-ratio shows this: it is
// the number of products and changes that runs write per second beside the engine's changes, divided by the number
// beside Plainly's.
func (c Changing) rate(b *testing.B, engine *reindex.Engine, loaded *atomic.Int64) {
	b.Helper()
	update := func(products []reindex.Product) error {
		changes := make([]reindex.Change, len(products))
		for i, p := range products {
			changes[i] = reindex.Change{ID: p.ID, Body: p.Body}
		}
		return engine.Update(b.Context(), ChangingTenant, changes...)
	}
	var ours, theirs time.Duration
	var besideOurs, besideTheirs int64
	for n := 0; b.Loop(); n++ {
		before := loaded.Load()
		ours += c.round(b, n, update)
		between := loaded.Load()
		theirs += c.round(b, n, c.Plainly)
		besideOurs, besideTheirs = besideOurs+between-before, besideTheirs+loaded.Load()-between
	}
	b.ReportMetric(float64(theirs)/float64(ours), "ratio")
	if besideTheirs > 0 {
		b.ReportMetric(float64(besideOurs)/ours.Seconds()/(float64(besideTheirs)/theirs.Seconds()), "run-ratio")
	}
	b.ReportMetric(float64(b.N*roundBatches*changeBatch)/ours.Seconds(), "changes/s")
	b.ReportMetric(0, "ns/op")
}

// round writes the batches of a round from several goroutines and returns the time that this takes.
func (c Changing) round(b *testing.B, n int, write func([]reindex.Product) error) time.Duration {
	b.Helper()
	var batches sync.WaitGroup
	start := time.Now()
	for writer := range changeWriters {
		batches.Go(func() {
			for i := writer; i < roundBatches; i += changeWriters {
				batch := make([]reindex.Product, changeBatch)
				for k := range batch {
					batch[k] = c.product((n*roundBatches+i)*changeBatch + k)
				}
				if err := write(batch); err != nil {
					b.Error(err)
				}
			}
		})
	}
	batches.Wait()
	return time.Since(start)
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

// repeat calls run again and again until stop is called.
func repeat(b *testing.B, run func(context.Context) error) (stop func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	wait := repeatUntil(func(<-chan struct{}) {
		for ctx.Err() == nil {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				b.Error(err)
				return
			}
		}
	})
	return func() { cancel(); wait() }
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
