package reindex_test

import (
	"fmt"
	"sync"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// A run replays only the last one of many changes of a product, even if they fill many pages of the log.
func TestReplaysLastChanges(t *testing.T) {
	const products, times = 20, 50
	edited := 0
	var b bench
	var once sync.Once
	source := reindextest.Slice(reindextest.Products(100, "new"))
	want := revsOf(100, "new")
	b = newBench(t, source, &reindex.Config{BatchDocs: 10}, func(c reindextest.Call) reindextest.Fault {
		switch c.Op {
		case reindextest.OpEdit:
			edited += len(c.Changes)
			if len(c.Changes) > 10 {
				t.Errorf("one call has %d changes, want at most 10 (BatchDocs)", len(c.Changes))
			}
		case reindextest.OpWrite:
			once.Do(func() {
				for i := range products * times {
					id := fmt.Sprint("p", i%products+1)
					want[id] = fmt.Sprint(i)
					mustUpdate(t, b, upsert(id, want[id]))
				}
			})
		}
		return reindextest.Fault{}
	})
	if _, err := b.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	b.assertRevs(t, want)
	if edited > products*times/4 {
		t.Errorf("the new index got %d changes, want at most %d for %d products with %d changes each",
			edited, products*times/4, products, times)
	}
}
