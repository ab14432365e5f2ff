package reindextest

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"productindex/reindex"
)

// These tests find the mistakes that are easily made in an index that is edited while it is filled again. Each test is
// named after the behaviour that the mistake breaks.

// editing returns an engine over the fixture, or skips the test if the index cannot be edited.
func (f Fixture) editing(t *testing.T, src reindex.Source, ix reindex.Indexer, cfg reindex.Config) *reindex.Engine {
	t.Helper()
	updater(t, f)
	if _, ok := reindex.As[reindex.Editor](f.begin(t, "probe")); !ok {
		t.Skip("the Generation is not an Editor")
	}
	cfg.MinFraction = -1
	engine, err := reindex.New(src, ix, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return engine
}

func mustRun(t *testing.T, engine *reindex.Engine) {
	t.Helper()
	if _, err := engine.Run(t.Context(), tenant); err != nil {
		t.Fatalf("run: %v", err)
	}
}

// change applies changes through the engine, and waits until searches see them.
func change(t *testing.T, engine *reindex.Engine, changes ...reindex.Change) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if err := errors.Join(engine.Update(ctx, tenant, changes...), engine.Settle(ctx, tenant)); err != nil {
		t.Errorf("update: %v", err)
	}
}

// onPhase returns a Trace that calls f once, when a run begins a phase.
func onPhase(phase reindex.Phase, f func()) *reindex.Trace {
	var once sync.Once
	return &reindex.Trace{PhaseStarted: func(ctx context.Context, _ reindex.JobInfo, p reindex.Phase) context.Context {
		if p == phase {
			once.Do(f)
		}
		return ctx
	}}
}

// A product that the run has read, and that is deleted before the switch-over begins, is never found again.
func testSearchNeverFindsTheDeleted(t *testing.T, f Fixture) {
	var engine *reindex.Engine
	var searcher sync.WaitGroup
	done := make(chan struct{})
	products := Products(20, "1")
	f.publish(t, tenant, products)
	engine = f.editing(t, Slice(products), f.Indexer, reindex.Config{Trace: onPhase(reindex.PhaseCommit, func() {
		change(t, engine, deletion("p2"), upsert("p3", "2"))
		searcher.Go(func() { f.neverFind(t, "p2", done) })
	})})
	mustRun(t, engine)
	close(done)
	searcher.Wait()
	want := revs(products, "1")
	delete(want, "p2")
	want["p3"] = "2"
	assertFound(t, f.all(t, tenant), want)
}

// neverFind searches until done is closed, and once more, and fails the test if a search finds the product.
func (f Fixture) neverFind(t *testing.T, id string, done <-chan struct{}) {
	for last := false; !last; {
		select {
		case <-done:
			last = true
		default:
		}
		found, err := f.Search(context.WithoutCancel(t.Context()), tenant)
		if rev, ok := found[id]; ok || err != nil {
			t.Errorf("a search found product %q: %v, with rev %q, error %v; want it never found", id, ok, rev, err)
			return
		}
	}
}

func assertReapsNothing(ctx context.Context, t *testing.T, reaper reindex.Reaper) {
	t.Helper()
	if n, err := reaper.Reap(ctx, tenant); n != 0 || err != nil {
		t.Errorf("reaped %d, error %v; want 0", n, err)
	}
}

// Reap does not remove a generation into which changes are replayed, neither before nor after it is sealed.
func testReapSparesTheEdited(t *testing.T, f Fixture) {
	reaper, ok := reindex.As[reindex.Reaper](f.Indexer)
	if !ok {
		t.Skip("the Indexer is not a Reaper")
	}
	f.publish(t, tenant, Products(5, "1"))
	const token = 1 << 40
	ctx := reindex.WithFence(t.Context(), token)
	gen, err := f.Indexer.Begin(ctx, tenant)
	if err != nil {
		t.Fatal(err)
	}
	reap := func() {
		t.Helper()
		assertReapsNothing(t.Context(), t, reaper) //nolint:contextcheck // without the token
		assertReapsNothing(ctx, t, reaper)
	}
	mustWrite(t, gen, Products(10, "2"))
	if _, err := gen.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	mustEdit(t, gen, upsert("p1", "3"))
	reap()
	mustEdit(t, gen, deletion("p2"))
	mustSeal(t, gen, 9)
	reap()
	mustEdit(t, gen, upsert("p2", "4"), deletion("p3"))
	reap()
	if err := gen.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	want := revs(Products(10, "2"), "2")
	want["p1"], want["p2"] = "3", "4"
	delete(want, "p3")
	assertFound(t, f.all(t, tenant), want)
}

// A product that is deleted during the load stays deleted, although the load writes each product twice, as it does
// after a lost answer. A product that is created again after its deletion exists.
func testDeletionIsNotOvertaken(t *testing.T, f Fixture) {
	products := Products(60, "1")
	f.publish(t, tenant, products)
	var engine *reindex.Engine
	var once sync.Once
	faulty := NewFaulty(f.Indexer, func(c Call) Fault {
		if c.Op != OpWrite {
			return Fault{}
		}
		once.Do(func() {
			change(t, engine, deletion("p3"), deletion("p4"), deletion("p59"))
			change(t, engine, upsert("p4", "2"))
		})
		if c.N%2 == 1 {
			return Fault{Lost: reindex.Temporary(errInjected)}
		}
		return Fault{}
	})
	cfg := reindex.Config{BatchDocs: 10, Workers: 1, Retry: reindex.Retry{Attempts: 20, MinDelay: 1, MaxDelay: 1}}
	engine = f.editing(t, Slice(products), faulty, cfg)
	mustRun(t, engine)
	want := revs(products, "1")
	want["p4"] = "2"
	delete(want, "p3")
	delete(want, "p59")
	assertFound(t, f.all(t, tenant), want)
}

// An edit of a product that the load rejected adds the product to the new index, and the count of products stays right.
func testEditOfARejectedProduct(t *testing.T, f Fixture) {
	products := append(Products(10, "1"), reindex.Product{ID: "rejected", Body: json.RawMessage(`[]`)})
	f.publish(t, tenant, Products(10, "0"))
	var engine *reindex.Engine
	engine = f.editing(t, Slice(products), f.Indexer, reindex.Config{
		MaxRejected: 1,
		Trace:       onPhase(reindex.PhaseCatchUp, func() { change(t, engine, upsert("rejected", "2")) }),
	})
	mustRun(t, engine)
	want := revs(Products(10, "1"), "1")
	want["rejected"] = "2"
	assertFound(t, f.all(t, tenant), want)
}

// An edit that comes during the first run of a tenant is in the first index.
func testEditBeforeTheFirstIndex(t *testing.T, f Fixture) {
	var engine *reindex.Engine
	products := Products(10, "1")
	engine = f.editing(t, Slice(products), f.Indexer, reindex.Config{Trace: onPhase(reindex.PhaseLoad, func() {
		ctx := context.WithoutCancel(t.Context())
		if err := engine.Update(ctx, tenant, upsert("p1", "2"), deletion("p2"), upsert("new", "2")); err != nil {
			t.Error(err)
		}
	})})
	mustRun(t, engine)
	want := revs(products, "1")
	want["p1"], want["new"] = "2", "2"
	delete(want, "p2")
	f.settle(t)
	assertFound(t, f.all(t, tenant), want)
}
