package reindextest

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"productindex/reindex"
)

// Products returns n products p0, p1, … whose field "rev" has the given value.
func Products(n int, rev string) []reindex.Product {
	products := make([]reindex.Product, n)
	for i := range products {
		products[i] = product(fmt.Sprintf("p%d", i), rev)
	}
	return products
}

func product(id, rev string) reindex.Product {
	return NewProduct(id, map[string]any{"name": "Product " + id, "price": 12.5, "rev": rev})
}

// NewProduct returns a product with these fields, which can be nil, and the field "id". It panics if a field cannot be
// encoded as JSON.
func NewProduct(id string, fields map[string]any) reindex.Product {
	object := map[string]any{}
	maps.Copy(object, fields)
	object["id"] = id
	body, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return reindex.Product{ID: id, Body: body}
}

// Slice is a [reindex.Source] of the same products for every tenant, and its own [reindex.Snapshot]. It announces its
// length, so that a run in which an element repeats another one does not pass the gate.
type Slice []reindex.Product

// Open returns s.
func (s Slice) Open(context.Context, string) (reindex.Snapshot, error) { return s, nil }

// Products yields the elements of s.
func (s Slice) Products(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		for _, p := range s {
			if ctx.Err() != nil {
				yield(reindex.Product{}, ctx.Err())
				return
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// Count returns the length of s.
func (s Slice) Count(context.Context) (int64, error) { return int64(len(s)), nil }

// Close does nothing.
func (s Slice) Close() error { return nil }

// Catalogue returns the path of one of the real catalogues that the project's own tests read, such as
// "retail.jsonl.gz". They are not a part of the module: PRODUCTINDEX_DATA names their folder, by default
// ../shared/data beside the module's root. If the file is missing the test is skipped; with CI=true it fails.
func Catalogue(tb testing.TB, name string) string {
	tb.Helper()
	return Shared(tb, filepath.Join("data", name), "PRODUCTINDEX_DATA")
}

// Shared returns the path of a file of the project's shared folder, ../shared beside the module's root; the environment
// variable env, if it is set, names another folder for its last element. If the file is missing the test is skipped;
// with CI=true it fails.
func Shared(tb testing.TB, name, env string) string {
	tb.Helper()
	path := filepath.Join(moduleRoot(tb), "..", "shared", name)
	if dir := os.Getenv(env); dir != "" {
		path = filepath.Join(dir, filepath.Base(name))
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatalf("CI has to have %s: %v", name, err)
		}
		tb.Skipf("%s is not here; set %s to its folder", name, env)
	}
	return path
}

func moduleRoot(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatal("no go.mod above the working directory")
		}
		dir = parent
	}
}
