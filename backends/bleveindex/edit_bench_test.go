package bleveindex

import (
	"testing"
	"time"

	"productindex/reindex"
)

// BenchmarkEdit loads pcparts into a generation, and edits a third of its products before and after Seal, in calls as
// large as a batch.
func BenchmarkEdit(b *testing.B) {
	products := readCatalogue(b, "pcparts.jsonl.gz")
	const size = 490
	ix := open(b, b.TempDir(), nil)
	var before, after, loading time.Duration
	n := 0
	edit := func(gen reindex.Generation) time.Duration {
		editor, _ := reindex.As[reindex.Editor](gen)
		start := time.Now()
		for range len(products) / 3 / size {
			changes := make([]reindex.Change, size)
			for i := range changes {
				p := products[n*7919%len(products)]
				changes[i] = reindex.Change{ID: p.ID, Body: p.Body}
				n++
			}
			if err := editor.Edit(b.Context(), changes); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(start)
	}
	for b.Loop() {
		gen := begin(b, ix, "acme")
		start := time.Now()
		fill(b, ix, gen, products)
		loading += time.Since(start)
		before += edit(gen)
		if _, err := gen.Seal(b.Context()); err != nil {
			b.Fatal(err)
		}
		after += edit(gen)
		if err := gen.Abort(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(products))/loading.Seconds(), "loaded/s")
	b.ReportMetric(float64(n/2)/before.Seconds(), "edits/s")
	b.ReportMetric(float64(n/2)/after.Seconds(), "edits-after-Seal/s")
	b.ReportMetric(0, "ns/op")
}
