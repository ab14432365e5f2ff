package main

import (
	"context"
	"path/filepath"

	"productindex/reindex"
	"productindex/source/jsonl"
)

// loader loads the products of a file into an index, which may use the empty folder dir. If a loader fails, it leaves
// nothing open.
type loader func(ctx context.Context, file, dir string) (loaded, error)

// loaded is an index at the end of a load.
type loaded struct {
	products int64 // the number of products that a search can find
	// search returns the number of products that match the words. If search is nil, queries are not measured.
	search func(ctx context.Context, words string) (hits uint64, err error)
	close  func() error
}

// nothing closes an index that need not be closed.
func nothing() error { return nil }

// backend is an index that can be loaded through the engine, or with its own library alone.
type backend struct{ engine, library loader }

var backends = map[string]backend{
	"bleve":         {bleveEngine, bleveLibrary},
	"elasticsearch": {esEngine, esLibrary},
	"meilisearch":   {meiliEngine, meiliLibrary},
	"null":          {nullEngine, nullLibrary},
}

const tenant = "benchmark"

// runEngine reindexes the file into ix with the default config of the engine.
func runEngine(ctx context.Context, file string, ix reindex.Indexer) (int64, error) {
	source, err := jsonl.New(filepath.Dir(file), &jsonl.Config{Files: map[string][]string{tenant: {filepath.Base(file)}}})
	if err != nil {
		return 0, err
	}
	engine, err := reindex.New(uncounted{source}, ix, nil)
	if err != nil {
		return 0, err
	}
	report, err := engine.Run(ctx, tenant)
	return report.Indexed, err
}

// uncounted is a source that does not count its products first, since the other load does not either.
type uncounted struct{ reindex.Source }

func (u uncounted) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	snap, err := u.Source.Open(ctx, tenant)
	return struct{ reindex.Snapshot }{snap}, err // hides the capabilities
}
