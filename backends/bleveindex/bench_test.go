package bleveindex

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/mapping"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/backends/bleveindex/internal/compact"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// readCatalogue returns the products of one of the real catalogues.
func readCatalogue(tb testing.TB, name string) []reindex.Product {
	tb.Helper()
	file, err := os.Open(reindextest.Catalogue(tb, name))
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	unzip, err := gzip.NewReader(file)
	if err != nil {
		tb.Fatal(err)
	}
	lines := bufio.NewScanner(unzip)
	lines.Buffer(nil, 1<<20)
	var products []reindex.Product
	for lines.Scan() {
		p := reindex.Product{Body: slices.Clone(lines.Bytes())}
		var head struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(p.Body, &head); err != nil {
			tb.Fatal(err)
		}
		p.ID = head.ID
		products = append(products, p)
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
	return products
}

// someOf returns every eighth product of a large catalogue, so that the result has products of each kind, or all
// products of a small one.
func someOf(products []reindex.Product) []reindex.Product {
	if len(products) <= 6000 {
		return products
	}
	var some []reindex.Product
	for i := 0; i < len(products); i += 8 {
		some = append(some, products[i])
	}
	return some
}

// load writes products to a new generation as the engine does, within the limits of ix, and makes it live.
func load(tb testing.TB, ix *Index, tenant string, products []reindex.Product) {
	tb.Helper()
	gen := begin(tb, ix, tenant)
	fill(tb, ix, gen, products)
	if _, err := gen.Seal(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	if err := gen.Commit(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// fill writes the products to the generation as a run does.
func fill(tb testing.TB, ix *Index, gen reindex.Generation, products []reindex.Product) {
	tb.Helper()
	limits := ix.Limits()
	batches := make(chan []reindex.Product)
	var writers sync.WaitGroup
	for range limits.MaxInFlight {
		writers.Go(func() {
			for batch := range batches {
				if err := gen.Write(tb.Context(), batch); err != nil {
					tb.Error(err)
				}
			}
		})
	}
	for len(products) > 0 {
		n, bytes := 0, 0
		for n < len(products) && n < limits.MaxDocs && (n == 0 || bytes+len(products[n].Body) <= limits.MaxBytes) {
			bytes += len(products[n].Body)
			n++
		}
		batches <- products[:n]
		products = products[n:]
	}
	close(batches)
	writers.Wait()
}

// loadSequentially writes products and their bodies as bleve's documentation shows, in one batch of 1,000 documents
// after the other.
func loadSequentially(tb testing.TB, dir string, m mapping.IndexMapping, products []reindex.Product) bleve.Index {
	tb.Helper()
	index, err := bleve.New(dir, m)
	if err != nil {
		tb.Fatal(err)
	}
	for chunk := range slices.Chunk(products, 1000) {
		indexPlainly(tb, index, chunk, true)
	}
	return index
}

// latency returns the median time of 300 searches, each for the first two words of the name of a product.
func latency(tb testing.TB, products []reindex.Product, search func(*bleve.SearchRequest) error) time.Duration {
	tb.Helper()
	var took []time.Duration
	for i := range 300 {
		var head struct {
			Name string `json:"name"`
		}
		if err := json.Unmarshal(products[i*7919%len(products)].Body, &head); err != nil {
			tb.Fatal(err)
		}
		words := strings.Fields(head.Name)
		req := bleve.NewSearchRequest(bleve.NewMatchQuery(strings.Join(words[:min(2, len(words))], " ")))
		start := time.Now()
		if err := search(req); err != nil {
			tb.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

func diskUsage(tb testing.TB, dir string) (bytes int64) {
	tb.Helper()
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if info, err := entry.Info(); err == nil { // merges remove files meanwhile
			bytes += info.Size()
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return bytes
}

// BenchmarkLoad loads the catalogue pcparts, in turns with sequential batches of 1,000 documents in bleve alone, with
// the same mapping and with bleve's own. A speed-ratio above 1 means that this package is faster. The ratios of
// latency, right after the switch, and of disk space are this package's values divided by those of bleve alone.
func BenchmarkLoad(b *testing.B) {
	products := readCatalogue(b, "pcparts.jsonl.gz")
	for _, against := range []struct {
		name    string
		mapping func() mapping.IndexMapping
	}{
		{"same-mapping", func() mapping.IndexMapping { return NewMapping() }},
		{"bleve-default-mapping", func() mapping.IndexMapping { return bleve.NewIndexMapping() }},
	} {
		b.Run(against.name, func(b *testing.B) {
			var ours, theirs, oursQuery, theirsQuery time.Duration
			var oursDisk, theirsDisk int64
			for b.Loop() {
				dir := b.TempDir()
				start := time.Now()
				index := loadSequentially(b, filepath.Join(dir, "sequential"), against.mapping(), products)
				theirs += time.Since(start)
				theirsQuery += latency(b, products, func(req *bleve.SearchRequest) error {
					_, err := index.Search(req)
					return err
				})
				theirsDisk += diskUsage(b, filepath.Join(dir, "sequential"))
				if err := index.Close(); err != nil {
					b.Fatal(err)
				}
				ix, err := Open(filepath.Join(dir, "ours"), nil)
				if err != nil {
					b.Fatal(err)
				}
				start = time.Now()
				load(b, ix, "acme", products)
				ours += time.Since(start)
				oursQuery += latency(b, products, func(req *bleve.SearchRequest) error {
					_, err := ix.Search(context.Background(), "acme", req)
					return err
				})
				oursDisk += diskUsage(b, filepath.Join(dir, "ours"))
				b.Log(segments(b, ix, "acme"))
				if err := ix.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(theirs)/float64(ours), "speed-ratio")
			b.ReportMetric(float64(oursQuery)/float64(theirsQuery), "latency-ratio")
			b.ReportMetric(float64(oursDisk)/float64(theirsDisk), "disk-ratio")
			b.ReportMetric(float64(b.N*len(products))/ours.Seconds(), "products/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// segments returns the number of segments of a live index.
func segments(tb testing.TB, ix *Index, tenant string) string {
	tb.Helper()
	l, err := ix.acquire(tb.Context(), tenant)
	if err != nil {
		tb.Fatal(err)
	}
	defer l.done()
	stats, _ := l.index.StatsMap()["index"].(map[string]any)
	return fmt.Sprint(stats["num_root_filesegments"])
}

// BenchmarkAnalysis maps and analyzes products of pcparts as bleve does and as a generation does, in turns. A ratio
// above 1 means that the generation needs less time, or less memory.
func BenchmarkAnalysis(b *testing.B) {
	products := readCatalogue(b, "pcparts.jsonl.gz")[:2000]
	m := NewMapping()
	g := &mapper{mapping: m, omitBodies: true}
	plain := func(p reindex.Product) (index.Document, error) {
		var fields map[string]any
		if err := json.Unmarshal(p.Body, &fields); err != nil {
			return nil, err
		}
		doc := document.NewDocument(p.ID)
		return doc, m.MapDocument(doc, fields)
	}
	buffer := new(compact.Buffer)
	ours := func(p reindex.Product) (index.Document, error) { return g.document(p, buffer) }
	analyze := newAnalysis(b)
	measure := func(document func(reindex.Product) (index.Document, error)) (took time.Duration, allocated uint64) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		for _, p := range products {
			doc, err := document(p)
			if err != nil {
				b.Fatal(err)
			}
			analyze(doc)
			doc.VisitComposite(func(all index.CompositeField) { all.AnalyzedTokenFrequencies() })
		}
		took = time.Since(start)
		runtime.ReadMemStats(&after)
		return took, after.TotalAlloc - before.TotalAlloc
	}
	var times [2]time.Duration
	var bytes [2]uint64
	for b.Loop() {
		for i, document := range []func(reindex.Product) (index.Document, error){plain, ours} {
			took, allocated := measure(document)
			times[i] += took
			bytes[i] += allocated
		}
	}
	b.ReportMetric(float64(times[0])/float64(times[1]), "speed-ratio")
	b.ReportMetric(float64(bytes[0])/float64(bytes[1]), "bytes-ratio")
	b.ReportMetric(0, "ns/op")
}
