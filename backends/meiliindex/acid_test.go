package meiliindex

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/meilisearch/meilisearch-go"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex/reindextest/acidtest"
)

const acidURL = "MEILIINDEX_ACID_URL"

// No matter when the process of the engine is killed, the index equals the database of the shop in the end. The server,
// an emulator, keeps running.
func TestAcid(t *testing.T) {
	acidtest.Run(t, acidtest.Scenario{}, func(t *testing.T, _ string) []string {
		return []string{acidURL + "=" + server(t).URL}
	})
}

// openAcid opens the index of a scenario. It runs in the process that is killed.
func openAcid(context.Context, string) (acidtest.Index, error) {
	client := meilisearch.New(os.Getenv(acidURL), meilisearch.WithCustomClient(&http.Client{Transport: &http.Transport{}}),
		meilisearch.WithAPIKey(meilitest.MasterKey), meilisearch.DisableRetries())
	ix, err := New(client, withFastPolls(&Config{KeepPrevious: 2}))
	if err != nil {
		return acidtest.Index{}, err
	}
	return acidtest.Index{Indexer: ix, Bodies: func(ctx context.Context) (map[string]string, error) {
		return bodiesOf(ctx, client, ix, acidtest.Tenant)
	}}, nil
}

// bodiesOf returns the bodies of the live documents of a tenant by the ids of the products, from one search. The
// emulator does not limit the number of hits.
func bodiesOf(
	ctx context.Context, client meilisearch.ServiceManager, ix *Index, tenant string,
) (map[string]string, error) {
	raw, err := client.Index(ix.LiveUID(tenant)).SearchRawWithContext(ctx, "", &meilisearch.SearchRequest{Limit: 10_000})
	if err != nil {
		return nil, fmt.Errorf("searching: %w", err)
	}
	var result struct {
		Hits []map[string]json.RawMessage `json:"hits"`
	}
	if err := json.Unmarshal(*raw, &result); err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, hit := range result.Hits {
		var key string
		if err := json.Unmarshal(hit[ix.cfg.KeyAttribute], &key); err != nil {
			return nil, err
		}
		id, err := ID(key)
		if err != nil {
			return nil, err
		}
		delete(hit, ix.cfg.KeyAttribute)
		body, err := json.Marshal(hit)
		if err != nil {
			return nil, err
		}
		found[id] = string(body)
	}
	return found, nil
}
