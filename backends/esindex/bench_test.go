package esindex

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/elastic/go-elasticsearch/v8/esutil"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// benchWorkers is how many goroutines send requests, each of 5 MB: the BulkIndexer's own default, and what Limits says.
const benchWorkers = 2

// BenchmarkLoad loads a real catalogue into a new index of the same settings and mappings: through the engine, and beside it through the
// client library's own BulkIndexer. cpu-ms/op and B/op are the client's alone.
func BenchmarkLoad(b *testing.B) {
	products := catalogue(b, "pcparts.jsonl.gz")
	transport := estest.Plain(b).Transport(b)
	if err := engineLoad(b, openOn(b, transport, nil), products); err != nil { // the server is slow until it is warm
		b.Fatal(err)
	}
	b.Run("engine", func(b *testing.B) {
		ix := openOn(b, transport, nil)
		measure(b, func() error { return engineLoad(b, ix, products) })
	})
	b.Run("BulkIndexer", func(b *testing.B) {
		ix := openOn(b, transport, nil)
		measure(b, func() error { return bulkIndexerLoad(b, ix, products) })
	})
}

// measure reports, beside the usual figures, the processor time of this process.
func measure(b *testing.B, load func() error) {
	b.Helper()
	b.ReportAllocs()
	runtime.GC()
	before := cpuTime(b)
	for b.Loop() {
		if err := load(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpuTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func engineLoad(b *testing.B, ix *Index, products reindextest.Slice) error {
	b.Helper()
	engine, err := reindex.New(products, ix, &reindex.Config{Workers: benchWorkers})
	if err != nil {
		return err
	}
	report, err := engine.Run(b.Context(), acme)
	if err == nil && report.Indexed != int64(len(products)) {
		return fmt.Errorf("indexed %d of %d", report.Indexed, len(products))
	}
	return err
}

// bulkIndexerLoad does with the BulkIndexer what a run does: a new index with refresh off, the load, the settings, a refresh, the alias.
func bulkIndexerLoad(b *testing.B, ix *Index, products reindextest.Slice) error {
	b.Helper()
	ctx := context.WithoutCancel(b.Context())
	g := &generation{ix: ix, tenant: acme, alias: ix.Alias(acme), name: generationName(ix.Alias(acme), time.Now())}
	if err := g.create(ctx); err != nil {
		return err
	}
	indexer, err := esutil.NewBulkIndexer(esutil.BulkIndexerConfig{
		Client: clientOf{ix.transport}, Index: g.name, NumWorkers: benchWorkers, FlushBytes: limitBytes,
	})
	if err != nil {
		return err
	}
	for _, p := range products {
		item := esutil.BulkIndexerItem{Action: "index", DocumentID: p.ID, Body: bytes.NewReader(p.Body)}
		if err := indexer.Add(ctx, item); err != nil {
			return err
		}
	}
	if err := indexer.Close(ctx); err != nil {
		return err
	}
	if stats := indexer.Stats(); stats.NumIndexed+stats.NumCreated != uint64(len(products)) {
		return fmt.Errorf("indexed %+v", stats)
	}
	if _, err := g.Seal(ctx); err != nil {
		return err
	}
	return ix.remove(ctx, g.name)
}

// clientOf is a transport as the BulkIndexer takes it.
type clientOf struct{ esapi.Transport }

// BenchmarkBody reads the body of one request: what is left of the client's work when the server takes no time.
func BenchmarkBody(b *testing.B) {
	products := reindextest.Products(1000, "1")
	ix, err := New(sink{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	g := &generation{ix: ix, name: "x"}
	b.ReportAllocs()
	for b.Loop() {
		if err := g.Write(b.Context(), products); err != nil {
			b.Fatal(err)
		}
	}
}

// sink is a server that takes everything.
type sink struct{}

func (sink) Perform(req *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(noItems))}, nil
}
