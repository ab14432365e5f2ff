package bleveindex_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/blevesearch/bleve/v2"

	"productindex/backends/bleveindex"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// Reindex a tenant, and search its products.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "products")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	index, err := bleveindex.Open(dir, nil)
	if err != nil {
		panic(err)
	}
	defer index.Close()

	source := reindextest.Slice{
		{ID: "1", Body: []byte(`{"sku": "SO-1", "name": {"en": "Woollen socks", "de": "Wollsocken"}, "price": 12.5}`)},
		{ID: "2", Body: []byte(`{"sku": "SH-1", "name": {"en": "Running shoes", "de": "Laufschuhe"}, "price": 89}`)},
	}
	engine, err := reindex.New(source, index, nil)
	if err != nil {
		panic(err)
	}
	if _, err := engine.Run(ctx, "acme"); err != nil {
		panic(err)
	}

	request := bleve.NewSearchRequest(bleve.NewQueryStringQuery("name.en:sock"))
	request.Fields = []string{"name.en", "price"}
	result, err := index.Search(ctx, "acme", request)
	if err != nil {
		panic(err)
	}
	for _, hit := range result.Hits {
		fmt.Println(hit.ID, hit.Fields["name.en"], hit.Fields["price"])
	}
	// Output: 1 Woollen socks 12.5
}

// Add a field to the default mapping.
func ExampleNewMapping() {
	mapping := bleveindex.NewMapping()
	mapping.DefaultMapping.AddFieldMappingsAt("material", bleve.NewKeywordFieldMapping())

	dir, err := os.MkdirTemp("", "products")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	index, err := bleveindex.Open(dir, &bleveindex.Config{Mapping: mapping})
	if err != nil {
		panic(err)
	}
	fmt.Println(index.Close())
	// Output: <nil>
}

// Back up all tenants while searches and reindexes continue, and restore a lost directory.
func ExampleIndex_Backup() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "products")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	live, backup := filepath.Join(dir, "live"), filepath.Join(dir, "backup")

	index, err := bleveindex.Open(live, nil)
	if err != nil {
		panic(err)
	}
	engine, err := reindex.New(reindextest.Slice{{ID: "1", Body: []byte(`{"name": "Woollen socks"}`)}}, index, nil)
	if err != nil {
		panic(err)
	}
	if _, err := engine.Run(ctx, "acme"); err != nil {
		panic(err)
	}
	if err := index.Backup(ctx, backup); err != nil {
		panic(err)
	}

	// The host ends, and the directory is lost.
	if err := index.Close(); err != nil {
		panic(err)
	}
	if err := os.RemoveAll(live); err != nil {
		panic(err)
	}

	if err := os.CopyFS(live, os.DirFS(backup)); err != nil {
		panic(err)
	}
	index, err = bleveindex.Open(live, nil)
	if err != nil {
		panic(err)
	}
	defer index.Close()
	fmt.Println(index.DocCount(ctx, "acme"))
	// Output: 1 <nil>
}

// Search for a shopper's words, with a filter, facets and highlights.
func ExampleQuery() {
	ctx := context.Background()
	index, closeIndex := filledIndex(ctx, "acme", reindextest.Slice{
		{ID: "1", Body: []byte(`{"name": "Woollen sock", "brand": "Acme", "color": "Forest Green", "price": "12.50"}`)},
		{ID: "2", Body: []byte(`{"name": "Woollen sock", "brand": "ACME", "color": "Red", "price": 9}`)},
	})
	defer closeIndex()

	query := bleveindex.Query("wollen so", &bleveindex.QueryOptions{
		Language: "en",
		Prefix:   true, // search as you type
		Filter: bleve.NewConjunctionQuery(
			bleveindex.Filter("brand", "acme"),
			bleveindex.Filter("color", "green", "forest green"),
		),
	})
	request := bleve.NewSearchRequestOptions(query, 10, 0, false)
	request.Fields = []string{"name", "price"}
	request.Highlight = bleve.NewHighlightWithStyle("html")
	request.AddFacet("colors", bleve.NewFacetRequest("color", 10))
	result, err := index.Search(ctx, "acme", request)
	if err != nil {
		panic(err)
	}
	for _, hit := range result.Hits {
		fmt.Println(hit.ID, hit.Fragments["name"][0], hit.Fields["price"])
	}
	for _, color := range result.Facets["colors"].Terms.Terms() {
		fmt.Println(color.Term, color.Count)
	}
	fmt.Println(query.Explanation().Words[0].Corrected)
	// Output:
	// 1 <mark>Woollen</mark> <mark>sock</mark> 12.50
	// Forest Green 1
	// [woollen]
}

// filledIndex returns an Index in a temporary directory, with these products of a tenant. The returned function closes
// the Index and removes the directory.
func filledIndex(ctx context.Context, tenant string, products reindextest.Slice) (*bleveindex.Index, func()) {
	dir, err := os.MkdirTemp("", "products")
	if err != nil {
		panic(err)
	}
	index, err := bleveindex.Open(dir, nil)
	if err != nil {
		panic(err)
	}
	engine, err := reindex.New(products, index, nil)
	if err != nil {
		panic(err)
	}
	if _, err := engine.Run(ctx, tenant); err != nil {
		panic(err)
	}
	return index, func() {
		if err := errors.Join(index.Close(), os.RemoveAll(dir)); err != nil {
			panic(err)
		}
	}
}
