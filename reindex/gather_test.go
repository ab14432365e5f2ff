package reindex_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// flow makes a change every 10 ms for a second. It returns the number of calls of the index and the longest time that a
// change took. If running is set, a run of the tenant is in progress.
func flow(t *testing.T, config *reindex.Config, running bool) (calls int, longest time.Duration) {
	t.Helper()
	release := make(chan struct{})
	source := reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			<-release
			yield(reindex.Product{}, errBusy)
		}
	})
	b := newBench(t, source, config, func(c reindextest.Call) reindextest.Fault {
		if c.Op != reindextest.OpUpdate {
			return reindextest.Fault{}
		}
		calls++
		return reindextest.Fault{Delay: 4 * time.Millisecond}
	})
	if running {
		mustStart(t, b.Engine, tenant)
		synctest.Wait()
	}
	want := revsOf(100, "old")
	var updates sync.WaitGroup
	var mu sync.Mutex
	update := func(id string) {
		want[id] = "new"
		updates.Go(func() {
			start := time.Now()
			mustUpdate(t, b, upsert(id, "new"))
			mu.Lock()
			defer mu.Unlock()
			longest = max(longest, time.Since(start))
		})
	}
	for i := range 100 {
		update(fmt.Sprint("a", i))
		if i == 0 {
			time.Sleep(time.Millisecond) //nolint:forbidigo // the bubble's clock jumps
			update("meanwhile")
		}
		time.Sleep(10 * time.Millisecond) //nolint:forbidigo // the bubble's clock jumps
	}
	updates.Wait()
	b.assertRevs(t, want)
	close(release)
	if err := b.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	return calls, longest
}

// The changes of a steady flow are applied in groups. No change waits longer than two calls and ChangeDelay, which
// counts twice during a run.
func TestGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if calls, longest := flow(t, nil, false); calls > 20 || longest > 258*time.Millisecond {
			t.Errorf("got %d calls of the index, and a change took %v, want at most 20 and 258 ms", calls, longest)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		if calls, longest := flow(t, nil, true); calls > 5 || longest > 508*time.Millisecond {
			t.Errorf("during a run: %d calls of the index, a change took %v; want at most 5, 508 ms", calls, longest)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		calls, longest := flow(t, &reindex.Config{ChangeDelay: -1}, true)
		if calls < 100 || longest > 8*time.Millisecond {
			t.Errorf("without a delay: got %d calls of the index, and a change took %v, want at least 100 and at most 8 ms",
				calls, longest)
		}
	})
}

// During a run, an index that takes long for each call gets fewer and larger ones, however many it accepts at a time.
func TestGatherForASlowIndex(t *testing.T) {
	for _, test := range []struct{ updates, atLeast, atMost int }{{1, 3, 6}, {4, 3, 6}} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			source := reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] {
				return func(yield func(reindex.Product, error) bool) {
					<-release
					yield(reindex.Product{}, errBusy)
				}
			})
			b, o := newOverlapBench(t, test.updates, source, &reindex.Config{BatchDocs: 1000}, nil)
			mustStart(t, b.Engine, tenant)
			var updates sync.WaitGroup
			for i := range 1000 {
				updates.Go(func() {
					start := time.Now()
					mustUpdate(t, b, upsert(fmt.Sprint("a", i), "new"))
					if took := time.Since(start); took > 7*time.Second {
						t.Errorf("a change took %v, want at most two calls of a second and 5 s between them", took)
					}
				})
				time.Sleep(20 * time.Millisecond) //nolint:forbidigo // the bubble's clock jumps
			}
			updates.Wait()
			close(release)
			if o.began < test.atLeast || o.began > test.atMost {
				t.Errorf("got %d calls of the index, want those of %+v", o.began, test)
			}
			if err := b.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// If each caller waits for its change before it makes the next one, ChangeDelay hardly delays the callers. This holds
// for one caller and for several.
func TestGatherNothing(t *testing.T) {
	const took, each, maxWaits = 4 * time.Millisecond, 50, 6 * 50 * time.Millisecond
	for _, callers := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, reindextest.Slice(nil), nil, slowly(reindextest.OpUpdate, took))
			start := time.Now()
			var calls sync.WaitGroup
			for caller := range callers {
				calls.Go(func() {
					for i := range each {
						mustUpdate(t, b, upsert(fmt.Sprint(caller, i), "new"))
					}
				})
			}
			calls.Wait()
			if spent := time.Since(start); spent > 3*each*took+maxWaits {
				t.Errorf("%d callers were done after %v, want at most %v", callers, spent, 3*each*took+maxWaits)
			}
			if err := b.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A caller with enough changes for a call of the index does not wait for others.
func TestGatherFullGroups(t *testing.T) {
	const took, pause, each, callers, size = 4 * time.Millisecond, 5 * time.Millisecond, 20, 4, 100
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, reindextest.Slice(nil), nil, slowly(reindextest.OpUpdate, took))
		start := time.Now()
		var calls sync.WaitGroup
		for caller := range callers {
			calls.Go(func() {
				time.Sleep(time.Duration(caller) * time.Millisecond) //nolint:forbidigo // the bubble's clock jumps
				for range each {
					changes := make([]reindex.Change, size)
					for i := range changes {
						changes[i] = upsert(fmt.Sprint(caller, "x", i), "new")
					}
					time.Sleep(pause) //nolint:forbidigo // the bubble's clock jumps
					mustUpdate(t, b, changes...)
				}
			})
		}
		calls.Wait()
		if spent, most := time.Since(start), each*(2*took+pause)+took; spent > most {
			t.Errorf("the callers were done after %v, want at most %v", spent, most)
		}
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
