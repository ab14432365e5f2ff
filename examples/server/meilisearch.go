package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/meilisearch/meilisearch-go"

	"productindex/backends/meiliindex"
	"productindex/reindex"
)

// meili is what the environment says of the Meilisearch server.
type meili struct {
	// URL of the server.
	URL string `env:"MEILISEARCH_URL" envDefault:"http://localhost:7700"`
	// APIKey with the rights that package meiliindex lists, and search.
	APIKey string `env:"MEILISEARCH_API_KEY,unset"`
	// Prefix starts the names of all indexes.
	Prefix string `env:"MEILISEARCH_PREFIX" envDefault:"products_"`
}

// openMeilisearch makes a client as package meiliindex recommends, and an index over it.
func openMeilisearch(cfg config) (backend, error) {
	client := meilisearch.New(cfg.Meilisearch.URL, meilisearch.WithAPIKey(cfg.Meilisearch.APIKey), meilisearch.DisableRetries())
	index, err := meiliindex.New(client, &meiliindex.Config{Prefix: cfg.Meilisearch.Prefix})
	if err != nil {
		return backend{}, err
	}
	search := func(ctx context.Context, tenant, query string) (found, error) {
		if reindex.CheckTenant(tenant) != nil {
			return found{}, errNoIndex
		}
		return searchMeilisearch(ctx, client.Index(index.LiveUID(tenant)), query)
	}
	stop := func() error {
		client.Close()
		return nil
	}
	return backend{index, search, stop}, nil
}

func searchMeilisearch(ctx context.Context, index meilisearch.IndexManager, query string) (found, error) {
	raw, err := index.SearchRawWithContext(ctx, query, &meilisearch.SearchRequest{Limit: hits})
	if failed, ok := errors.AsType[*meilisearch.Error](err); ok && failed.StatusCode == http.StatusNotFound {
		return found{}, errNoIndex
	}
	if err != nil {
		return found{}, err
	}
	var result struct {
		Total int64            `json:"estimatedTotalHits"`
		Hits  []map[string]any `json:"hits"`
	}
	if err := json.Unmarshal(*raw, &result); err != nil {
		return found{}, err
	}
	answer := found{Total: result.Total, IDs: []string{}}
	for _, hit := range result.Hits {
		key, _ := hit[meiliindex.DefaultKeyAttribute].(string)
		id, err := meiliindex.ID(key)
		if err != nil {
			return found{}, err
		}
		answer.IDs = append(answer.IDs, id)
	}
	return answer, nil
}
