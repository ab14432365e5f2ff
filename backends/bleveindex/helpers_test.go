package bleveindex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// open opens an index that is closed at the end of the test.
func open(t testing.TB, dir string, cfg *Config) *Index {
	t.Helper()
	ix, err := Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ix.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return ix
}

// mustClose closes an index before the end of the test.
func mustClose(t testing.TB, ix *Index) {
	t.Helper()
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
}

// begin opens a generation.
func begin(t testing.TB, ix *Index, tenant string) *generation {
	t.Helper()
	gen, err := ix.Begin(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	return gen.(*generation)
}

// seal writes products to a new generation and seals it.
func seal(t testing.TB, ix *Index, tenant string, products []reindex.Product) *generation {
	t.Helper()
	gen := begin(t, ix, tenant)
	for batch := range slices.Chunk(products, batchDocs) {
		if err := gen.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := gen.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	return gen
}

func mustCommit(t testing.TB, gen reindex.Generation) {
	t.Helper()
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func sealAndCommit(t testing.TB, gen reindex.Generation) {
	t.Helper()
	if _, err := gen.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, gen)
}

// publish makes a new generation with these products live.
func publish(t testing.TB, ix *Index, tenant string, products ...reindex.Product) {
	t.Helper()
	mustCommit(t, seal(t, ix, tenant, products))
}

// revs searches for all documents of a tenant, and returns the field rev of each one by id. It returns an empty map if
// the tenant has no live index.
func revs(ctx context.Context, ix *Index, tenant string) (map[string]string, error) {
	req := bleve.NewSearchRequestOptions(bleve.NewMatchAllQuery(), 5000, 0, false)
	req.Fields = []string{"rev"}
	result, err := ix.Search(ctx, tenant, req)
	if errors.Is(err, reindex.ErrNoLiveIndex) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, hit := range result.Hits {
		found[hit.ID] = fmt.Sprint(hit.Fields["rev"])
	}
	if len(found) != int(result.Total) {
		return nil, fmt.Errorf("a search for all documents has %d hits, but a total of %d", len(found), result.Total)
	}
	return found, nil
}

// assertLive checks that the live generation of a tenant has n products, all of this rev.
func assertLive(t testing.TB, ix *Index, tenant string, n int, rev string) {
	t.Helper()
	found, err := revs(t.Context(), ix, tenant)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != n {
		t.Fatalf("tenant %q: %d documents are live, want %d", tenant, len(found), n)
	}
	for id, got := range found {
		if got != rev {
			t.Fatalf("tenant %q: product %q has rev %s, want %s", tenant, id, got, rev)
		}
	}
}

// generationsOnDisk returns the names of everything in a tenant's directory except for the pointer.
func generationsOnDisk(t testing.TB, dir, tenant string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, tenantDir(tenant)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), pointerFile) {
			names = append(names, entry.Name())
		}
	}
	return names
}

// assertGenerations checks that the directory of a tenant has n generations, and nothing else.
func assertGenerations(t testing.TB, dir, tenant string, n int) {
	t.Helper()
	if names := generationsOnDisk(t, dir, tenant); len(names) != n {
		t.Errorf("tenant %q: %q are on the disk, want %d generations", tenant, names, n)
	}
}

// generationPath returns the path of a tenant's only generation.
func generationPath(t testing.TB, dir, tenant string) string {
	t.Helper()
	names := generationsOnDisk(t, dir, tenant)
	if len(names) != 1 {
		t.Fatalf("tenant %q: %q are on the disk, want one generation", tenant, names)
	}
	return filepath.Join(dir, tenantDir(tenant), names[0])
}

// segmentFiles returns the paths of the segments in the directory of a generation.
func segmentFiles(t testing.TB, generation string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(generation, storeDir, "*.zap"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s has the segments %q, error %v, want at least one", generation, paths, err)
	}
	return paths
}

// die closes an index as if its process had died: generations are not discarded, and all files stay.
func die(t testing.TB, ix *Index) {
	t.Helper()
	for _, tenant := range ix.tenants {
		for g := range tenant.gens {
			if g.index != nil {
				if err := g.index.Close(); err != nil {
					t.Error(err)
				}
			}
		}
		clear(tenant.gens)
	}
	if err := ix.Close(); err != nil {
		t.Error(err)
	}
}

// object returns a product whose body is a JSON object.
func object(id, body string) reindex.Product { return reindex.Product{ID: id, Body: []byte(body)} }

// find returns the sorted ids of the products that a query string finds.
func find(t testing.TB, ix *Index, tenant, query string) []string {
	t.Helper()
	return hits(t, ix, tenant, bleve.NewSearchRequest(bleve.NewQueryStringQuery(query)))
}

// hits returns the sorted ids of the products that a request finds.
func hits(t testing.TB, ix *Index, tenant string, req *bleve.SearchRequest) []string {
	t.Helper()
	result, err := ix.Search(t.Context(), tenant, req)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, hit := range result.Hits {
		ids = append(ids, hit.ID)
	}
	slices.Sort(ids)
	return ids
}

func products(n int, rev string) []reindex.Product { return reindextest.Products(n, rev) }

// indexPlainly is like plainBatch, but fails the test if there is an error.
func indexPlainly(tb testing.TB, to bleve.Index, products []reindex.Product, bodies bool) {
	tb.Helper()
	if err := plainBatch(to, products, bodies); err != nil {
		tb.Fatal(err)
	}
}

// plainBatch indexes products in one batch with bleve alone, and stores their bodies if bodies is set.
func plainBatch(to bleve.Index, products []reindex.Product, bodies bool) error {
	batch := to.NewBatch()
	for _, p := range products {
		var fields map[string]any
		if err := json.Unmarshal(p.Body, &fields); err != nil {
			return err
		}
		doc := document.NewDocument(p.ID)
		if err := to.Mapping().MapDocument(doc, fields); err != nil {
			return err
		}
		if bodies {
			doc.AddField(document.NewTextFieldCustom(BodyField, nil, p.Body, index.StoreField, nil))
		}
		if err := batch.IndexAdvanced(doc); err != nil {
			return err
		}
	}
	return to.Batch(batch)
}

// newAnalysis returns a function that does what scorch does with a document before it makes a segment.
func newAnalysis(tb testing.TB) func(index.Document) {
	tb.Helper()
	memory, err := bleve.NewUsing("", bleve.NewIndexMapping(), scorch.Name, scorch.Name, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { memory.Close() })
	inner, err := memory.Advanced()
	if err != nil {
		tb.Fatal(err)
	}
	analyzer, ok := inner.(*scorch.Scorch)
	if !ok {
		tb.Fatalf("the index is a %T, want *scorch.Scorch", inner)
	}
	return func(doc index.Document) {
		doc.AddIDField()
		doc.NumPlainTextBytes()
		analyzer.Analyze(doc)
		doc.Size()
	}
}

func isDone(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// openFiles returns the number of open files of this process, or 0 if the system does not show it.
func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

func mustTenant(t testing.TB, ix *Index, name string) *tenant {
	t.Helper()
	tenant, err := ix.tenant(name, false)
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

// run reindexes a tenant with an engine that has the default rules.
func run(t testing.TB, ix *Index, tenant string, products []reindex.Product) error {
	t.Helper()
	engine, err := reindex.New(reindextest.Slice(products), ix, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = engine.Run(t.Context(), tenant)
	return err
}
