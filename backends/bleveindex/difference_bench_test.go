package bleveindex

import (
	"fmt"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// What the comparison with the live index takes of a run over 50,000 products, as a fraction.
func BenchmarkDifference(b *testing.B) {
	const n = 50_000
	catalogue := make([]reindex.Product, n)
	for i := range catalogue {
		catalogue[i] = reindextest.NewProduct(fmt.Sprint("p", i), map[string]any{
			"name": fmt.Sprintf("Product %d of series %d", i, i%97), "brand": fmt.Sprint("brand ", i%211), "price": float64(i%1000) + 0.99,
			"description": fmt.Sprintf("A product for those who want number %d, in colour %d and size %d, with all that belongs to it.", i, i%13, i%7),
		})
	}
	ix := open(b, b.TempDir(), nil)
	engine, err := reindex.New(reindextest.Slice(catalogue), ix, nil)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := engine.Run(b.Context(), "acme"); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		report, err := engine.RunWith(b.Context(), "acme", reindex.Options{Difference: true})
		if err != nil {
			b.Fatal(err)
		}
		if d := report.Difference; d.Unchanged != n {
			b.Fatalf("difference %+v", d)
		}
		b.ReportMetric(float64(report.Durations.Check)/float64(report.Durations.Total), "of-the-run")
	}
}
