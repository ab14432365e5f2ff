//go:build unix

package reindex_test

import (
	"context"
	"encoding/json"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// null is an index that only counts its products.
type null struct{ n atomic.Int64 }

func (x *null) Begin(context.Context, string) (reindex.Generation, error) {
	x.n.Store(0)
	return x, nil
}

func (x *null) Write(_ context.Context, batch []reindex.Product) error {
	x.n.Add(int64(len(batch)))
	return nil
}

func (x *null) Name() string { return "null" }

func (x *null) Flush(context.Context) ([]reindex.ItemError, error) { return nil, nil }

func (x *null) Seal(context.Context) (reindex.Sealed, error) {
	return reindex.Sealed{Documents: x.n.Load(), Live: -1}, nil
}
func (x *null) Commit(context.Context) error { return nil }
func (x *null) Abort(context.Context) error  { return nil }

// body returns a realistic body of size bytes.
func body(id string, size int) json.RawMessage {
	fields := map[string]any{
		"name": "Wool sweater, grey", "price": 129.99, "stock": 12, "tags": []string{"wool", "winter", "grey"},
		"published":   true,
		"attributes":  map[string]any{"color": "grey", "size": "XL", "weight": 1250, "care": "wash \"cold\""},
		"description": "",
	}
	missing := size - len(reindextest.NewProduct(id, fields).Body)
	fields["description"] = strings.Repeat("Soft and warm, for long winters. ", size/33+1)[:missing]
	return reindextest.NewProduct(id, fields).Body
}

// BenchmarkPipeline measures the engine with a source in memory and an index that does nothing: reading, counting ids,
// checking bodies, batching, progress. It reports the cost per product of 1 KiB, and the bytes of bodies per second of
// processor time.
func BenchmarkPipeline(b *testing.B) {
	const n, size = 100_000, 1024
	products := make(reindextest.Slice, n)
	for i := range products {
		id := "product-" + strconv.Itoa(i)
		products[i] = reindex.Product{ID: id, Body: body(id, size)}
	}
	engine, err := reindex.New(products, &null{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := cpuTime(b)
	for b.Loop() {
		if report, err := engine.Run(b.Context(), tenant); err != nil || report.Indexed != n {
			b.Fatalf("report %+v, error %v, want %d indexed", report, err, n)
		}
	}
	cpu = cpuTime(b) - cpu
	runtime.ReadMemStats(&after)
	done := float64(b.N) * n
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/done, "ns/product")
	b.ReportMetric(done/b.Elapsed().Seconds(), "products/s")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/done, "allocs/product")
	b.ReportMetric(done*size/1e6/cpu.Seconds(), "MB/s/core")
}

// cpuTime returns the processor time that this process has used.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
