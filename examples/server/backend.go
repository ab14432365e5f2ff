package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/blevesearch/bleve/v2"

	"productindex/backends/bleveindex"
	"productindex/httpapi"
	"productindex/reindex"
)

// backend is an index and how to search it.
type backend struct {
	indexer reindex.Indexer
	search  func(ctx context.Context, tenant, query string) (found, error)
	close   func() error
}

// found is the answer to a search.
type found struct {
	Total int64    `json:"total"`
	IDs   []string `json:"ids"`
}

// errNoIndex: nothing was indexed for the tenant yet.
var errNoIndex = errors.New("no index")

// hits is how many documents a search returns.
const hits = 10

func openBackend(cfg config) (backend, error) {
	if cfg.Backend != "bleve" {
		return backend{}, errUnknownBackend
	}
	index, err := bleveindex.Open(cfg.Index, nil)
	if err != nil {
		return backend{}, err
	}
	return backend{index, searchBleve(index), index.Close}, nil
}

func searchBleve(index *bleveindex.Index) func(ctx context.Context, tenant, query string) (found, error) {
	return func(ctx context.Context, tenant, query string) (found, error) {
		request := bleve.NewSearchRequestOptions(bleve.NewMatchAllQuery(), hits, 0, false)
		if query != "" {
			request.Query = bleve.NewMatchQuery(query)
		}
		result, err := index.Search(ctx, tenant, request)
		if errors.Is(err, bleveindex.ErrNoIndex) {
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
}

// searchHandler answers GET /search/{tenant}?q=words with the number of documents found and the ids of the best.
func searchHandler(index backend, authorize httpapi.Authorizer, log *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		tenant := r.PathValue("tenant")
		if err := authorize(r, tenant, httpapi.ScopeView); err != nil {
			http.Error(w, "not allowed", http.StatusUnauthorized)
			return
		}
		answer, err := index.search(r.Context(), tenant, r.URL.Query().Get("q"))
		switch {
		case errors.Is(err, errNoIndex), errors.Is(err, reindex.ErrTenant):
			http.Error(w, "there is no index of this tenant", http.StatusNotFound)
			return
		case err != nil:
			log.ErrorContext(r.Context(), "search failed", "tenant", tenant, "error", err)
			http.Error(w, "the search failed", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			log.WarnContext(r.Context(), "writing the answer failed", "error", err)
		}
	}
}
