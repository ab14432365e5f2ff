package reindextest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"productindex/reindex"
)

// TestIndexer checks every promise of [reindex.Indexer], [reindex.Generation] and their optional interfaces, except
// [reindex.Rollbacker], for which there is [TestRollbacker]. It skips the tests of optional interfaces that the index
// does not implement. open returns a new fixture at each call.
func TestIndexer(t *testing.T, open func(t *testing.T) Fixture) {
	for _, test := range []struct {
		name string
		fn   func(t *testing.T, f Fixture)
	}{
		{"NothingLive", testNothingLive},
		{"UnseenUntilCommit", testUnseenUntilCommit},
		{"Replace", testReplace},
		{"Abort", testAbort},
		{"AbortAfterCommit", testAbortAfterCommit},
		{"EmptyGeneration", testEmptyGeneration},
		{"IdempotentWrites", testIdempotentWrites},
		{"ConcurrentWrites", testConcurrentWrites},
		{"KeepsNothingOfTheBatch", testKeepsNothing},
		{"Tenants", testTenants},
		{"IDs", testIDs},
		{"Bodies", testBodies},
		{"BeginOutlivesItsContext", testBeginContext},
		{"EndedContext", testEndedContext},
		{"SearchWhileSwitching", testSearchWhileSwitching},
		{"ReapSparesTheOpen", testReapSparesTheOpen},
		{"ReapLeftovers", testReapLeftovers},
		{"Limits", testLimits},
		{"Update", testUpdate},
		{"UpdateIsDurable", testUpdateIsDurable},
		{"UpdateIDs", testUpdateIDs},
		{"ManyChanges", testManyChanges},
		{"ConcurrentUpdates", testConcurrentUpdates},
		{"Edit", testEdit},
		{"EditAbort", testEditAbort},
		{"SearchNeverFindsTheDeleted", testSearchNeverFindsTheDeleted},
		{"ReapSparesTheEdited", testReapSparesTheEdited},
		{"DeletionIsNotOvertaken", testDeletionIsNotOvertaken},
		{"EditOfARejectedProduct", testEditOfARejectedProduct},
		{"EditBeforeTheFirstIndex", testEditBeforeTheFirstIndex},
		{"Scan", testScan},
		{"ScanStops", testScanStops},
		{"Difference", testDifference},
		{"Fencing", testFencing},
		{"Join", testJoin},
		{"JoinIsFenced", testJoinIsFenced},
		{"Resume", testResume},
		{"ResumeNothing", testResumeNothing},
		{"EngineLoadsElsewhere", testEngineLoadsElsewhere},
		{"Engine", testEngine},
		{"EngineUnderFaults", testEngineUnderFaults},
	} {
		t.Run(test.name, func(t *testing.T) { test.fn(t, open(t)) })
	}
}

const tenant = "acme"

// revs returns the result of a search when these products, with this rev, are live.
func revs(products []reindex.Product, rev string) map[string]string {
	found := map[string]string{}
	for _, p := range products {
		found[p.ID] = rev
	}
	return found
}

func assertFound(t *testing.T, got, want map[string]string) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	var wrong []string
	for id, rev := range want {
		if got[id] != rev {
			wrong = append(wrong, fmt.Sprintf("%q is %q, want %q", id, got[id], rev))
		}
	}
	for id, rev := range got {
		if _, ok := want[id]; !ok {
			wrong = append(wrong, fmt.Sprintf("%q (%q) is found, want none", id, rev))
		}
	}
	slices.Sort(wrong)
	wrong = wrong[:min(5, len(wrong))]
	t.Errorf("searches find %d documents, want %d: %s", len(got), len(want), strings.Join(wrong, "; "))
}

func testNothingLive(t *testing.T, f Fixture) {
	assertFound(t, f.all(t, tenant), nil)
	gen := f.begin(t, tenant)
	assertFound(t, f.all(t, tenant), nil)
	mustWrite(t, gen, Products(3, "1"))
	if sealed := mustSeal(t, gen, 3); sealed.Live != -1 {
		t.Errorf("Live is %d before anything was live, want -1", sealed.Live)
	}
	assertFound(t, f.all(t, tenant), nil)
}

func testUnseenUntilCommit(t *testing.T, f Fixture) {
	old, products := Products(20, "1"), Products(30, "2")
	f.publish(t, tenant, old)
	gen := f.begin(t, tenant)
	mustWrite(t, gen, products[:10])
	assertFound(t, f.all(t, tenant), revs(old, "1"))
	mustWrite(t, gen, products[10:])
	if sealed := mustSeal(t, gen, 30); sealed.Live != 20 {
		t.Errorf("Live is %d, want 20", sealed.Live)
	}
	assertFound(t, f.all(t, tenant), revs(old, "1"))
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertFound(t, f.all(t, tenant), revs(products, "2"))
}

func testReplace(t *testing.T, f Fixture) {
	for i, n := range []int{25, 10, 40} {
		rev := fmt.Sprint(i)
		f.publish(t, tenant, Products(n, rev))
		assertFound(t, f.all(t, tenant), revs(Products(n, rev), rev))
	}
}

func testAbort(t *testing.T, f Fixture) {
	live := Products(10, "1")
	f.publish(t, tenant, live)
	for _, stage := range []string{"begun", "written", "sealed"} {
		gen := f.begin(t, tenant)
		if stage != "begun" {
			mustWrite(t, gen, Products(20, "2"))
		}
		if stage == "sealed" {
			mustSeal(t, gen, 20)
		}
		for range 2 {
			if err := gen.Abort(t.Context()); err != nil {
				t.Errorf("abort of a generation that was %s: %v", stage, err)
			}
		}
		assertFound(t, f.all(t, tenant), revs(live, "1"))
	}
	f.publish(t, tenant, Products(5, "3"))
	assertFound(t, f.all(t, tenant), revs(Products(5, "3"), "3"))
}

func testAbortAfterCommit(t *testing.T, f Fixture) {
	gen := f.begin(t, tenant)
	products := Products(10, "1")
	mustWrite(t, gen, products)
	mustSeal(t, gen, 10)
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := gen.Abort(t.Context()); err != nil {
			t.Errorf("abort after commit: %v", err)
		}
	}
	assertFound(t, f.all(t, tenant), revs(products, "1"))
}

func testEmptyGeneration(t *testing.T, f Fixture) {
	f.publish(t, tenant, Products(10, "1"))
	f.publish(t, tenant, nil)
	assertFound(t, f.all(t, tenant), nil)
	gen := f.begin(t, tenant)
	mustWrite(t, gen, Products(1, "3"))
	if sealed := mustSeal(t, gen, 1); sealed.Live != 0 {
		t.Errorf("Live is %d when an empty generation is live, want 0", sealed.Live)
	}
}

func testIdempotentWrites(t *testing.T, f Fixture) {
	gen := f.begin(t, tenant)
	mustWrite(t, gen, Products(20, "old"))
	mustWrite(t, gen, Products(10, "new"))
	mustSeal(t, gen, 20)
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := revs(Products(20, ""), "old")
	maps.Copy(want, revs(Products(10, ""), "new"))
	assertFound(t, f.all(t, tenant), want)
}

func testConcurrentWrites(t *testing.T, f Fixture) {
	products := Products(800, "1")
	gen := f.begin(t, tenant)
	errs := make(chan error)
	batches := slices.Collect(slices.Chunk(products, 50))
	for _, batch := range batches {
		go func() { errs <- gen.Write(t.Context(), batch) }()
	}
	for range batches {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	mustSeal(t, gen, 800)
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertFound(t, f.all(t, tenant), revs(products, "1"))
}

func testKeepsNothing(t *testing.T, f Fixture) {
	gen := f.begin(t, tenant)
	for i := range 10 {
		batch := []reindex.Product{product(fmt.Sprintf("a%d", i), "1"), product(fmt.Sprintf("b%d", i), "1")}
		mustWrite(t, gen, batch)
		for _, p := range batch {
			for j := range p.Body {
				p.Body[j] = 'x'
			}
		}
		clear(batch)
	}
	mustSeal(t, gen, 20)
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	found := f.all(t, tenant)
	if len(found) != 20 || found["a3"] != "1" || found["b9"] != "1" {
		t.Errorf("searches find %v, want 20 documents of rev 1", found)
	}
}

func testTenants(t *testing.T, f Fixture) {
	names := []string{
		"a", "A", "aa", "a-a", "a_a", "a.a", "a/a", `a\a`, "../a", "..", ".", "a*", "*", "a,b", "a b", "_all", "-a",
		"a%2F", "a%", "ä", "a\u0308", "con", "a:b", "<a>", `"a"`, "a|b", "a?", "a#", "日本",
		strings.Repeat("x", reindex.MaxTenantBytes),
		strings.Repeat("x", reindex.MaxTenantBytes-1),
		strings.Repeat("é", reindex.MaxTenantBytes/2),
	}
	for i, name := range names {
		rev := fmt.Sprint(i)
		f.publish(t, name, []reindex.Product{product("shared", rev), product("only-"+rev, rev)})
	}
	for i, name := range names {
		t.Run(fmt.Sprintf("%d", i), func(t *testing.T) {
			rev := fmt.Sprint(i)
			assertFound(t, f.all(t, name), map[string]string{"shared": rev, "only-" + rev: rev})
		})
	}
	assertFound(t, f.all(t, "unknown"), nil)
}

func testBeginContext(t *testing.T, f Fixture) {
	ctx, cancel := context.WithCancel(t.Context())
	gen, err := f.Indexer.Begin(ctx, tenant)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	mustWrite(t, gen, Products(5, "1"))
	mustSeal(t, gen, 5)
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertFound(t, f.all(t, tenant), revs(Products(5, "1"), "1"))
}

func testEndedContext(t *testing.T, f Fixture) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Indexer.Begin(ended, tenant); !errors.Is(err, context.Canceled) {
		t.Errorf("begin under an ended context: %v, want context.Canceled", err)
	}
	gen := f.begin(t, tenant)
	if err := gen.Write(ended, Products(5, "1")); !errors.Is(err, context.Canceled) {
		t.Errorf("write under an ended context: %v, want context.Canceled", err)
	}
	mustWrite(t, gen, Products(5, "1"))
	if _, err := gen.Seal(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("seal under an ended context: %v, want context.Canceled", err)
	}
	mustSeal(t, gen, 5)
	if err := gen.Commit(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("commit under an ended context: %v, want context.Canceled", err)
	}
	assertFound(t, f.all(t, tenant), nil)
}

func testLimits(t *testing.T, f Fixture) {
	limiter, ok := reindex.As[reindex.Limiter](f.Indexer)
	if !ok {
		t.Skip("the Indexer has no limits")
	}
	if l := limiter.Limits(); l.MaxDocs < 0 || l.MaxBytes < 0 || l.MaxInFlight < 0 {
		t.Errorf("the limits are %+v, want none that is negative", l)
	}
}

func testReapSparesTheOpen(t *testing.T, f Fixture) {
	reaper, ok := reindex.As[reindex.Reaper](f.Indexer)
	if !ok {
		t.Skip("the Indexer is not a Reaper")
	}
	live := Products(5, "1")
	f.publish(t, tenant, live)
	gen := f.begin(t, tenant)
	mustWrite(t, gen, Products(7, "2"))
	if n, err := reaper.Reap(t.Context(), tenant); n != 0 || err != nil {
		t.Errorf("reaped %d, error %v, while the only generation is open; want 0", n, err)
	}
	assertFound(t, f.all(t, tenant), revs(live, "1"))
	mustSeal(t, gen, 7)
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertFound(t, f.all(t, tenant), revs(Products(7, "2"), "2"))
}

// Searches do not see the generations that a dead process has left open. Reap removes them, unless the opening of the
// index has done so.
func testReapLeftovers(t *testing.T, f Fixture) {
	if f.Reopen == nil {
		t.Skip("the Indexer cannot be opened again")
	}
	live := Products(5, "1")
	f.publish(t, tenant, live)
	f.publish(t, "other", live)
	for range 2 {
		gen, err := f.Indexer.Begin(t.Context(), tenant)
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, gen, Products(7, "2"))
		f = f.Reopen(t)
		assertFound(t, f.all(t, tenant), revs(live, "1"))
	}
	reaper, ok := reindex.As[reindex.Reaper](f.Indexer)
	if !ok {
		t.Fatal("Reopen is set, but the Indexer is not a Reaper")
	}
	if _, err := reaper.Reap(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	if n, err := reaper.Reap(t.Context(), tenant); n != 0 || err != nil {
		t.Errorf("the second reaping removed %d, error %v; want 0", n, err)
	}
	assertFound(t, f.all(t, tenant), revs(live, "1"))
	assertFound(t, f.all(t, "other"), revs(live, "1"))
	f.publish(t, tenant, Products(9, "3"))
	assertFound(t, f.all(t, tenant), revs(Products(9, "3"), "3"))
}
