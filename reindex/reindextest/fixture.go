// Package reindextest states what every Indexer, Source and JobStore of package reindex promises, as tests that an implementation
// runs against itself, and has what tests of such code need: a reference Indexer in memory and one that injects faults.
package reindextest

import (
	"context"

	"productindex/reindex"
)

// Fixture is an Indexer under test, and a way to look at it as a search does.
type Fixture struct {
	// Indexer is empty, and no other test uses it.
	Indexer reindex.Indexer

	// Search answers one search for all of the tenant's live documents: their ids, each with the value of the document's field
	// "rev", a string. All of it comes from one search request, so that a mixture of two generations shows up. For a tenant that
	// has no live index it returns an empty map and no error. It is safe for concurrent use. The suite indexes at most 1,000 products
	// where it searches.
	Search func(ctx context.Context, tenant string) (map[string]string, error)
}
