// Package reindextest provides conformance tests for implementations of the interfaces of package reindex, such as
// Indexer, Source and JobStore. It also provides helpers for tests: a reference Indexer in memory, sources, and an
// Indexer that injects faults.
//
//	func TestConformance(t *testing.T) {
//		reindextest.TestIndexer(t, func(t *testing.T) reindextest.Fixture {
//			index := open(t)
//			return reindextest.Fixture{Indexer: index, Search: index.revisions}
//		})
//	}
package reindextest

import (
	"context"
	"testing"

	"productindex/reindex"
)

// Fixture is an Indexer under test, with the functions that the tests need to search and reopen it.
type Fixture struct {
	// Indexer is an empty index that no other test uses.
	Indexer reindex.Indexer

	// Search returns all live documents of the tenant: a map from their ids to the values of their string field "rev". It
	// must get all of them with one search request, so that a mixture of two generations is noticed. For a tenant without
	// a live index it returns an empty map and no error. It must be safe for concurrent use. Tests that search index at
	// most 1,000 products.
	Search func(ctx context.Context, tenant string) (map[string]string, error)

	// Other opens the same storage as another process does, while Indexer stays open. If it is nil, the tests use Indexer
	// in its place.
	Other func(t *testing.T) reindex.Indexer

	// Reopen opens the same storage again, as a new process does after a crash of the first. Generations that are open at
	// that time are leftovers. The tests no longer use the Indexer and the Search of the old fixture. Reopen is nil if the
	// Indexer is not a [reindex.Reaper].
	Reopen func(t *testing.T) Fixture

	// FaultSeeds is the number of random sequences of faults that TestRollbacker tests. The default is 6, or 50 if CI=true
	// is set.
	FaultSeeds int
}

// all searches, and fails the test if the search fails.
func (f Fixture) all(t *testing.T, tenant string) map[string]string {
	t.Helper()
	found, err := f.Search(t.Context(), tenant)
	if err != nil {
		t.Fatalf("search: %v", err)
	}
	return found
}

// publish makes a generation of these products live.
func (f Fixture) publish(t *testing.T, tenant string, products []reindex.Product) {
	t.Helper()
	gen := f.begin(t, tenant)
	mustWrite(t, gen, products)
	mustSeal(t, gen, int64(len(products)))
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatalf("commit: %v", err)
	}
	if err := gen.Abort(t.Context()); err != nil {
		t.Fatalf("abort after a commit: %v", err)
	}
}

// begin opens a generation. It is aborted at the end of the test, which has no effect if it was committed.
func (f Fixture) begin(t *testing.T, tenant string) reindex.Generation {
	t.Helper()
	gen, err := f.Indexer.Begin(t.Context(), tenant)
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	t.Cleanup(func() {
		if err := gen.Abort(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("abort: %v", err)
		}
	})
	return gen
}

func mustWrite(t *testing.T, gen reindex.Generation, products []reindex.Product) {
	t.Helper()
	if err := gen.Write(t.Context(), products); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func mustSeal(t *testing.T, gen reindex.Generation, documents int64) reindex.Sealed {
	t.Helper()
	failed, err := gen.Flush(t.Context())
	if err != nil {
		t.Fatalf("flush: %v", err)
	}
	sealed, err := gen.Seal(t.Context())
	if err != nil {
		t.Fatalf("seal: %v", err)
	}
	if sealed.Documents != documents || sealed.LiveErr != nil || len(failed) > 0 {
		t.Fatalf("sealed %+v, failed %v; want %d documents, no failed ones", sealed, failed, documents)
	}
	return sealed
}
