package reindex_test

import (
	"context"
	"iter"
	"sync"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// At any time, memory holds the products of at most one batch per worker and of the batch that is being filled.
func TestProductsInMemory(t *testing.T) {
	const docs, workers = 10, 3
	var mu sync.Mutex
	read, written, most := 0, 0, 0
	src := reindex.SourceFunc(func(ctx context.Context, _ string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			for p, err := range reindextest.Slice(reindextest.Products(5000, "new")).Products(ctx) {
				mu.Lock()
				read++
				most = max(most, read-written)
				mu.Unlock()
				if !yield(p, err) {
					return
				}
			}
		}
	})
	cfg := &reindex.Config{BatchDocs: docs, Workers: workers,
		Trace: &reindex.Trace{WriteEnded: func(_ context.Context, _ reindex.JobInfo, w reindex.BatchWrite) {
			mu.Lock()
			written += w.Docs
			mu.Unlock()
		}}}
	b := newBench(t, src, cfg, nil)
	if _, err := b.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	if limit := docs * (workers + 1); most > limit {
		t.Errorf("%d products were in memory at one time, want at most %d", most, limit)
	}
}
