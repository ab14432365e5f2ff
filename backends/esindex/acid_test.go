package esindex

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex/reindextest/acidtest"
)

const (
	acidURL    = "ESINDEX_ACID_URL"
	acidPrefix = "ESINDEX_ACID_PREFIX"
)

// No matter when the process of the engine is killed, the index equals the database of the shop in the end.
func TestAcid(t *testing.T) {
	server := estest.Plain(t)
	acidtest.Run(t, acidtest.Scenario{SmallReindexes: 4}, func(t *testing.T, _ string) []string {
		ix := open(t, func(c *Config) { c.Prefix = fmt.Sprintf("acid-%d", time.Now().UnixNano()) })
		return []string{acidURL + "=" + server.URL, acidPrefix + "=" + ix.cfg.Prefix}
	})
}

// openAcid opens the index of a scenario. It runs in the process that is killed.
func openAcid(context.Context, string) (acidtest.Index, error) {
	address, err := url.Parse(os.Getenv(acidURL))
	if err != nil {
		return acidtest.Index{}, err
	}
	transport, err := elastictransport.NewClient(elastictransport.WithURLs(address), elastictransport.WithDisableRetry(),
		elastictransport.WithTransport(&http.Transport{}))
	if err != nil {
		return acidtest.Index{}, err
	}
	ix, err := New(transport, &Config{
		Prefix: os.Getenv(acidPrefix), RetireDelay: time.Millisecond, KeepPrevious: 2,
		Settings: []byte(`{"number_of_shards":1,"number_of_replicas":0}`),
	})
	if err != nil {
		return acidtest.Index{}, err
	}
	return acidtest.Index{Indexer: ix, Bodies: func(ctx context.Context) (map[string]string, error) {
		return bodiesOf(ctx, ix, acidtest.Tenant)
	}}, nil
}

// bodiesOf returns the bodies of the live documents of a tenant by id, from one search.
func bodiesOf(ctx context.Context, ix *Index, tenant string) (map[string]string, error) {
	var answer struct {
		Hits struct {
			Hits []struct {
				ID     string          `json:"_id"`
				Source json.RawMessage `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
		Shards struct {
			Failed int `json:"failed"`
		} `json:"_shards"`
	}
	size := 10_000
	err := call(ctx, ix.transport, "searching", esapi.SearchRequest{Index: []string{ix.Alias(tenant)}, Size: &size},
		&answer)
	if err == nil && answer.Shards.Failed > 0 {
		err = fmt.Errorf("%d shards failed", answer.Shards.Failed)
	}
	found := map[string]string{}
	for _, hit := range answer.Hits.Hits {
		found[hit.ID] = string(hit.Source)
	}
	return found, err
}
