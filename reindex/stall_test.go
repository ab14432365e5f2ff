package reindex_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// lasting is a log of changes with leases, like one that outlives the process.
type lasting struct{ reindex.ChangeLog }

func (lasting) Lease() time.Duration { return 10 * time.Second }

// stalls are the ways in which an index can fail to apply changes without refusing them.
var stalls = map[string]func(ids []string) reindextest.Fault{
	"put off": func(ids []string) (fault reindextest.Fault) {
		for _, id := range ids {
			fault.Items = append(fault.Items, reindex.ItemError{ID: id, Retryable: true, Err: errBusy})
		}
		return fault
	},
	"temporary": func([]string) reindextest.Fault { return reindextest.Fault{Err: reindex.Temporary(errBusy)} },
	"for good":  func([]string) reindextest.Fault { return reindextest.Fault{Err: errIndex} },
	"panic":     func([]string) reindextest.Fault { return reindextest.Fault{Panic: errIndex} },
}

// stalling returns the faults of an index that fails in one of these ways with every change of the given products.
func stalling(how string, ids ...string) func(reindextest.Call) reindextest.Fault {
	return func(c reindextest.Call) reindextest.Fault {
		var failing []string
		for _, change := range c.Changes {
			if slices.Contains(ids, change.ID) {
				failing = append(failing, change.ID)
			}
		}
		if len(failing) == 0 {
			return reindextest.Fault{}
		}
		return stalls[how](failing)
	}
}

// A change that the index never accepts delays the tenant's other changes by no more than MaxStall, and is reported
// with its id and a reason.
func TestStalledChangeDelaysOthersForMaxStall(t *testing.T) {
	const maxStall = 3 * time.Minute
	for how := range stalls {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, reindextest.Slice(nil), &reindex.Config{
					Changes: lasting{reindex.NewChanges(0)}, MaxStall: maxStall, Retry: reindex.Retry{Attempts: 3},
				}, stalling(how, "bad"))
				want, start := revsOf(100, "old"), time.Now()
				for i := range 20 {
					id := fmt.Sprint("n", i)
					mustUpdate(t, b, upsert(id, "1"), upsert("bad", "1"), upsert(id, "2"))
					want[id] = "2"
				}
				if err := b.Settle(t.Context(), tenant); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took < maxStall || took > 2*maxStall {
					t.Errorf("the changes were settled after %v, want %v to %v", took, maxStall, 2*maxStall)
				}
				b.assertRevs(t, want)
				state, err := b.Changes(t.Context(), tenant)
				if err != nil || len(state.Refused) != 1 || state.Refused[0].ID != "bad" || state.Refused[0].Reason == "" {
					t.Errorf("state %+v, error %v; want \"bad\" refused, with a reason", state, err)
				}
				if err := b.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func mustUpdate(t *testing.T, b bench, changes ...reindex.Change) {
	t.Helper()
	if err := b.Update(t.Context(), tenant, changes...); err != nil {
		t.Fatal(err)
	}
}

// No change is reported as refused while the index fails with all changes, or with a large part of them.
func TestIndexThatIsDownRefusesNothing(t *testing.T) {
	for _, part := range []int{1, 5} { // the index accepts no change, or four of five
		for how := range stalls {
			t.Run(fmt.Sprint(how, part), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var failing []string
					for i := 0; i < 100; i += part {
						failing = append(failing, fmt.Sprint("n", i))
					}
					start, faults := time.Now(), stalling(how, failing...)
					b := newBench(t, reindextest.Slice(nil), &reindex.Config{
						Changes: lasting{reindex.NewChanges(0)}, MaxStall: time.Minute, Retry: reindex.Retry{Attempts: 3},
					}, func(c reindextest.Call) reindextest.Fault {
						if time.Since(start) > time.Hour {
							return reindextest.Fault{}
						}
						return faults(c)
					})
					want := revsOf(100, "old")
					for i := range 100 {
						id := fmt.Sprint("n", i)
						mustUpdate(t, b, upsert(id, "1"))
						want[id] = "1"
					}
					if err := b.Settle(t.Context(), tenant); err != nil {
						t.Fatal(err)
					}
					b.assertRevs(t, want)
					if state, err := b.Changes(t.Context(), tenant); err != nil || len(state.Refused) > 0 {
						t.Errorf("state %+v, error %v; want no refused change", state, err)
					}
					if err := b.Shutdown(t.Context()); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// When the changes of several calls of Update are applied together, only the call with the failing change returns an
// error.
func TestStalledChangeFailsItsCallOnly(t *testing.T) {
	for how := range stalls {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				faults := stalling(how, "bad")
				b := newBench(t, reindextest.Slice(nil), nil, func(c reindextest.Call) reindextest.Fault {
					fault := faults(c)
					fault.Delay = time.Second
					return fault
				})
				want := revsOf(100, "old")
				var callers sync.WaitGroup
				for i := range 50 {
					id := fmt.Sprint("n", i)
					want[id] = "1"
					callers.Go(func() {
						if err := b.Update(t.Context(), tenant, upsert(id, "1")); err != nil {
							t.Error(err)
						}
					})
				}
				callers.Go(func() {
					err := b.Update(t.Context(), tenant, upsert("bad", "1"), upsert("good", "1"))
					failed, ok := errors.AsType[*reindex.BatchError](err)
					if how == "temporary" || how == "put off" {
						ok = ok && failed.Items[0].Retryable
					}
					if !ok || len(failed.Items) != 1 || failed.Items[0].ID != "bad" {
						t.Errorf("error %v, want a BatchError for \"bad\" only", err)
					}
				})
				want["good"] = "1"
				callers.Wait()
				b.assertRevs(t, want)
				err := b.Update(t.Context(), tenant, upsert("bad", "2"))
				if err == nil || !strings.Contains(err.Error(), `"bad"`) {
					t.Errorf("Update with the failing change alone: error %v, want one that names it", err)
				}
				if err := b.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
