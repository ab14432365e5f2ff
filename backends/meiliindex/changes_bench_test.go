package meiliindex

import (
	"fmt"
	"testing"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// BenchmarkChanges measures changes through the engine on a real server (see CONTRIBUTING.md), beside calls of the
// client library's AddDocuments for indexes of the same products. Each call waits for its task.
func BenchmarkChanges(b *testing.B) {
	url, key, ok := realServer()
	if !ok {
		b.Skip("MEILISEARCH_URL is not set")
	}
	products := reindextest.Products(5000, "1")
	for i, p := range products {
		products[i] = reindextest.NewProduct(p.ID, map[string]any{
			"rev": "1", "name": fmt.Sprintf("Product %d of series %d", i, i%97), "price": i % 1000,
		})
	}
	const prefix = "reindextest_changes_"
	client := connect(b, url, key)
	b.Cleanup(func() { removeAll(b, client, prefix) })
	open := func(name string) *Index {
		ix, err := New(client, withFastPolls(&Config{Prefix: prefix + name + "_"}))
		if err != nil {
			b.Fatal(err)
		}
		return ix
	}
	plainly := func(name string) func([]reindex.Product) error {
		plain := open(name)
		publish(b, plain, products...)
		return func(batch []reindex.Product) error { return addPlainly(b, plain, batch) }
	}
	ix := open("ours")
	reindextest.BenchmarkChanges(b, reindextest.Changing{
		Indexer: ix, Products: products,
		Plainly: plainly("plain"), Second: plainly("second"),
		Finds: func(word string) (bool, error) {
			live := client.Index(ix.LiveUID(reindextest.ChangingTenant))
			found, err := live.SearchWithContext(b.Context(), word, &meilisearch.SearchRequest{Limit: 1})
			return err == nil && len(found.Hits) > 0, err
		},
	})
}

// addPlainly writes products in one task of the client library, and waits for it.
func addPlainly(b *testing.B, to *Index, products []reindex.Product) error {
	b.Helper()
	_, body, _ := to.encode(products)
	info, err := to.client.Index(to.LiveUID("acme")).AddDocumentsNdjsonWithContext(b.Context(), body, nil)
	if err != nil {
		return err
	}
	return to.awaitSuccess(b.Context(), info)
}
