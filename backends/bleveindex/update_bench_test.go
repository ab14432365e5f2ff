package bleveindex

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"productindex/reindex"
)

// BenchmarkUpdate changes products in a live index of 5,000 products of pcparts, in turns with batches of the same size
// in an index that bleve alone has made of the same products and mapping. Both indexes store the bodies. A ratio above
// 1 means that this package is faster.
func BenchmarkUpdate(b *testing.B) {
	products := readCatalogue(b, "pcparts.jsonl.gz")[:5000]
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			ix := open(b, b.TempDir(), nil)
			load(b, ix, "acme", products)
			plain := loadSequentially(b, filepath.Join(b.TempDir(), "plain"), NewMapping(), products)
			b.Cleanup(func() { plain.Close() })
			var ours, theirs time.Duration
			n := 0
			for b.Loop() {
				for range 20 {
					batch := make([]reindex.Product, size)
					for i := range batch {
						batch[i] = products[n*7919%len(products)]
						n++
					}
					start := time.Now()
					updateProducts(b, ix, batch)
					ours += time.Since(start)
					start = time.Now()
					indexPlainly(b, plain, batch, true)
					theirs += time.Since(start)
				}
			}
			b.ReportMetric(float64(theirs)/float64(ours), "speed-ratio")
			b.ReportMetric(float64(n)/ours.Seconds(), "updates/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func updateProducts(tb testing.TB, ix *Index, products []reindex.Product) {
	tb.Helper()
	changes := make([]reindex.Change, len(products))
	for i, p := range products {
		changes[i] = reindex.Change{ID: p.ID, Body: p.Body}
	}
	update(tb, ix, "acme", changes...)
}
