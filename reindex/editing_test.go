package reindex_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

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
				t.Errorf("report %+v, want 2 added, 3 removed, 9 applied, 0 refused", report)
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
			t.Fatalf("job %+v, want a success", job)
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
			t.Errorf("the update took %v, want 10s", took)
		}
		if job := ended(t, b.Engine, job); job.Status != reindex.StatusSuccess ||
			job.Report.Durations.Held != 10*time.Second {
			t.Errorf("job %+v, want a success that held updates for 10 s", job)
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
		t.Fatalf("error %v, want %v", err, errIndex)
	}
	want := revsOf(100, "old")
	want["p1"] = "edit"
	b.assertRevs(t, want)
	if _, err := b.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	b.assertRevs(t, revsOf(100, "new")) // the source is older than the edit
}

// An edit that comes during the first run of a tenant is in the first index.
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

// frozen is an index whose generations accept no edits.
type frozen struct{ *reindextest.Memory }

func (f frozen) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	gen, err := f.Memory.Begin(ctx, tenant)
	return struct{ reindex.Generation }{gen}, err
}

// A generation that accepts no edits does not go live if there were any. Neither does one whose edits are no longer
// kept.
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
				t.Errorf("%d documents are live, want %d", n, 100+test.updates)
			}
		})
	}
}

// With any edits during the runs, and any faults of the index, the live index has the right products at the end, and
// never shows a product that was deleted before the switch-over began.
func TestEditsAreNeverLost(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			var truth reindextest.Editable
			for i := range 200 {
				truth.Edit(upsert(fmt.Sprint("p", i), "0"))
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
			engine, err := reindex.New(&truth, faulty, &reindex.Config{
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
				writers.Go(func() { edit(t, &truth, engine, seed*10+w, int(w)) })
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
			truth.AssertEqual(t, bodiesOf(index.Documents(tenant)))
		})
	}
}

// edit changes products at random, first in the database and then through the engine. Each writer has products of its
// own, so that the order of their changes is the same in both.
func edit(t *testing.T, truth *reindextest.Editable, e *reindex.Engine, seed uint64, writer int) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for n := range 150 {
		id := fmt.Sprint("p", rng.IntN(60)*4+writer)
		change := upsert(id, fmt.Sprint(writer, ".", n))
		if rng.IntN(4) == 0 {
			change = deletion(id)
		}
		truth.Edit(change)
		for err := e.Update(t.Context(), tenant, change); err != nil; err = e.Update(t.Context(), tenant, change) {
			if !errors.As(err, new(*reindex.TemporaryError)) {
				t.Errorf("update: %v", err)
				return
			}
		}
	}
}

// bodiesOf returns the bodies of documents as strings.
func bodiesOf(documents map[string]json.RawMessage) map[string]string {
	bodies := map[string]string{}
	for id, body := range documents {
		bodies[id] = string(body)
	}
	return bodies
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
