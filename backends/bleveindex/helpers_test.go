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

// publish makes products a tenant's live generation.
func publish(t testing.TB, ix *Index, tenant string, products ...reindex.Product) {
	t.Helper()
	if err := seal(t, ix, tenant, products).Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// revs answers one search for all documents of a tenant: the value of each one's field rev.
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
		return nil, fmt.Errorf("%d hits of %d", len(found), result.Total)
	}
	return found, nil
}

// assertLive checks that a tenant's live generation is one of n products of this rev.
func assertLive(t testing.TB, ix *Index, tenant string, n int, rev string) {
	t.Helper()
	found, err := revs(t.Context(), ix, tenant)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != n {
		t.Fatalf("tenant %q has %d documents, want %d", tenant, len(found), n)
	}
	for id, got := range found {
		if got != rev {
			t.Fatalf("tenant %q: product %q is of rev %s, want %s", tenant, id, got, rev)
		}
	}
}

// generationsOnDisk lists the files of a tenant's directory but for the pointer.
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

// die lets go of an index as the end of its process does: nothing is discarded, everything stays on the disk as it is.
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

// object returns a product of a JSON object.
func object(id, body string) reindex.Product { return reindex.Product{ID: id, Body: []byte(body)} }

// find returns the ids that a query finds, sorted.
func find(t testing.TB, ix *Index, tenant, query string) []string {
	t.Helper()
	return hits(t, ix, tenant, bleve.NewSearchRequest(bleve.NewQueryStringQuery(query)))
}

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

// indexPlainly indexes products as one batch of bleve's own.
func indexPlainly(tb testing.TB, to bleve.Index, products []reindex.Product) {
	tb.Helper()
	if err := plainBatch(to, products); err != nil {
		tb.Fatal(err)
	}
}

// plainBatch is a batch of bleve's own.
func plainBatch(to bleve.Index, products []reindex.Product) error {
	batch := to.NewBatch()
	for _, p := range products {
		var fields map[string]any
		if err := json.Unmarshal(p.Body, &fields); err != nil {
			return err
		}
		if err := batch.Index(p.ID, fields); err != nil {
			return err
		}
	}
	return to.Batch(batch)
}

// newAnalysis returns what scorch does to a document before it makes a segment.
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
		tb.Fatalf("the index is a %T", inner)
	}
	return func(doc index.Document) {
		doc.AddIDField()
		doc.NumPlainTextBytes()
		analyzer.Analyze(doc)
		doc.Size()
	}
}
