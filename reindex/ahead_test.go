package reindex_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// A run replays only the last one of many changes of a product, even if they fill many pages of the log.
func TestReplaysLastChanges(t *testing.T) {
	const products, times = 20, 50
	edited := 0
	var b bench
	var once sync.Once
	source := reindextest.Slice(reindextest.Products(100, "new"))
	want := revsOf(100, "new")
	b = newBench(t, source, &reindex.Config{BatchDocs: 10}, func(c reindextest.Call) reindextest.Fault {
		switch c.Op {
		case reindextest.OpEdit:
			edited += len(c.Changes)
			if len(c.Changes) > 10 {
				t.Errorf("one call has %d changes, want at most 10 (BatchDocs)", len(c.Changes))
			}
		case reindextest.OpWrite:
			once.Do(func() {
				for i := range products * times {
					id := fmt.Sprint("p", i%products+1)
					want[id] = fmt.Sprint(i)
					mustUpdate(t, b, upsert(id, want[id]))
				}
			})
		}
		return reindextest.Fault{}
	})
	if _, err := b.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	b.assertRevs(t, want)
	if edited > products*times/4 {
		t.Errorf("the new index got %d changes, want at most %d for %d products with %d changes each",
			edited, products*times/4, products, times)
	}
}

// A run also replays the changes that come while it replays others, so that it holds updates only for the last few,
// however many came during the load.
func TestReplaysWhatComesMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{ChangeDelay: -1},
			func(c reindextest.Call) reindextest.Fault {
				switch c.Op {
				case reindextest.OpWrite:
					return reindextest.Fault{Delay: 4 * time.Second}
				case reindextest.OpEdit:
					return reindextest.Fault{Delay: time.Duration(len(c.Changes)) * time.Millisecond}
				}
				return reindextest.Fault{}
			})
		job := mustStart(t, b.Engine, tenant)
		var stop atomic.Bool
		var updates sync.WaitGroup
		updates.Go(func() {
			for i := 0; !stop.Load(); i++ {
				updates.Go(func() { mustUpdate(t, b, upsert(fmt.Sprint("x", i), "edit")) })
				time.Sleep(2 * time.Millisecond) //nolint:forbidigo // the bubble's clock jumps
			}
		})
		job = ended(t, b.Engine, job)
		stop.Store(true)
		updates.Wait()
		if held := job.Report.Durations.Held; job.Status != reindex.StatusSuccess || held > 200*time.Millisecond {
			t.Errorf("job %+v, want a success that held updates for at most 200 ms", job)
		}
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// The few changes that come after a run has caught up are replayed in one call, while it holds updates: each call costs
// some indexes much time.
func TestReplaysFewChangesTogether(t *testing.T) {
	var b bench
	edits := 0
	b = newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{Trace: &reindex.Trace{
		PhaseStarted: func(ctx context.Context, _ reindex.JobInfo, phase reindex.Phase) context.Context {
			if phase == reindex.PhaseCheck || phase == reindex.PhaseCommit {
				if err := b.Update(context.Background(), tenant, upsert(string(phase), "edit")); err != nil {
					t.Error(err)
				}
			}
			return ctx
		},
	}}, func(c reindextest.Call) reindextest.Fault {
		if c.Op == reindextest.OpEdit {
			edits++
		}
		return reindextest.Fault{}
	})
	if _, err := b.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	want := revsOf(100, "new")
	want[string(reindex.PhaseCheck)], want[string(reindex.PhaseCommit)] = "edit", "edit"
	b.assertRevs(t, want)
	if edits != 1 {
		t.Errorf("the changes were replayed in %d calls, want 1", edits)
	}
}

// If changes come as fast as a run can replay them, the applier rests between its calls until the run has caught up:
// then updates go on, only more slowly, and are not held for long.
func TestCatchesUpWithAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var longest, calls atomic.Int64
		loading, begins := make(chan struct{}), sync.Once{}
		b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{BatchDocs: 100},
			func(c reindextest.Call) reindextest.Fault {
				switch c.Op {
				case reindextest.OpWrite:
					begins.Do(func() { close(loading) })
					return reindextest.Fault{Delay: 20 * time.Second}
				case reindextest.OpUpdate, reindextest.OpEdit:
					return reindextest.Fault{Delay: time.Duration(len(c.Changes)) * time.Millisecond}
				}
				return reindextest.Fault{}
			})
		var stop atomic.Bool
		var updates sync.WaitGroup
		for _, prefix := range []string{"a", "b", "c", "d"} {
			updates.Go(func() {
				<-loading
				for i := 0; !stop.Load(); i++ {
					start := time.Now()
					mustUpdate(t, b, many(fmt.Sprint(prefix, i, "x"), 100, "edit")...)
					calls.Add(1)
					for took := int64(time.Since(start)); ; {
						if most := longest.Load(); took <= most || longest.CompareAndSwap(most, took) {
							break
						}
					}
				}
			})
		}
		job := ended(t, b.Engine, mustStart(t, b.Engine, tenant))
		stop.Store(true)
		updates.Wait()
		if held := job.Report.Durations.Held; job.Status != reindex.StatusSuccess || held > 500*time.Millisecond {
			t.Errorf("job %+v, want a success that held updates for at most 500 ms", job)
		}
		if d := time.Duration(longest.Load()); d > 3*time.Second {
			t.Errorf("an update took %v, want at most 3 s", d)
		}
		want := int(calls.Load())*100 + 100
		if n := len(b.index.Documents(tenant)); n != want {
			t.Errorf("%d products are live, want %d", n, want)
		}
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
