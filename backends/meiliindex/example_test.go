package meiliindex_test

import (
	"context"
	"fmt"

	"github.com/meilisearch/meilisearch-go"

	"productindex/backends/meiliindex"
	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// Reindex a tenant, and search its products.
func Example() {
	server := meilitest.New() // in your program, a Meilisearch server
	defer server.Close()
	ctx := context.Background()

	client := meilisearch.New(server.URL, meilisearch.WithAPIKey(meilitest.MasterKey), meilisearch.DisableRetries())
	index, err := meiliindex.New(client, &meiliindex.Config{
		Settings: &meilisearch.Settings{SearchableAttributes: []string{"name"}, FilterableAttributes: []string{"brand"}},
	})
	if err != nil {
		panic(err)
	}
	source := reindextest.Slice{
		{ID: "sock/42", Body: []byte(`{"name":"Wool sock","brand":"Yarn"}`)},
		{ID: "lamp-7", Body: []byte(`{"name":"Desk lamp","brand":"Lumen"}`)},
	}
	engine, err := reindex.New(source, index, nil)
	if err != nil {
		panic(err)
	}
	report, err := engine.Run(ctx, "acme")
	if err != nil {
		panic(err)
	}
	fmt.Println("indexed", report.Indexed)

	live := client.Index(index.LiveUID("acme"))
	found, err := live.SearchWithContext(ctx, "sock", &meilisearch.SearchRequest{Limit: 10})
	if err != nil {
		panic(err)
	}
	var hit struct {
		Name string `json:"name"`
		Key  string `json:"reindex_key"` //nolint:tagliatelle // the default of Config.KeyAttribute
	}
	if err := found.Hits[0].DecodeInto(&hit); err != nil {
		panic(err)
	}
	id, err := meiliindex.ID(hit.Key)
	fmt.Println(hit.Name, id, err)
	// Output:
	// indexed 2
	// Wool sock sock/42 <nil>
}

func ExampleKey() {
	for _, id := range []string{"lamp-7", "sock/42", "Öl"} {
		key, err := meiliindex.Key(id)
		fmt.Println(key, err)
	}
	// Output:
	// lamp-7 <nil>
	// _c29jay80Mg <nil>
	// _w5Zs <nil>
}
