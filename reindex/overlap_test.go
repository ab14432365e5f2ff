package reindex_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// concurrent is an index that accepts several calls of Update at a time.
type concurrent struct {
	*reindextest.Faulty

	updates int
}

func (c concurrent) Limits() reindex.Limits {
	return reindex.Limits{MaxUpdates: c.updates, MaxInFlight: 8}
}

// overlaps watches the calls of an index.
type overlaps struct {
	t    *testing.T
	took time.Duration // by each call of Update

	mu      sync.Mutex
	ids     map[string]int // products of the calls of Update in progress
	calls   int            // in progress
	longest int            // the largest number of calls in progress
	began   int            // calls in all
}

// newOverlapBench returns a bench whose index accepts n calls of Update at a time, each of which takes a second.
func newOverlapBench(
	t *testing.T, n int, src reindex.Source, cfg *reindex.Config, fault func(reindextest.Call) error,
) (bench, *overlaps) {
	t.Helper()
	o := &overlaps{t: t, took: time.Second, ids: map[string]int{}}
	index := reindextest.NewMemory()
	publish(t, index, reindextest.Products(100, "old"))
	faulty := reindextest.NewFaulty(index, func(c reindextest.Call) reindextest.Fault {
		if c.Op != reindextest.OpUpdate {
			return reindextest.Fault{}
		}
		o.add(c.Changes, 1)
		defer o.add(c.Changes, -1)
		time.Sleep(o.took) //nolint:forbidigo // the bubble's clock jumps
		if fault == nil {
			return reindextest.Fault{}
		}
		return reindextest.Fault{Err: fault(c)}
	})
	if cfg == nil {
		cfg = &reindex.Config{}
	}
	if cfg.BatchDocs == 0 {
		cfg.BatchDocs = 100
	}
	engine, err := reindex.New(src, concurrent{faulty, n}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return bench{engine, index}, o
}

// add records that a call begins (1) or ends (-1).
func (o *overlaps) add(changes []reindex.Change, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls += n
	o.began += max(n, 0)
	o.longest = max(o.longest, o.calls)
	for _, c := range changes {
		if o.ids[c.ID] += n; o.ids[c.ID] > 1 {
			o.t.Errorf("product %q is in two calls at the same time", c.ID)
		}
	}
}

func (o *overlaps) inProgress() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.calls
}

// many returns upserts of n products whose ids begin with a prefix.
func many(prefix string, n int, rev string) []reindex.Change {
	changes := make([]reindex.Change, n)
	for i := range changes {
		changes[i] = upsert(fmt.Sprint(prefix, i), rev)
	}
	return changes
}

// together calls update for each prefix at the same time, and waits for all.
func together(prefixes []string, update func(prefix string)) {
	var calls sync.WaitGroup
	for _, prefix := range prefixes {
		calls.Go(func() { update(prefix) })
	}
	calls.Wait()
}

// As many groups of changes are carried at the same time as the index accepts, if each has enough changes for a call.
func TestUpdatesOverlap(t *testing.T) {
	for _, test := range []struct{ limit, size, want int }{{0, 100, 1}, {1, 100, 1}, {2, 100, 2}, {4, 100, 4}, {4, 1, 1}} {
		synctest.Test(t, func(t *testing.T) {
			b, o := newOverlapBench(t, test.limit, reindextest.Slice(nil), nil, nil)
			want := revsOf(100, "old")
			prefixes := []string{"a", "b", "c", "d", "e", "f"}
			together(prefixes, func(prefix string) {
				for range 3 {
					mustUpdate(t, b, many(prefix, test.size, "new")...)
				}
			})
			for _, prefix := range prefixes {
				for i := range test.size {
					want[fmt.Sprint(prefix, i)] = "new"
				}
			}
			b.assertRevs(t, want)
			if o.longest != test.want {
				t.Errorf("%+v: at most %d calls at the same time, want %d", test, o.longest, test.want)
			}
			if err := b.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Changes of one product are in one call, or in successive ones, and take effect in their order.
func TestOverlappingUpdatesKeepTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, o := newOverlapBench(t, 4, reindextest.Slice(nil), nil, nil)
		var updates sync.WaitGroup
		want := revsOf(100, "old")
		for i := range 20 {
			changes := many(fmt.Sprint("x", i, "y"), 99, "new")
			updates.Go(func() { mustUpdate(t, b, append(changes, upsert("same", fmt.Sprint(i)))...) })
			synctest.Wait() // so that the order is certain
			for _, c := range changes {
				want[c.ID] = "new"
			}
		}
		updates.Wait()
		want["same"] = "19"
		b.assertRevs(t, want)
		if o.longest != 2 {
			t.Errorf("at most %d calls at the same time, want 2, since the other products are apart", o.longest)
		}
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// If a group fails, for whatever reason, only the callers with changes in it get an error.
func TestOverlappingUpdateFails(t *testing.T) {
	errs := map[string]error{"a": errBusy, "d": &reindex.PanicError{Value: "p"}}
	synctest.Test(t, func(t *testing.T) {
		b, _ := newOverlapBench(t, 4, reindextest.Slice(nil), nil,
			func(c reindextest.Call) error { return errs[c.Changes[0].ID[:1]] })
		failed := map[string]bool{}
		var mu sync.Mutex
		prefixes := []string{"a", "b", "c", "d"}
		together(prefixes, func(prefix string) {
			if err := b.Update(t.Context(), tenant, many(prefix, 100, "new")...); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed[prefix] = true
				if !errors.Is(err, errs[prefix]) {
					t.Errorf("error %v of %s, want %v", err, prefix, errs[prefix])
				}
			}
		})
		if want := map[string]bool{"a": true, "d": true}; !maps.Equal(failed, want) {
			t.Errorf("the updates %v failed, want %v", failed, want)
		}
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// flakyLog is a log that outlives the process, whose claim is lost once while a group of changes is being recorded.
type flakyLog struct {
	lasting

	o    **overlaps
	t    *testing.T
	left int // calls of Applied before the claim is lost
	back int // calls of Rewind
}

func (l *flakyLog) Applied(
	ctx context.Context, tenant string, fence, from, position int64, refused []reindex.RefusedChange,
) error {
	if l.left--; l.left == 0 {
		return reindex.ErrClaimLost
	}
	return l.lasting.Applied(ctx, tenant, fence, from, position, refused)
}

func (l *flakyLog) Rewind(ctx context.Context, tenant string, position int64) error {
	l.back++
	if n := (*l.o).inProgress(); n > 0 {
		l.t.Errorf("the log is set back while %d calls are in progress, which may land later", n)
	}
	return l.lasting.Rewind(ctx, tenant, position)
}

// If groups fail, or the claim on the live index is lost, the changes of a durable log are applied again, in their
// order, once the other groups have ended.
func TestOverlappingUpdatesAreRepeated(t *testing.T) {
	for lost := range 5 {
		synctest.Test(t, func(t *testing.T) {
			calls, want := 0, revsOf(100, "old")
			var mu sync.Mutex
			var o *overlaps
			shared := &flakyLog{lasting: lasting{reindex.NewChanges(0)}, o: &o, t: t, left: lost}
			var b bench
			b, o = newOverlapBench(t, 4, reindextest.Slice(nil),
				&reindex.Config{Changes: shared, MaxStall: time.Hour, Retry: reindex.Retry{Attempts: 2}},
				func(reindextest.Call) error {
					mu.Lock()
					defer mu.Unlock()
					if calls++; calls%5 == 3 {
						return errIndex
					}
					return nil
				})
			for i := range 30 {
				changes := append(many(fmt.Sprint("x", i%7, "y"), 99, fmt.Sprint(i)), upsert(fmt.Sprint("z", i%3), fmt.Sprint(i)))
				mustUpdate(t, b, changes...)
				for _, c := range changes {
					want[c.ID] = fmt.Sprint(i)
				}
			}
			if err := b.Settle(t.Context(), tenant); err != nil {
				t.Fatal(err)
			}
			b.assertRevs(t, want)
			if o.longest < 2 {
				t.Errorf("at most %d calls at the same time, want at least 2", o.longest)
			}
			if want := min(lost, 1); shared.back != want {
				t.Errorf("the log was set back %d times, want %d", shared.back, want)
			}
			if err := b.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// sharedLog is a log that outlives the process. It counts the groups of each claim.
type sharedLog struct {
	lasting

	rewindAt int // the call of Applied before which another process sets the log back to its start

	applied, groups, most int
}

func (l *sharedLog) Applied(
	ctx context.Context, tenant string, fence, from, position int64, refused []reindex.RefusedChange,
) error {
	l.groups++
	l.most = max(l.most, l.groups)
	if l.applied++; l.applied == l.rewindAt {
		if err := l.Rewind(ctx, tenant, 0); err != nil {
			return err
		}
	}
	return l.lasting.Applied(ctx, tenant, fence, from, position, refused)
}

func (l *sharedLog) Release(ctx context.Context, tenant string, fence int64) error {
	l.groups = 0
	return l.lasting.Release(ctx, tenant, fence)
}

// A claim is given back from time to time, so that other processes can get it. If one of them sets the log back during
// a claim, the changes are applied again.
func TestOverlappingUpdatesAndOtherProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		first := 0
		shared := &sharedLog{lasting: lasting{reindex.NewChanges(0)}, rewindAt: 2}
		_, err := shared.Pin(t.Context(), tenant, "all", 0, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := newOverlapBench(t, 4, reindextest.Slice(nil), &reindex.Config{Changes: shared, BatchDocs: 100},
			func(c reindextest.Call) error {
				mu.Lock()
				defer mu.Unlock()
				if c.Changes[0].ID == "x0y0" {
					first++
				}
				return nil
			})
		want := revsOf(100, "old")
		for i := range 60 {
			changes := many(fmt.Sprint("x", i, "y"), 100, "new")
			mustUpdate(t, b, changes...)
			for _, c := range changes {
				want[c.ID] = "new"
			}
		}
		if err := b.Settle(t.Context(), tenant); err != nil {
			t.Fatal(err)
		}
		b.assertRevs(t, want)
		if first != 2 {
			t.Errorf("the first changes were applied %d times, want 2", first)
		}
		if shared.most != 4 {
			t.Errorf("up to %d groups under one claim, want the 4 that begin within a second", shared.most)
		}
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A switch-over does not wait until a steady flow of changes ends.
func TestSwitchBesideOverlappingUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, o := newOverlapBench(t, 2, reindextest.Slice(reindextest.Products(1000, "new")), nil, nil)
		o.took = 100 * time.Millisecond
		var stop atomic.Bool
		var updates sync.WaitGroup
		prefixes := []string{"a", "b", "c", "d"}
		for _, prefix := range prefixes {
			updates.Go(func() {
				for last := false; !last; {
					last = stop.Load() // so that no run expects the last changes in its source
					mustUpdate(t, b, many(prefix, 100, "edit")...)
				}
			})
		}
		for range 3 {
			start := time.Now()
			if _, err := b.Run(t.Context(), tenant); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > 2*o.took {
				t.Errorf("the run took %v, want at most 200 ms, since it waits only for the calls in progress", took)
			}
		}
		stop.Store(true)
		updates.Wait()
		if o.longest != 2 {
			t.Errorf("at most %d calls at the same time, want 2", o.longest)
		}
		want := revsOf(1000, "new")
		for _, prefix := range prefixes {
			for i := range 100 {
				want[fmt.Sprint(prefix, i)] = "edit"
			}
		}
		b.assertRevs(t, want)
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// While a large group of changes is being carried, a run writes two batches at a time. After that it writes as many as
// before.
func TestRunsShareWithUpdates(t *testing.T) {
	const workers = 8
	for _, test := range []struct{ size, want int }{{10, workers}, {100, 2}} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			writes, most := 0, 0
			b := newBench(t, reindextest.Slice(reindextest.Products(3200, "new")),
				&reindex.Config{BatchDocs: 100, Workers: workers}, func(c reindextest.Call) reindextest.Fault {
					switch c.Op {
					case reindextest.OpUpdate:
						return reindextest.Fault{Delay: time.Hour}
					case reindextest.OpWrite:
						mu.Lock()
						writes++
						most = max(most, writes)
						mu.Unlock()
						time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock jumps
						mu.Lock()
						writes--
						mu.Unlock()
					}
					return reindextest.Fault{}
				})
			var update sync.WaitGroup
			update.Go(func() { mustUpdate(t, b, many("x", test.size, "edit")...) })
			synctest.Wait()
			for _, want := range []int{test.want, workers} {
				most = 0
				if _, err := b.Run(t.Context(), tenant); err != nil {
					t.Fatal(err)
				}
				update.Wait()
				if most != want {
					t.Errorf("the run wrote %d batches at the same time, want %d", most, want)
				}
			}
			if err := b.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// claimed counts the claims of a log that belongs to one process.
type claimed struct {
	reindex.ChangeLog

	claims atomic.Int64
}

func (l *claimed) Claim(ctx context.Context, tenant, holder string, urgent bool) (fence, applied int64, err error) {
	l.claims.Add(1)
	return l.ChangeLog.Claim(ctx, tenant, holder, urgent)
}

// If no other process can wait for the claim, an applier keeps it as long as changes come, so that the index is never
// idle between two claims.
func TestClaimOfTheOnlyProcessLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		only := &claimed{ChangeLog: reindex.NewChanges(0)}
		cfg := &reindex.Config{Changes: only}
		b, _ := newOverlapBench(t, 4, reindextest.Slice(nil), cfg, func(c reindextest.Call) error {
			late := time.Duration(c.Changes[0].ID[0]-'a') * 10 * time.Millisecond // calls do not end at the same time
			time.Sleep(late)                                                      //nolint:forbidigo // the bubble's clock jumps
			return nil
		})
		together([]string{"a", "b", "c", "d"}, func(prefix string) {
			for range 10 {
				mustUpdate(t, b, many(prefix, 100, "new")...)
			}
		})
		if n := only.claims.Load(); n > 5 { // a few at the start, until the calls end in the order in which they began
			t.Errorf("%d claims in 10 s of changes, want at most 5", n)
		}
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
