package main

import (
	"context"
	"fmt"
	"os"

	"productindex/reindex"
	"productindex/reindex/golden"
)

// backend is an index with its search.
type backend struct {
	indexer reindex.Indexer
	// search returns the products that match a question. Its error matches errNoIndex if the tenant has not been
	// indexed yet, and errPlainOnly if the backend does not support the question.
	search func(ctx context.Context, tenant string, q question) (found, error)
	// golden returns a check that runs golden queries.
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

// checks returns the checks of a new index before it goes live.
func (c config) checks(index backend) []reindex.Check {
	if c.Golden == "" {
		return nil
	}
	return []reindex.Check{index.golden(golden.Dir(os.DirFS(c.Golden)))}
}
