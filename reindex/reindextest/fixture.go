// Package reindextest has conformance tests for implementations of the interfaces of package reindex, such as Indexer,
// Source and JobStore. It also has helpers for the tests of such code: a reference Indexer in memory, sources, and an
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

// Fixture is an Indexer under test, and a way to look at it as a search does.
type Fixture struct {
	// Indexer is empty, and no other test uses it.
	Indexer reindex.Indexer

	// Search answers one search for all of the tenant's live documents: their ids, each with the value of the document's
	// field "rev", a string. All of it comes from one search request, so that a mixture of two generations shows up. For a
	// tenant that has no live index it returns an empty map and no error. It is safe for concurrent use. The suite indexes
	// at most 1,000 products in tests that search.
	Search func(ctx context.Context, tenant string) (map[string]string, error)

	// Other opens the same storage for another process, while this one goes on with it. Nil: Indexer is used.
	Other func(t *testing.T) reindex.Indexer

	// Reopen opens the same storage again, as a new process does after this one died without a word: generations that are
	// open now are leftovers then. Indexer and Search of the old fixture are not used any more. Nil if the Indexer is not
	// a [reindex.Reaper].
	Reopen func(t *testing.T) Fixture
}

// all is a search that must not fail.
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

// begin opens a generation that is discarded at the end of the test, unless it was committed.
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
