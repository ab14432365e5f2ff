package reindex_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

func upsert(id, rev string) reindex.Change {
	p := reindextest.NewProduct(id, map[string]any{"rev": rev})
	return reindex.Change{ID: id, Body: p.Body}
}

func deletion(id string) reindex.Change { return reindex.Change{ID: id, Delete: true} }

// assertRevs checks the revs of all live products.
func (b bench) assertRevs(t *testing.T, want map[string]string) {
	t.Helper()
	found, err := b.index.Search(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(found, want) {
		for id, rev := range want {
			if found[id] != rev {
				t.Errorf("product %q is of rev %q, want %q", id, found[id], rev)
			}
		}
		t.Errorf("%d products are live, want %d", len(found), len(want))
	}
}

func revsOf(n int, rev string) map[string]string {
	revs := map[string]string{}
	for _, p := range reindextest.Products(n, rev) {
		revs[p.ID] = rev
	}
	return revs
}

// Changes are in the live index when Update returns, and those that are refused do not hold up the others.
func TestUpdate(t *testing.T) {
	b := newBench(t, reindextest.Slice(nil), nil, func(c reindextest.Call) reindextest.Fault {
		ids := map[string]bool{}
		for _, change := range c.Changes {
			if ids[change.ID] {
				t.Errorf("one call has several changes of product %q, want one", change.ID)
			}
			ids[change.ID] = true
		}
		return reindextest.Fault{}
	})
	want := revsOf(100, "old")
	if err := b.Update(t.Context(), tenant, upsert("p1", "a"), deletion("p2"), upsert("p1", "b"), upsert("x", "a"),
		deletion("nothing")); err != nil {
		t.Fatal(err)
	}
	want["p1"], want["x"] = "b", "a"
	delete(want, "p2")
	b.assertRevs(t, want)
	err := b.Update(t.Context(), tenant, reindex.Change{ID: "bad", Body: json.RawMessage(`{`)}, upsert("y", "a"),
		upsert("", "a"), reindex.Change{ID: "both", Body: json.RawMessage(`{}`), Delete: true}, upsert("control\x01", "a"),
		upsert(strings.Repeat("x", 5000), "a"))
	failed, ok := errors.AsType[*reindex.BatchError](err)
	if !ok || len(failed.Items) != 5 || failed.Items[0].ID != "bad" {
		t.Errorf("error %v, want a BatchError of 5 changes, the first one of product bad", err)
	}
	want["y"] = "a"
	b.assertRevs(t, want)
	if err := b.Settle(t.Context(), tenant); err != nil {
		t.Error(err)
	}
	if err := b.Update(t.Context(), tenant); err != nil {
		t.Errorf("an update without changes: error %v, want nil", err)
	}
	if err := b.Update(t.Context(), "unknown", upsert("x", "a")); !errors.Is(err, reindex.ErrNoLiveIndex) {
		t.Errorf("a tenant without an index: error %v, want ErrNoLiveIndex", err)
	}
	if err := b.Update(t.Context(), "\x00", upsert("x", "a")); !errors.Is(err, reindex.ErrTenant) {
		t.Errorf("an invalid tenant: error %v, want ErrTenant", err)
	}
	if err := b.Update(t.Context(), tenant, reindex.Change{ID: "p1"}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a change without a body, and no Finder: error %v, want ErrUnsupported", err)
	}
	if err := b.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := b.Update(t.Context(), tenant, upsert("x", "z")); !errors.Is(err, reindex.ErrShutdown) {
		t.Errorf("an update after Shutdown: error %v, want ErrShutdown", err)
	}
	b.assertRevs(t, want)
}

// If the index cannot change single products, Update returns ErrUnsupported.
func TestUpdateUnsupported(t *testing.T) {
	engine, err := reindex.New(reindextest.Slice(nil), struct{ reindex.Indexer }{reindextest.NewMemory()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Update(t.Context(), tenant, upsert("x", "a")); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("error %v, want ErrUnsupported", err)
	}
}

// Bodies of changes go through the Transform, as those of products do.
func TestUpdateTransforms(t *testing.T) {
	b := newBench(t, reindextest.Slice(nil),
		&reindex.Config{Transform: func(_ context.Context, tenant string, p reindex.Product) (json.RawMessage, error) {
			if p.ID == "bad" {
				return nil, errSource
			}
			return json.RawMessage(`{"rev":"` + tenant + `"}`), nil
		}}, nil)
	err := b.Update(t.Context(), tenant, upsert("x", "a"), upsert("bad", "a"))
	failed, ok := errors.AsType[*reindex.BatchError](err)
	if !ok || len(failed.Items) != 1 || failed.Items[0].ID != "bad" {
		t.Errorf("error %v, want a BatchError of product bad", err)
	}
	want := revsOf(100, "old")
	want["x"] = tenant
	b.assertRevs(t, want)
}

// found is a source that finds products.
type found struct {
	reindextest.Slice

	products *sync.Map // of id to rev
	err      error
}

func (f found) Find(_ context.Context, _ string, ids ...string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		for _, id := range ids {
			if f.err != nil {
				yield(reindex.Product{}, f.err)
				return
			}
			rev, ok := f.products.Load(id)
			if id == "unreadable" {
				if !yield(reindex.Product{}, &reindex.RecordError{ID: id, Err: errors.New("cut off")}) {
					return
				}
			} else if ok && !yield(reindextest.NewProduct(id, map[string]any{"rev": rev}), nil) {
				return
			}
		}
	}
}

// A change without a body takes the product as the source has it now.
func TestUpdateFinds(t *testing.T) {
	src := found{nil, &sync.Map{}, nil}
	src.products.Store("p1", "now")
	b := newBench(t, src, nil, nil)
	err := b.Update(t.Context(), tenant, reindex.Change{ID: "p1"}, reindex.Change{ID: "p2"},
		reindex.Change{ID: "unreadable"})
	if failed, ok := errors.AsType[*reindex.BatchError](err); !ok || len(failed.Items) != 1 ||
		failed.Items[0].ID != "unreadable" {
		t.Errorf("error %v, want a BatchError of product unreadable", err)
	}
	want := revsOf(100, "old")
	want["p1"] = "now"
	delete(want, "p2")
	b.assertRevs(t, want)
	b = newBench(t, found{nil, &sync.Map{}, errSource}, nil, nil)
	if err := b.Update(t.Context(), tenant, reindex.Change{ID: "p1"}); !errors.Is(err, errSource) {
		t.Errorf("error %v, want %v", err, errSource)
	}
	b.assertRevs(t, revsOf(100, "old"))
}

// A change that the index refuses is reported and holds nothing up. A change that can succeed later is sent again.
func TestUpdateRetries(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault func(c reindextest.Call) reindextest.Fault
		bad   bool
	}{
		{"temporary", func(c reindextest.Call) reindextest.Fault {
			if c.N < 3 {
				return reindextest.Fault{Err: reindex.Temporary(errBusy)}
			}
			return reindextest.Fault{}
		}, false},
		{"one for good", func(c reindextest.Call) reindextest.Fault {
			return batchFault(c, "bad", false)
		}, true},
		{"one for a while", func(c reindextest.Call) reindextest.Fault {
			if c.N < 3 {
				return batchFault(c, "bad", true)
			}
			return reindextest.Fault{}
		}, false},
		{"refused as a whole", func(c reindextest.Call) reindextest.Fault {
			for _, change := range c.Changes {
				if change.ID == "bad" {
					return reindextest.Fault{Err: reindex.ErrRefused}
				}
			}
			return reindextest.Fault{}
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, reindextest.Slice(nil), nil, func(c reindextest.Call) reindextest.Fault {
				if c.Op != reindextest.OpUpdate {
					return reindextest.Fault{}
				}
				return test.fault(c)
			})
			var changes []reindex.Change
			want := revsOf(100, "old")
			for i := range 20 {
				changes = append(changes, upsert(fmt.Sprint("n", i), "a"))
				want[fmt.Sprint("n", i)] = "a"
			}
			changes[7].ID = "bad"
			delete(want, "n7")
			if !test.bad {
				want["bad"] = "a"
			}
			err := b.Update(t.Context(), tenant, changes...)
			failed, ok := errors.AsType[*reindex.BatchError](err)
			if (err != nil) != test.bad || test.bad && (!ok || len(failed.Items) != 1 || failed.Items[0].ID != "bad") {
				t.Errorf("error %v, want a BatchError of product bad: %v", err, test.bad)
			}
			b.assertRevs(t, want)
		})
	}
}

// The error of a failed update names the product.
func TestUpdateFails(t *testing.T) {
	b := newBench(t, reindextest.Slice(nil), nil, faultAt(reindextest.OpUpdate, reindextest.Fault{Err: errIndex}))
	err := b.Update(t.Context(), tenant, upsert("x", "a"))
	if !errors.Is(err, errIndex) || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("error %v, want %v with product x", err, errIndex)
	}
}

// batchFault lets one change fail.
func batchFault(c reindextest.Call, id string, retryable bool) reindextest.Fault {
	for _, change := range c.Changes {
		if change.ID == id {
			return reindextest.Fault{Items: []reindex.ItemError{{ID: id, Retryable: retryable, Err: errBusy}}}
		}
	}
	return reindextest.Fault{}
}

// Changes that come together are sent to the index together.
func TestUpdatesAreGrouped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		b := newBench(t, reindextest.Slice(nil), nil, func(c reindextest.Call) reindextest.Fault {
			if c.Op == reindextest.OpUpdate {
				calls.Add(1)
				return reindextest.Fault{Delay: time.Second}
			}
			return reindextest.Fault{}
		})
		var callers sync.WaitGroup
		for i := range 500 {
			callers.Go(func() {
				if err := b.Update(t.Context(), tenant, upsert(fmt.Sprint(i), "a")); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if n := calls.Load(); n > 2 {
			t.Errorf("%d calls of the index for 500 changes, want at most 2", n)
		}
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
