package reindex_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
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
				t.Errorf("the index is asked for several changes of product %q at the same time", change.ID)
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
		t.Errorf("error %v", err)
	}
	want["y"] = "a"
	b.assertRevs(t, want)
	if err := b.Settle(t.Context(), tenant); err != nil {
		t.Error(err)
	}
	if err := b.Update(t.Context(), tenant); err != nil {
		t.Errorf("no changes: %v", err)
	}
	if err := b.Update(t.Context(), "unknown", upsert("x", "a")); !errors.Is(err, reindex.ErrNoLiveIndex) {
		t.Errorf("a tenant without an index: %v", err)
	}
	if err := b.Update(t.Context(), "\x00", upsert("x", "a")); !errors.Is(err, reindex.ErrTenant) {
		t.Errorf("not a tenant: %v", err)
	}
	if err := b.Update(t.Context(), tenant, reindex.Change{ID: "p1"}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a change without a body, and no Finder: %v", err)
	}
	if err := b.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := b.Update(t.Context(), tenant, upsert("x", "z")); !errors.Is(err, reindex.ErrShutdown) {
		t.Errorf("after Shutdown: %v", err)
	}
	b.assertRevs(t, want)
}

// An index that changes no single products says so.
func TestUpdateUnsupported(t *testing.T) {
	engine, err := reindex.New(reindextest.Slice(nil), struct{ reindex.Indexer }{reindextest.NewMemory()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Update(t.Context(), tenant, upsert("x", "a")); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("error %v", err)
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
		t.Errorf("error %v", err)
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

// A change without a body is what the source has now.
func TestUpdateFinds(t *testing.T) {
	src := found{nil, &sync.Map{}, nil}
	src.products.Store("p1", "now")
	b := newBench(t, src, nil, nil)
	err := b.Update(t.Context(), tenant, reindex.Change{ID: "p1"}, reindex.Change{ID: "p2"},
		reindex.Change{ID: "unreadable"})
	if failed, ok := errors.AsType[*reindex.BatchError](err); !ok || len(failed.Items) != 1 ||
		failed.Items[0].ID != "unreadable" {
		t.Errorf("error %v", err)
	}
	want := revsOf(100, "old")
	want["p1"] = "now"
	delete(want, "p2")
	b.assertRevs(t, want)
	b = newBench(t, found{nil, &sync.Map{}, errSource}, nil, nil)
	if err := b.Update(t.Context(), tenant, reindex.Change{ID: "p1"}); !errors.Is(err, errSource) {
		t.Errorf("error %v", err)
	}
	b.assertRevs(t, revsOf(100, "old"))
}

// A change that the index refuses is reported, and holds nothing up; what can succeed later is sent again.
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
				t.Errorf("error %v", err)
			}
			b.assertRevs(t, want)
		})
	}
	b := newBench(t, reindextest.Slice(nil), nil, func(c reindextest.Call) reindextest.Fault {
		if c.Op == reindextest.OpUpdate {
			return reindextest.Fault{Err: errIndex}
		}
		return reindextest.Fault{}
	})
	err := b.Update(t.Context(), tenant, upsert("x", "a"))
	if !errors.Is(err, errIndex) || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("error %v", err)
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

// Changes that come together are carried together: the index is not called for each.
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
			t.Errorf("%d calls", n)
		}
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// at calls f once, at the first call of op.
func at(op reindextest.Op, f func()) func(reindextest.Call) reindextest.Fault {
	var once sync.Once
	return func(c reindextest.Call) reindextest.Fault {
		if c.Op == op {
			once.Do(f)
		}
		return reindextest.Fault{}
	}
}

// An edit made while a run goes on, in whatever phase, is in the new index, and in the old one while that is live.
func TestEditsDuringARun(t *testing.T) {
	for _, op := range []reindextest.Op{
		reindextest.OpBegin, reindextest.OpWrite, reindextest.OpFlush, reindextest.OpSeal,
	} {
		t.Run(string(op), func(t *testing.T) {
			products := append(reindextest.Products(200, "new"), reindex.Product{ID: "rejected", Body: json.RawMessage(`[]`)})
			var b bench
			fault := at(op, func() {
				ctx := context.Background()
				if err := b.Update(ctx, tenant, upsert("p1", "edit"), deletion("p2"), upsert("added", "edit"),
					upsert("rejected", "edit"), deletion("p150"), upsert("p151", "edit"), deletion("p152")); err != nil {
					t.Error(err)
				}
				if err := errors.Join(b.Update(ctx, tenant, deletion("p3")), b.Update(ctx, tenant, upsert("p3", "again")),
					b.Update(ctx, tenant, upsert("gone", "a")), b.Update(ctx, tenant, deletion("gone"))); err != nil {
					t.Error(err)
				}
				old := revsOf(100, "old")
				maps.Copy(old, map[string]string{"p1": "edit", "added": "edit", "rejected": "edit", "p151": "edit", "p3": "again"})
				delete(old, "p2")
				b.assertRevs(t, old)
			})
			b = newBench(t, reindextest.Slice(products), &reindex.Config{MaxRejected: 1}, fault)
			report, err := b.Run(t.Context(), tenant)
			if err != nil {
				t.Fatal(err)
			}
			want := revsOf(200, "new")
			maps.Copy(want, map[string]string{"p1": "edit", "added": "edit", "rejected": "edit", "p151": "edit", "p3": "again"})
			delete(want, "p2")
			delete(want, "p150")
			delete(want, "p152")
			b.assertRevs(t, want)
			if report.Added != 2 || report.Removed != 3 || report.ChangesApplied != 9 || report.ChangesRefused != 0 ||
				report.Durations.Held <= 0 {
				t.Errorf("report %+v", report)
			}
			if err := b.Update(t.Context(), tenant, upsert("p5", "after")); err != nil {
				t.Error(err)
			}
			want["p5"] = "after"
			b.assertRevs(t, want)
		})
	}
}

// A change that is accepted in the last moment before updates are held is in the new index.
func TestEditAtTheLastMoment(t *testing.T) {
	var b bench
	b = newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{Trace: &reindex.Trace{
		PhaseStarted: func(ctx context.Context, _ reindex.JobInfo, phase reindex.Phase) context.Context {
			if phase == reindex.PhaseCommit {
				if err := b.Update(context.Background(), tenant, upsert("p1", "edit"), deletion("p2")); err != nil {
					t.Error(err)
				}
			}
			return ctx
		},
	}}, nil)
	if _, err := b.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	want := revsOf(100, "new")
	want["p1"] = "edit"
	delete(want, "p2")
	b.assertRevs(t, want)
}

// A product that is deleted while it waits to be written does not come back with it.
func TestDeletionIsNotOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{BatchDocs: 10, Workers: 2},
			slowly(reindextest.OpWrite, time.Minute))
		job := mustStart(t, b.Engine, tenant)
		synctest.Wait()
		if err := b.Update(t.Context(), tenant, deletion("p7")); err != nil {
			t.Fatal(err)
		}
		if job := ended(t, b.Engine, job); job.Status != reindex.StatusSuccess {
			t.Fatalf("job %+v", job)
		}
		want := revsOf(100, "new")
		delete(want, "p7")
		b.assertRevs(t, want)
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A change that is accepted during the switch-over waits, and is in the new index.
func TestUpdateWaitsForTheSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), nil,
			slowly(reindextest.OpCommit, 10*time.Second))
		job := mustStart(t, b.Engine, tenant)
		synctest.Wait()
		start := time.Now()
		if err := b.Update(t.Context(), tenant, upsert("p1", "edit"), deletion("p2")); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("the update took %v", took)
		}
		if job := ended(t, b.Engine, job); job.Status != reindex.StatusSuccess ||
			job.Report.Durations.Held != 10*time.Second {
			t.Errorf("job %+v", job)
		}
		want := revsOf(100, "new")
		want["p1"] = "edit"
		delete(want, "p2")
		b.assertRevs(t, want)
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A run that fails leaves the live index with all edits; the next one begins anew.
func TestEditsAndAFailedRun(t *testing.T) {
	var b bench
	b = newBench(t, reindextest.Slice(reindextest.Products(100, "new")), nil, func(c reindextest.Call) reindextest.Fault {
		if c.Op == reindextest.OpSeal && c.N == 1 {
			if err := b.Update(context.Background(), tenant, upsert("p1", "edit")); err != nil {
				t.Error(err)
			}
		}
		if c.Op == reindextest.OpCommit && c.N == 1 {
			return reindextest.Fault{Err: errIndex}
		}
		return reindextest.Fault{}
	})
	if _, err := b.Run(t.Context(), tenant); !errors.Is(err, errIndex) {
		t.Fatalf("error %v", err)
	}
	want := revsOf(100, "old")
	want["p1"] = "edit"
	b.assertRevs(t, want)
	if _, err := b.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	b.assertRevs(t, revsOf(100, "new")) // the source is older than the edit
}

// An edit before the first index exists is in it if its run is in progress.
func TestEditBeforeTheFirstIndex(t *testing.T) {
	index := reindextest.NewMemory()
	var engine *reindex.Engine
	var err error
	engine, err = reindex.New(reindextest.Slice(reindextest.Products(10, "new")),
		reindextest.NewFaulty(index, at(reindextest.OpWrite, func() {
			if err := engine.Update(context.Background(), tenant, upsert("p1", "edit"), deletion("p2")); err != nil {
				t.Error(err)
			}
		})), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	want := revsOf(10, "new")
	want["p1"] = "edit"
	delete(want, "p2")
	bench{engine, index}.assertRevs(t, want)
}

// frozen is an index whose generations take no edits.
type frozen struct{ *reindextest.Memory }

func (f frozen) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	gen, err := f.Memory.Begin(ctx, tenant)
	return struct{ reindex.Generation }{gen}, err
}

// A generation that takes no edits does not go live without them; nor does one whose edits are no longer kept.
func TestRuleCurrent(t *testing.T) {
	for _, test := range []struct {
		name    string
		frozen  bool
		updates int
		rule    reindex.Rule
	}{
		{"no editor, no edits", true, 0, ""},
		{"no editor", true, 1, reindex.RuleCurrent},
		{"too many edits", false, 30, reindex.RuleCurrent},
		{"as many as are kept", false, 10, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			index := reindextest.NewMemory()
			publish(t, index, reindextest.Products(100, "old"))
			var engine *reindex.Engine
			src := then(reindextest.Products(100, "new"), func(func(reindex.Product, error) bool) {
				for i := range test.updates {
					err := engine.Update(context.Background(), tenant, upsert(fmt.Sprint("n", i), strings.Repeat("x", 1000)))
					if err != nil {
						t.Error(err)
					}
				}
			})
			var ix reindex.Indexer = index
			if test.frozen {
				ix = frozen{index}
			}
			var err error
			if engine, err = reindex.New(src, ix, &reindex.Config{ChangeBytes: 12_000}); err != nil {
				t.Fatal(err)
			}
			_, err = engine.Run(t.Context(), tenant)
			assertRule(t, err, test.rule)
			if n := len(index.Documents(tenant)); n != 100+test.updates {
				t.Errorf("%d documents are live", n)
			}
		})
	}
}

// Whatever is written while runs go on, and whatever goes wrong in the index, the live index ends as the truth has it,
// and no moment shows a product that was deleted before the switch-over began.
func TestEditsAreNeverLost(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			truth := &truth{products: map[string]string{}}
			for i := range 200 {
				truth.products[fmt.Sprint("p", i)] = "0"
			}
			index := reindextest.NewMemory()
			faults := reindextest.Random(seed, 30, nil)
			faulty := reindextest.NewFaulty(index, func(c reindextest.Call) reindextest.Fault {
				fault := faults(c)
				if (c.Op == reindextest.OpUpdate || c.Op == reindextest.OpEdit) && fault.Err != nil {
					return reindextest.Fault{Err: reindex.Temporary(errBusy)}
				}
				if c.Op == reindextest.OpUpdate || c.Op == reindextest.OpEdit {
					return reindextest.Fault{}
				}
				return fault
			})
			engine, err := reindex.New(truth, faulty, &reindex.Config{
				BatchDocs: 20, Retry: reindex.Retry{Attempts: 6, MinDelay: time.Microsecond, MaxDelay: time.Microsecond},
				CountMargin: -1, MinFraction: -1,
			})
			if err != nil {
				t.Fatal(err)
			}
			for engine.Update(t.Context(), tenant, upsert("p0", "0")) != nil { // until the first index is there
				_, _ = engine.Run(t.Context(), tenant)
			}
			var writers sync.WaitGroup
			for w := range uint64(4) {
				writers.Go(func() { truth.edit(t, engine, seed*10+w, int(w)) })
			}
			for range 10 {
				_, _ = engine.Run(t.Context(), tenant) // some fail
			}
			writers.Wait()
			for range 3 {
				_, _ = engine.Run(t.Context(), tenant)
			}
			if err := errors.Join(engine.Settle(t.Context(), tenant), engine.Shutdown(t.Context())); err != nil {
				t.Error(err)
			}
			bench{engine, index}.assertRevs(t, truth.products)
		})
	}
}

// truth is a database: a source that is edited while it is read.
type truth struct {
	mu       sync.Mutex
	products map[string]string
}

func (d *truth) Open(context.Context, string) (reindex.Snapshot, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var products reindextest.Slice
	for id, rev := range d.products {
		products = append(products, reindextest.NewProduct(id, map[string]any{"rev": rev}))
	}
	return products, nil
}

// edit changes products at random, first in the database and then through the engine. Each writer has products of its
// own, so that the order of their changes is the same in both.
func (d *truth) edit(t *testing.T, e *reindex.Engine, seed uint64, writer int) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for n := range 150 {
		id := fmt.Sprint("p", rng.IntN(60)*4+writer)
		change := upsert(id, fmt.Sprint(writer, ".", n))
		d.mu.Lock()
		if rng.IntN(4) == 0 {
			change = deletion(id)
			delete(d.products, id)
		} else {
			d.products[id] = fmt.Sprint(writer, ".", n)
		}
		d.mu.Unlock()
		for err := e.Update(t.Context(), tenant, change); err != nil; err = e.Update(t.Context(), tenant, change) {
			if !errors.As(err, new(*reindex.TemporaryError)) {
				t.Errorf("update: %v", err)
				return
			}
		}
	}
}
