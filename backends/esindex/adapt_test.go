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

// A server that takes requests of 1 MB, and no more than 1.2 MB of writes at the same time, gets a catalogue whose
// batches begin at 2 MiB, eight of them at the same time. Only the first few requests are refused.
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
		switch _, temporary := errors.AsType[*reindex.TemporaryError](w.Err); {
		case errors.Is(w.Err, reindex.ErrTooLarge):
			large++
		case temporary:
			late++
		}
		bytes = w.MaxBytes
	}}})
	if err != nil {
		t.Fatal(err)
	}
	report, err := engine.Run(t.Context(), acme)
	if err != nil || report.Indexed != n {
		t.Fatalf("indexed %d, error %v", report.Indexed, err)
	}
	t.Logf("%d writes, %d too large, %d too many, at last up to %d bytes", writes, large, late, bytes)
	if large == 0 || large > 24 {
		t.Errorf("%d of %d requests were too large", large, writes)
	}
	if late > 24+writes/8 {
		t.Errorf("%d of %d requests came too early", late, writes)
	}
	if bytes > 1300_000 { // the first halving that is refused has 1.3 MB
		t.Errorf("at last requests of up to %d bytes", bytes)
	}
}
