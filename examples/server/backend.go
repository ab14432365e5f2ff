package main

import (
	"context"
	"fmt"
	"os"

	"productindex/reindex"
	"productindex/reindex/golden"
)

// backend is an index and how to search it.
type backend struct {
	indexer reindex.Indexer
	// search returns what a question finds; an error that matches errNoIndex if nothing was indexed for the tenant yet, or
	// errPlainOnly.
	search func(ctx context.Context, tenant string, q question) (found, error)
	// golden makes a check of golden queries.
	golden func(golden.Load) reindex.Check
	close  func() error
}

// openBackend opens the index that the configuration names.
func openBackend(cfg config) (backend, error) {
	switch cfg.Backend {
	case "bleve":
		return openBleve(cfg)
	case "elasticsearch":
		return openElasticsearch(cfg)
	case "meilisearch":
		return openMeilisearch(cfg)
	}
	return backend{}, fmt.Errorf("PRODUCTINDEX_BACKEND is %q; this server has bleve, elasticsearch and meilisearch",
		cfg.Backend)
}

// checks are what a new index has to pass.
func (c config) checks(index backend) []reindex.Check {
	if c.Golden == "" {
		return nil
	}
	return []reindex.Check{index.golden(golden.Dir(os.DirFS(c.Golden)))}
}
