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

// Products returns n products with the ids p0, p1 and so on, whose field "rev" has the given value.
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

// NewProduct returns a product whose body has the given fields and the field "id". fields may be nil. NewProduct panics
// if a field cannot be encoded as JSON.
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

// Slice is a [reindex.Source] with the same products for every tenant, and its own [reindex.Snapshot]. It announces its
// length, so that the gate refuses a run in which two elements have the same id.
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

// Catalogue returns the path of a real catalogue that tests of this project read, such as "retail.jsonl.gz". The
// catalogues are not part of the module. The environment variable PRODUCTINDEX_DATA names their folder; the default is
// ../shared/data beside the root of the module. If the file is missing, Catalogue skips the test, or fails it if
// CI=true is set.
func Catalogue(tb testing.TB, name string) string {
	tb.Helper()
	return Shared(tb, filepath.Join("data", name), "PRODUCTINDEX_DATA")
}

// Shared returns the path of a file in the folder ../shared beside the root of the module. If the environment variable
// env is set, it names the folder of the file instead. If the file is missing, Shared skips the test, or fails it if
// CI=true is set.
func Shared(tb testing.TB, name, env string) string {
	tb.Helper()
	path := filepath.Join(moduleRoot(tb), "..", "shared", name)
	if dir := os.Getenv(env); dir != "" {
		path = filepath.Join(dir, filepath.Base(name))
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatalf("%s is missing, but CI=true needs it: %v", name, err)
		}
		tb.Skipf("%s is missing; set %s to its folder", name, env)
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
