package esindex

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// BenchmarkChanges measures changes through the engine, beside bulk requests of go-elasticsearch to indexes with the
// same settings, mapping and products. The index that stands for the new index of a run is not refreshed, as during a
// load. There are catalogues of two sizes, because a run has fixed costs.
func BenchmarkChanges(b *testing.B) {
	all := catalogue(b, "pcparts.jsonl.gz")
	for _, n := range []int{5000, len(all)} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkChanges(b, all[:n]) })
	}
}

func benchmarkChanges(b *testing.B, products []reindex.Product) {
	b.Helper()
	plainly := func(configure func(*Config)) func([]reindex.Product) error {
		plain := open(b, configure)
		if err := engineLoad(b, plain, products, nil); err != nil {
			b.Fatal(err)
		}
		return func(batch []reindex.Product) error { return bulkPlainly(b, plain, batch) }
	}
	ix := open(b, nil)
	reindextest.BenchmarkChanges(b, reindextest.Changing{
		Indexer: ix, Products: products,
		Plainly: plainly(nil),
		Second: plainly(func(c *Config) {
			c.Settings = []byte(`{"refresh_interval": "-1", "mapping.total_fields.ignore_dynamic_beyond_limit": true}`)
		}),
		Finds: func(word string) (bool, error) {
			var answer struct{ Hits struct{ Hits []struct{} } }
			req := esapi.SearchRequest{Index: []string{ix.Alias(reindextest.ChangingTenant)}, Query: "name:" + word}
			err := call(b.Context(), ix.transport, "searching", req, &answer)
			return len(answer.Hits.Hits) > 0, err
		},
	})
}

// bulkPlainly writes products in one bulk request, without this package.
func bulkPlainly(b *testing.B, to *Index, products []reindex.Product) error {
	b.Helper()
	var body bytes.Buffer
	for _, p := range products {
		id, err := json.Marshal(p.ID)
		if err != nil {
			return err
		}
		fmt.Fprintf(&body, "{\"index\":{\"_id\":%s}}\n%s\n", id, p.Body)
	}
	var answer struct{ Errors bool }
	req := esapi.BulkRequest{Index: to.Alias(acme), Body: &body}
	if err := call(b.Context(), to.transport, "writing plainly", req, &answer); err != nil {
		return err
	}
	if answer.Errors {
		return errors.New("a product of a plain bulk request was refused")
	}
	return nil
}
