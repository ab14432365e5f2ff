package esindex

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// A run adapts to a server that accepts requests of up to 1 MB, and concurrent writes of up to 1.2 MB. It begins with
// eight concurrent batches of 2 MiB. Only a few of its requests are refused, and all products are indexed.
func TestAdaptsToASmallServer(t *testing.T) {
	onlyInCI(t)
	server := estest.Own(t, estest.Options{Settings: map[string]string{
		"http.max_content_length": "1mb", "indexing_pressure.memory.limit": "1200kb",
	}})
	ix := openOn(t, server.Transport(t), nil)
	const n = 12_000
	products := make(reindextest.Slice, n)
	for i := range products {
		products[i] = reindextest.NewProduct(fmt.Sprint("p", i),
			map[string]any{"rev": "new", "text": strings.Repeat("word ", 200)})
	}
	var (
		mu            sync.Mutex
		late, large   int
		writes, bytes int
	)
	engine, err := reindex.New(products, ix, &reindex.Config{Trace: &reindex.Trace{WriteEnded: func(
		_ context.Context, _ reindex.JobInfo, w reindex.BatchWrite,
	) {
		mu.Lock()
		defer mu.Unlock()
		writes++
		switch {
		case errors.Is(w.Err, reindex.ErrTooLarge):
			large++
		case isTemporary(w.Err):
			late++
		}
		bytes = w.MaxBytes
	}}})
	if err != nil {
		t.Fatal(err)
	}
	report, err := engine.Run(t.Context(), acme)
	if err != nil || report.Indexed != n {
		t.Fatalf("indexed %d, error %v, want %d", report.Indexed, err, n)
	}
	t.Logf("of %d requests, %d were too large and %d too many at a time; the last limit is %d bytes",
		writes, large, late, bytes)
	if large == 0 || large > 24 {
		t.Errorf("%d of %d requests are too large, want 1 to 24", large, writes)
	}
	if late > 24+writes/8 {
		t.Errorf("%d of %d requests are refused for overload, want at most %d", late, writes, 24+writes/8)
	}
	if bytes > 1300_000 { // a request of 1.3 MB is refused
		t.Errorf("the last limit of a request is %d bytes, want at most 1.3 MB", bytes)
	}
}
