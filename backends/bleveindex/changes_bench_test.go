package bleveindex

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/blevesearch/bleve/v2"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// BenchmarkChanges measures changes through the engine, beside batches in indexes that bleve alone has made of the
// same products and mapping. All indexes also store the bodies. There are catalogues of two sizes, because a run has
// fixed costs.
func BenchmarkChanges(b *testing.B) {
	all := readCatalogue(b, "pcparts.jsonl.gz")
	for _, n := range []int{5000, len(all)} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkChanges(b, all[:n]) })
	}
}

func benchmarkChanges(b *testing.B, products []reindex.Product) {
	b.Helper()
	ix := open(b, b.TempDir(), nil)
	plainly := func(name string) func([]reindex.Product) error {
		plain := loadSequentially(b, filepath.Join(b.TempDir(), name), NewMapping(), products)
		b.Cleanup(func() { plain.Close() })
		return func(batch []reindex.Product) error { return plainBatch(plain, batch, true) }
	}
	reindextest.BenchmarkChanges(b, reindextest.Changing{
		Indexer: ix, Products: products,
		Plainly: plainly("plain"), Second: plainly("second"),
		Finds: func(word string) (bool, error) {
			req := bleve.NewSearchRequest(bleve.NewMatchQuery(word))
			found, err := ix.Search(b.Context(), reindextest.ChangingTenant, req)
			return err == nil && found.Total > 0, err
		},
	})
}
