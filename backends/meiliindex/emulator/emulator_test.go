package emulator_test

import (
	"net/http"
	"testing"

	"github.com/meilisearch/meilisearch-go"
	"go.uber.org/goleak"

	"productindex/backends/meiliindex/emulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStart(t *testing.T) {
	server := emulator.Start()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := meilisearch.New(server.URL, meilisearch.WithAPIKey(server.Key), meilisearch.WithCustomClient(&http.Client{Transport: transport}))
	if _, err := client.CreateIndexWithContext(t.Context(), &meilisearch.IndexConfig{Uid: "a"}); err != nil {
		t.Error(err)
	}
	server.Close()
	if client.IsHealthy() {
		t.Error("the server answers after it was closed")
	}
}
