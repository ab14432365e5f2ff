package meiliindex

import (
	"context"
	"testing"

	"github.com/meilisearch/meilisearch-go"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// TestConformance runs on the emulator and, if MEILISEARCH_URL and MEILISEARCH_API_KEY are set, on a real server, where
// it leaves no index.
func TestConformance(t *testing.T) {
	onServers(t, reindextest.TestIndexer, fixture)
}

// onServers runs a suite on the emulator, and on a real server if there is one.
func onServers(
	t *testing.T,
	suite func(t *testing.T, open func(t *testing.T) reindextest.Fixture),
	fixture func(t *testing.T, url, key, prefix string) reindextest.Fixture,
) {
	t.Helper()
	t.Run("Emulator", func(t *testing.T) {
		suite(t, func(t *testing.T) reindextest.Fixture {
			s := server(t)
			return fixture(t, s.URL, meilitest.MasterKey, defaultPrefix)
		})
	})
	t.Run("Real", func(t *testing.T) {
		url, key, ok := realServer()
		if !ok {
			t.Skip("MEILISEARCH_URL is not set")
		}
		suite(t, func(t *testing.T) reindextest.Fixture {
			prefix := "reindextest_" + encodeName(t.Name()) + "_"
			t.Cleanup(func() { removeAll(t, connect(t, url, key), prefix) })
			return fixture(t, url, key, prefix)
		})
	})
}

func fixture(t *testing.T, url, key, prefix string) reindextest.Fixture {
	client := connect(t, url, key)
	ix, err := New(client, withFastPolls(&Config{Prefix: prefix, StaleAfter: -1}))
	if err != nil {
		t.Fatal(err)
	}
	return reindextest.Fixture{
		Indexer: ix,
		Search: func(ctx context.Context, tenant string) (map[string]string, error) {
			return revs(ctx, client, ix, tenant)
		},
		Other: func(t *testing.T) reindex.Indexer {
			other, err := New(connect(t, url, key), withFastPolls(&Config{Prefix: prefix, StaleAfter: -1}))
			if err != nil {
				t.Fatal(err)
			}
			return other
		},
		Reopen:     func(t *testing.T) reindextest.Fixture { return fixture(t, url, key, prefix) },
		FaultSeeds: reindextest.Seeds(6, 15), // few, since 50 take a minute on a real server
	}
}

// removeAll deletes all indexes with the prefix.
func removeAll(t testing.TB, client meilisearch.ServiceManager, prefix string) {
	ctx := context.WithoutCancel(t.Context())
	all, err := client.ListIndexesWithContext(ctx, &meilisearch.IndexesQuery{Limit: 10000})
	if err != nil {
		t.Error(err)
		return
	}
	for _, index := range all.Results {
		if len(index.UID) > len(prefix) && index.UID[:len(prefix)] == prefix {
			if _, err := client.DeleteIndexWithContext(ctx, index.UID); err != nil {
				t.Error(err)
			}
		}
	}
}
