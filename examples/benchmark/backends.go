package main

import (
	"context"
	"path/filepath"

	"productindex/reindex"
	"productindex/source/jsonl"
)

// loader loads a file's products into an index, which may use the empty folder dir. Where it fails it leaves nothing
// open.
type loader func(ctx context.Context, file, dir string) (loaded, error)

// loaded is an index at the end of a load.
type loaded struct {
	products int64 // which a search can find
	// search returns how many products it finds; nil: queries are not measured.
	search func(ctx context.Context, words string) (hits uint64, err error)
	close  func() error
}

// nothing is what closes an index that needs no closing.
func nothing() error { return nil }

// backend is an index to load in two ways.
type backend struct{ engine, library loader }

var backends = map[string]backend{
	"bleve":         {bleveEngine, bleveLibrary},
	"elasticsearch": {esEngine, esLibrary},
	"meilisearch":   {meiliEngine, meiliLibrary},
	"null":          {nullEngine, nullLibrary},
}

const tenant = "benchmark"

// runEngine reindexes the file into ix with the engine's defaults.
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

// uncounted is a source whose products are not counted first: those of the other load are not, either.
type uncounted struct{ reindex.Source }

func (u uncounted) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	snap, err := u.Source.Open(ctx, tenant)
	return struct{ reindex.Snapshot }{snap}, err // hides the capabilities
}
