package main

import (
	"context"
	"errors"

	"github.com/blevesearch/bleve/v2"

	"productindex/backends/bleveindex"
	"productindex/reindex"
)

// openBleve opens an index in this process, in a folder.
func openBleve(cfg config) (backend, error) {
	index, err := bleveindex.Open(cfg.Index, nil)
	if err != nil {
		return backend{}, err
	}
	search := func(ctx context.Context, tenant, query string) (found, error) {
		request := bleve.NewSearchRequestOptions(bleve.NewMatchAllQuery(), hits, 0, false)
		if query != "" {
			request.Query = bleve.NewMatchQuery(query)
		}
		result, err := index.Search(ctx, tenant, request)
		if errors.Is(err, reindex.ErrNoLiveIndex) || errors.Is(err, reindex.ErrTenant) {
			return found{}, errNoIndex
		}
		if err != nil {
			return found{}, err
		}
		answer := found{Total: int64(result.Total), IDs: []string{}} //nolint:gosec // a number of documents
		for _, hit := range result.Hits {
			answer.IDs = append(answer.IDs, hit.ID)
		}
		return answer, nil
	}
	return backend{index, search, index.Close}, nil
}
