package esindex

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/elastic/go-elasticsearch/v8/esutil"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// benchWorkers is the number of goroutines that send requests in BenchmarkLoad: the BulkIndexer's default on two cores.
// The requests of the BulkIndexer have its default of 5 MB, those of the engine the size in Limits.
const benchWorkers = 2

var twoWorkers = &reindex.Config{Workers: benchWorkers}

// BenchmarkLoad loads a real catalogue into a new index, through the engine and through the BulkIndexer of
// go-elasticsearch, with the same settings and mappings. cpu-ms/op and B/op are of this process, without the server.
func BenchmarkLoad(b *testing.B) {
	products := catalogue(b, "pcparts.jsonl.gz")
	transport := estest.Plain(b).Transport(b)
	err := engineLoad(b, openOn(b, transport, nil), products, twoWorkers)
	if err != nil { // an unmeasured load, since the server is slow at first
		b.Fatal(err)
	}
	b.Run("engine", func(b *testing.B) {
		ix := openOn(b, transport, nil)
		measure(b, func() error { return engineLoad(b, ix, products, twoWorkers) })
	})
	b.Run("BulkIndexer", func(b *testing.B) {
		ix := openOn(b, transport, nil)
		measure(b, func() error { return bulkIndexerLoad(b, ix, products) })
	})
}

// measure runs load repeatedly, and also reports the processor time of this process.
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

// BenchmarkSweep loads a real catalogue with fixed sizes and numbers of concurrent requests, and with those to which
// the engine adapts. Each round (-benchtime 5x) has all of these loads, in alternating order. BenchmarkSweep prints the
// median time of each, with the processor time of the server, and reports the ratio of the adaptive load to the best
// fixed one.
func BenchmarkSweep(b *testing.B) {
	products := catalogue(b, "pcparts.jsonl.gz")
	transport := estest.Plain(b).Transport(b)
	adaptive := setting{ix: openOn(b, transport, nil)}
	settings := []*setting{&adaptive}
	for _, kib := range []int{256, 1 << 10, 2 << 10, 5 << 10, 10 << 10} {
		for _, inFlight := range []int{1, 2, 4, 8} {
			limits := reindex.Limits{MaxDocs: 100_000, MaxBytes: kib << 10, MaxInFlight: inFlight}
			settings = append(settings, &setting{ix: openOn(b, transport, nil), limits: limits})
		}
	}
	for range 3 { // unmeasured loads, since the server takes twice the time at first
		if err := adaptive.load(b, products); err != nil {
			b.Fatal(err)
		}
	}
	adaptive.took, adaptive.cpu = nil, nil
	for b.Loop() {
		for _, s := range settings {
			if err := s.load(b, products); err != nil {
				b.Fatal(err)
			}
		}
		slices.Reverse(settings)
	}
	slices.SortFunc(settings, func(x, y *setting) int { return cmp.Compare(median(x.took), median(y.took)) })
	var fixed []*setting
	for _, s := range settings {
		fmt.Fprintf(os.Stdout, "%-14s median %6.2f s, minimum %6.2f s, processor time of the server %6.2f s\n",
			s, median(s.took).Seconds(), slices.Min(s.took).Seconds(), median(s.cpu).Seconds())
		if s != &adaptive {
			fixed = append(fixed, s)
		}
	}
	b.ReportMetric(float64(median(adaptive.took))/float64(median(fixed[0].took)), "adaptive/best-fixed")
	b.ReportMetric(float64(median(adaptive.cpu))/float64(median(fixed[0].cpu)), "adaptive/best-fixed-cpu")
}

// setting is one way to load, with the times of its loads.
type setting struct {
	ix        *Index
	limits    reindex.Limits // the zero value for those of the Index
	took, cpu []time.Duration
}

func (s *setting) String() string {
	if s.limits == (reindex.Limits{}) {
		return "adaptive"
	}
	return fmt.Sprintf("%5d KiB × %d", s.limits.MaxBytes>>10, s.limits.MaxInFlight)
}

func (s *setting) load(b *testing.B, products reindextest.Slice) error {
	b.Helper()
	runtime.GC()
	cpu, start := serverTime(b, s.ix), time.Now()
	var ix reindex.Indexer = s.ix
	if s.limits != (reindex.Limits{}) {
		ix = fixedSizes{s.ix, s.limits}
	}
	if err := engineLoad(b, ix, products, nil); err != nil {
		return err
	}
	s.took = append(s.took, time.Since(start))
	s.cpu = append(s.cpu, serverTime(b, s.ix)-cpu)
	return nil
}

// fixedSizes is an Index with fixed limits.
type fixedSizes struct {
	*Index

	limits reindex.Limits
}

func (f fixedSizes) Limits() reindex.Limits { return f.limits }

func median(of []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

// serverTime returns the processor time that the server has used since its start.
func serverTime(b *testing.B, ix *Index) time.Duration {
	b.Helper()
	var answer struct {
		Nodes map[string]struct {
			Process struct {
				CPU struct {
					Total int64 `json:"total_in_millis"`
				}
			}
		}
	}
	if err := call(b.Context(), ix.transport, "asking for statistics",
		esapi.NodesStatsRequest{Metric: []string{"process"}}, &answer); err != nil {
		b.Fatal(err)
	}
	var total int64
	for _, node := range answer.Nodes {
		total += node.Process.CPU.Total
	}
	return time.Duration(total) * time.Millisecond
}

func engineLoad(b *testing.B, ix reindex.Indexer, products reindextest.Slice, cfg *reindex.Config) error {
	b.Helper()
	engine, err := reindex.New(products, ix, cfg)
	if err != nil {
		return err
	}
	report, err := engine.Run(b.Context(), acme)
	if err == nil && report.Indexed != int64(len(products)) {
		return fmt.Errorf("indexed %d of %d", report.Indexed, len(products))
	}
	return err
}

// bulkIndexerLoad does the same as a run, but writes through the BulkIndexer.
func bulkIndexerLoad(b *testing.B, ix *Index, products reindextest.Slice) error {
	b.Helper()
	ctx := context.WithoutCancel(b.Context())
	gen, err := ix.Begin(ctx, acme)
	if err != nil {
		return err
	}
	g := gen.(*generation)
	indexer, err := esutil.NewBulkIndexer(esutil.BulkIndexerConfig{
		Client: clientOf{ix.transport}, Index: g.name, NumWorkers: benchWorkers,
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
	return gen.Abort(ctx)
}

// clientOf makes a transport a client of the BulkIndexer.
type clientOf struct{ esapi.Transport }

// BenchmarkBody writes a batch to a server that takes no time, so that only the work of this package is measured.
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

// sink is a server that accepts all requests.
type sink struct{}

func (sink) Perform(req *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(noItems))}, nil
}
