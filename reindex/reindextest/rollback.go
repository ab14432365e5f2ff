package reindextest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"productindex/reindex"
)

// TestRollbacker checks every promise of [reindex.Rollbacker]. open returns a new fixture at each call. Its Indexer
// keeps two formerly live generations for the duration of the test.
func TestRollbacker(t *testing.T, open func(t *testing.T) Fixture) {
	for _, test := range []struct {
		name string
		fn   func(t *testing.T, f Fixture)
	}{
		{"NothingToGoBackTo", testNothingToGoBackTo},
		{"BackAndForward", testBackAndForward},
		{"Named", testRollbackNamed},
		{"Edits", testRollbackEdits},
		{"Updates", testRollbackUpdates},
		{"Abort", testRollbackAbort},
		{"IsComplete", testRollbackIsComplete},
		{"KeepsTwo", testKeepsTwo},
		{"Tenants", testRollbackTenants},
		{"Fenced", testRollbackIsFenced},
		{"Scan", testRollbackScan},
		{"SearchMeanwhile", testSearchWhileGoingBack},
		{"Crash", testRollbackCrash},
		{"TwoAtOnce", testTwoGoBack},
		{"EngineBackAndForward", testEngineBackAndForward},
		{"EngineRepeats", testRollbackRepeated},
		{"EngineUnderFaults", testRollbackUnderFaults},
	} {
		t.Run(test.name, func(t *testing.T) { test.fn(t, open(t)) })
	}
}

func testNothingToGoBackTo(t *testing.T, f Fixture) {
	for _, live := range []int{0, 1} {
		if infos := f.listed(t, tenant); len(infos) != live {
			t.Errorf("%d generations are listed, want %d: %+v", len(infos), live, infos)
		}
		for _, name := range []string{"", "generation-x", "../live"} {
			gen, err := f.keeper(t).Rollback(t.Context(), tenant, name)
			if !errors.Is(err, reindex.ErrNoPrevious) || gen != nil {
				t.Errorf("rollback to %q with %d generations: %v, want ErrNoPrevious", name, live, err)
			}
		}
		if live == 0 {
			f.publishAll(t, 1)
		}
		f.assertLive(t, 1)
	}
	live := f.listed(t, tenant)[0].Name
	if _, err := f.keeper(t).Rollback(t.Context(), tenant, live); !errors.Is(err, reindex.ErrCommitted) {
		t.Errorf("rollback to the live generation: %v, want ErrCommitted", err)
	}
}

// Searches see a rollback once it is committed. A rollback keeps the generation that it replaces, so that another
// rollback can go forward again.
func testBackAndForward(t *testing.T, f Fixture) {
	f.publishAll(t, 2)
	before := f.listed(t, tenant)
	if len(before) != 2 || before[0].Documents != 11 || before[1].Documents != 10 || before[1].Replaced.IsZero() {
		t.Fatalf("generations %+v, want two, of 11 and 10 documents", before)
	}
	for range 2 {
		gen := f.back(t.Context(), t, "")
		if gen.Name() != before[1].Name {
			t.Errorf("the previous generation is %s, want %s", gen.Name(), before[1].Name)
		}
		f.assertLive(t, 2)
		if sealed := mustSeal(t, gen, 10); sealed.Live != 11 {
			t.Errorf("sealed %+v, want 11 live documents", sealed)
		}
		f.assertLive(t, 2)
		if err := gen.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.assertLive(t, 1)
		after := f.listed(t, tenant)
		if got, want := names(after), []string{before[1].Name, before[0].Name}; !slices.Equal(got, want) {
			t.Errorf("generations %v after the rollback, want %v", got, want)
		}
		if after[1].Replaced.IsZero() || !after[1].Created.Equal(before[0].Created) {
			t.Errorf("the replaced generation is %+v, and was %+v before", after[1], before[0])
		}
		f.goBack(t, "", 11)
		f.assertLive(t, 2)
	}
	f.publish(t, tenant, ofRev(3))
	f.goBack(t, "", 11)
	f.assertLive(t, 2)
}

func testRollbackNamed(t *testing.T, f Fixture) {
	f.publishAll(t, 3)
	before := names(f.listed(t, tenant))
	f.goBack(t, before[2], 10)
	f.assertLive(t, 1)
	if got, want := names(f.listed(t, tenant)), []string{before[2], before[0], before[1]}; !slices.Equal(got, want) {
		t.Errorf("generations %v, want %v", got, want)
	}
	if _, err := f.keeper(t).Rollback(t.Context(), tenant, before[2]); !errors.Is(err, reindex.ErrCommitted) {
		t.Errorf("the same rollback again: %v, want ErrCommitted", err)
	}
	f.goBack(t, before[1], 11)
	f.assertLive(t, 2)
	f.goBack(t, "", 10)
	f.assertLive(t, 1)
	if got, want := names(f.listed(t, tenant)), []string{before[2], before[1], before[0]}; !slices.Equal(got, want) {
		t.Errorf("generations %v, want %v", got, want)
	}
}

// Searches see the edits of a kept generation, made before and after its Seal, once the generation is live.
func testRollbackEdits(t *testing.T, f Fixture) {
	f.publishAll(t, 2)
	gen := f.back(t.Context(), t, "")
	mustEdit(t, gen, upsert("p3", "e"), deletion("p4"), upsert("new", "e"), deletion("not there"))
	mustSeal(t, gen, 10)
	mustEdit(t, gen, upsert("p5", "late"), deletion("p6"))
	mustSeal(t, gen, 9)
	mustEdit(t, gen, upsert("last", "late"))
	f.assertLive(t, 2)
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := revs(ofRev(1), "1")
	maps.Copy(want, map[string]string{"p3": "e", "new": "e", "p5": "late", "last": "late"})
	delete(want, "p4")
	delete(want, "p6")
	f.settle(t)
	assertFound(t, f.all(t, tenant), want)
	if sealed := f.liveCount(t); sealed != int64(len(want)) {
		t.Errorf("%d documents are counted as live, want %d", sealed, len(want))
	}
	mustUpdate(t, f, upsert("p0", "u"), deletion("new"))
	want["p0"] = "u"
	delete(want, "new")
	assertFound(t, f.all(t, tenant), want)
	if f.Reopen != nil {
		f = f.Reopen(t)
		assertFound(t, f.all(t, tenant), want)
	}
	f.goBack(t, "", 11)
	f.assertLive(t, 2)
}

// Updates of the live index stay in the generation that was live at that time.
func testRollbackUpdates(t *testing.T, f Fixture) {
	f.publishAll(t, 1)
	mustUpdate(t, f, upsert("p0", "u1"), deletion("p1"))
	f.publish(t, tenant, ofRev(2))
	mustUpdate(t, f, upsert("p0", "u2"), upsert("new", "u2"))
	first, second := revs(ofRev(1), "1"), revs(ofRev(2), "2")
	first["p0"], second["p0"], second["new"] = "u1", "u2", "u2"
	delete(first, "p1")
	for range 2 {
		f.goBack(t, "", 9)
		assertFound(t, f.all(t, tenant), first)
		f.goBack(t, "", 12)
		assertFound(t, f.all(t, tenant), second)
	}
}

// An aborted rollback changes nothing, at any stage.
func testRollbackAbort(t *testing.T, f Fixture) {
	f.publishAll(t, 3)
	before := names(f.listed(t, tenant))
	for _, stage := range []string{"opened", "edited", "sealed"} {
		gen := f.back(t.Context(), t, before[2])
		if stage != "opened" {
			mustEdit(t, gen, upsert("p3", "1"))
		}
		if stage == "sealed" {
			mustSeal(t, gen, 10)
		}
		for range 2 {
			if err := gen.Abort(t.Context()); err != nil {
				t.Errorf("abort of a rollback that was %s: %v", stage, err)
			}
		}
		f.assertLive(t, 3)
		if got := names(f.listed(t, tenant)); !slices.Equal(got, before) {
			t.Errorf("generations %v after the abort of a rollback that was %s, want %v", got, stage, before)
		}
		if err := gen.Commit(t.Context()); err == nil {
			t.Error("an aborted rollback can be committed")
		}
	}
	f.goBack(t, before[2], 10)
	f.assertLive(t, 1)
}

// A kept generation accepts no products.
func testRollbackIsComplete(t *testing.T, f Fixture) {
	f.publishAll(t, 2)
	gen := f.back(t.Context(), t, "")
	if err := gen.Write(t.Context(), Products(20, "w")); err == nil {
		t.Error("a write to a kept generation succeeds")
	}
	mustSeal(t, gen, 10)
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.assertLive(t, 1)
}

// Two generations are kept. Neither Reap nor a failed run removes them.
func testKeepsTwo(t *testing.T, f Fixture) {
	f.publishAll(t, 5)
	infos := f.listed(t, tenant)
	if len(infos) != 3 || infos[0].Documents != 14 || infos[1].Documents != 13 || infos[2].Documents != 12 {
		t.Fatalf("generations %+v, want those of 14, 13 and 12 documents", infos)
	}
	gen := f.begin(t, tenant)
	mustWrite(t, gen, Products(3, "x"))
	if err := gen.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	if reaper, ok := reindex.As[reindex.Reaper](f.Indexer); ok {
		if n, err := reaper.Reap(t.Context(), tenant); n != 0 || err != nil {
			t.Errorf("Reap has deleted %d generations, error %v; want none", n, err)
		}
	}
	if f.Reopen != nil {
		f = f.Reopen(t)
	}
	if got, want := names(f.listed(t, tenant)), names(infos); !slices.Equal(got, want) {
		t.Errorf("generations %v, want %v", got, want)
	}
	f.goBack(t, infos[2].Name, 12)
	f.assertLive(t, 3)
	f.publish(t, tenant, ofRev(6))
	f.goBack(t, "", 12)
	f.assertLive(t, 3)
}

func testRollbackTenants(t *testing.T, f Fixture) {
	f.publishAll(t, 2)
	f.publish(t, "acme2", Products(3, "x"))
	f.publish(t, "acme2", Products(4, "y"))
	other := names(f.listed(t, "acme2"))
	if _, err := f.keeper(t).Rollback(t.Context(), tenant, other[1]); !errors.Is(err, reindex.ErrNoPrevious) {
		t.Errorf("rollback to a generation of another tenant: %v, want ErrNoPrevious", err)
	}
	f.goBack(t, "", 10)
	if got := names(f.listed(t, "acme2")); !slices.Equal(got, other) {
		t.Errorf("generations %v of the other tenant, want %v", got, other)
	}
	assertFound(t, f.all(t, "acme2"), revs(Products(4, "y"), "y"))
}

// A rollback that a run or another rollback has overtaken publishes nothing. The same holds for a run that a rollback
// has overtaken.
func testRollbackIsFenced(t *testing.T, f Fixture) {
	f.publishAll(t, 2)
	at := func(token int64) context.Context { return reindex.WithFence(t.Context(), token) }
	run, err := f.Indexer.Begin(at(5), tenant)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, run, Products(3, "x"))
	mustSeal(t, run, 3)
	slow := f.back(at(6), t, "")
	mustSeal(t, slow, 10)
	for _, token := range []int64{5, 6} {
		if _, err := f.keeper(t).Rollback(at(token), tenant, ""); !errors.Is(err, reindex.ErrFenced) {
			t.Errorf("rollback with token %d while the one with token 6 is open: %v, want ErrFenced", token, err)
		}
		if _, err := f.Indexer.Begin(at(token), tenant); !errors.Is(err, reindex.ErrFenced) {
			t.Errorf("begin with token %d while the rollback with token 6 is open: %v, want ErrFenced", token, err)
		}
	}
	next := f.back(at(7), t, "")
	for token, gen := range map[int64]reindex.Generation{5: run, 6: slow} {
		if err := gen.Commit(at(token)); !errors.Is(err, reindex.ErrFenced) {
			t.Errorf("commit with token %d, which was overtaken: %v, want ErrFenced", token, err)
		}
		if err := gen.Abort(at(token)); err != nil {
			t.Errorf("abort with token %d, which was overtaken: %v", token, err)
		}
	}
	f.assertLive(t, 2)
	mustSeal(t, next, 10)
	if err := next.Commit(at(7)); err != nil {
		t.Fatalf("commit of the newest rollback: %v", err)
	}
	f.assertLive(t, 1)
}

// A kept generation can be scanned before it is live, if the index is a LiveScanner.
func testRollbackScan(t *testing.T, f Fixture) {
	live := scanner(t, f)
	f.publishAll(t, 1)
	want := bodies(t, live.ScanLive(t.Context(), tenant))
	f.publish(t, tenant, ofRev(2))
	gen := f.back(t.Context(), t, "")
	mustSeal(t, gen, 10)
	kept, ok := reindex.As[reindex.Scanner](gen)
	if !ok {
		t.Fatal("the index is a LiveScanner, but its kept generations are not Scanners")
	}
	if got := bodies(t, kept.Scan(t.Context())); !maps.Equal(got, want) {
		t.Errorf("a scan of the kept generation yields %d products, want %d", len(got), len(want))
	}
}

// Each search sees one whole generation, however often the live one changes.
func testSearchWhileGoingBack(t *testing.T, f Fixture) {
	f.publishAll(t, 2)
	stop := SearchMeanwhile(t, f, tenant, func(rev string) int { return map[string]int{"1": 10, "2": 11}[rev] })
	for range generations / 2 {
		f.goBack(t, "", 10)
		f.goBack(t, "", 11)
	}
	stop()
}

// A process that dies in the middle of a rollback leaves the live index unchanged, and the rollback can be repeated.
func testRollbackCrash(t *testing.T, f Fixture) {
	if f.Reopen == nil {
		t.Skip("the Indexer does not outlive its process")
	}
	f.publishAll(t, 2)
	before := names(f.listed(t, tenant))
	for _, stage := range []string{"opened", "edited", "sealed"} {
		gen, err := f.keeper(t).Rollback(t.Context(), tenant, "")
		if err != nil {
			t.Fatal(err)
		}
		if stage != "opened" {
			mustEdit(t, gen, upsert("p3", "1"))
		}
		if stage == "sealed" {
			mustSeal(t, gen, 10)
		}
		f = f.Reopen(t)
		f.assertLive(t, 2)
		if got := names(f.listed(t, tenant)); !slices.Equal(got, before) {
			t.Errorf("generations %v after a crash when a rollback was %s, want %v", got, stage, before)
		}
	}
	f.goBack(t, "", 10)
	f = f.Reopen(t)
	f.assertLive(t, 1)
	f.goBack(t, "", 11)
	f.assertLive(t, 2)
}
