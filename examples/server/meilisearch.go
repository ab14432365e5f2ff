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

// meili configures the client of a Meilisearch server.
type meili struct {
	// URL is the URL of the server.
	URL string `env:"MEILISEARCH_URL" envDefault:"http://localhost:7700"`
	// APIKey is a key with the actions that package meiliindex lists, and search.
	APIKey string `env:"MEILISEARCH_API_KEY,unset"`
	// Prefix starts the names of all indexes.
	Prefix string `env:"MEILISEARCH_PREFIX" envDefault:"products_"`
}

// openMeilisearch makes a client as package meiliindex recommends, and an index over it.
func openMeilisearch(cfg config) (backend, error) {
	client := meilisearch.New(cfg.Meilisearch.URL, meilisearch.WithAPIKey(cfg.Meilisearch.APIKey),
		meilisearch.DisableRetries())
	index, err := meiliindex.New(client, &meiliindex.Config{
		Prefix: cfg.Meilisearch.Prefix, KeepPrevious: cfg.KeepPrevious,
	})
	if err != nil {
		return backend{}, err
	}
	search := func(ctx context.Context, tenant string, q question) (found, error) {
		if reindex.CheckTenant(tenant) != nil {
			return found{}, errNoIndex
		}
		if !q.plain() {
			return found{}, errPlainOnly
		}
		return searchMeilisearch(ctx, client.Index(index.LiveUID(tenant)), q)
	}
	stop := func() error {
		client.Close()
		return nil
	}
	return backend{index, search, meiliindex.Golden, stop}, nil
}

func searchMeilisearch(ctx context.Context, index meilisearch.IndexManager, q question) (found, error) {
	raw, err := index.SearchRawWithContext(ctx, q.Text, &meilisearch.SearchRequest{Limit: hits, Offset: int64(q.From)})
	if failed, ok := errors.AsType[*meilisearch.Error](err); ok && failed.StatusCode == http.StatusNotFound {
		return found{}, errNoIndex
	}
	if err != nil {
		return found{}, err
	}
	var result struct {
		Total int64             `json:"estimatedTotalHits"`
		Hits  []json.RawMessage `json:"hits"`
	}
	if err := json.Unmarshal(*raw, &result); err != nil {
		return found{}, err
	}
	answer := found{Total: result.Total, Hits: []hit{}}
	for _, document := range result.Hits {
		id, product, err := ownFields(document)
		if err != nil {
			return found{}, err
		}
		answer.Hits = append(answer.Hits, hit{ID: id, Product: product})
	}
	return answer, nil
}

// ownFields removes the key that package meiliindex adds to a product, and returns the id in the key.
func ownFields(document json.RawMessage) (id string, product json.RawMessage, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(document, &fields); err != nil {
		return "", nil, err
	}
	var key string
	if err := json.Unmarshal(fields[meiliindex.DefaultKeyAttribute], &key); err != nil {
		return "", nil, err
	}
	delete(fields, meiliindex.DefaultKeyAttribute)
	if id, err = meiliindex.ID(key); err != nil {
		return "", nil, err
	}
	product, err = json.Marshal(fields)
	return id, product, err
}
