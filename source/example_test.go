package source_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"productindex/reindex"
	"productindex/source"
)

// A source of the host's own needs one function. reindextest.TestSource checks what it must hold.
func Example_own() {
	shops := map[string][]string{"shop": {"boot", "sock"}}
	own := reindex.SourceFunc(func(ctx context.Context, tenant string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			names, ok := shops[tenant]
			if !ok {
				yield(reindex.Product{}, fmt.Errorf("no shop %q", tenant))
			}
			for _, name := range names {
				body := json.RawMessage(`{"name":"` + name + `"}`)
				if !yield(reindex.Product{ID: name, Body: body}, ctx.Err()) || ctx.Err() != nil {
					return
				}
			}
		}
	})
	show(own)
	// Output:
	// boot {"name":"boot"} <nil>
	// sock {"name":"sock"} <nil>
}

func ExampleSlice() {
	show(source.Slice{{ID: "boot", Body: json.RawMessage(`{"name":"Boot"}`)}})
	// Output: boot {"name":"Boot"} <nil>
}

func ExampleLocalize() {
	src, err := source.Localize(catalogue(), source.Localization{Fields: []string{"name"}, Languages: []string{"en", "de"}, DocumentPerLanguage: true})
	if err != nil {
		panic(err)
	}
	show(src)
	// Output:
	// 1@en {"language":"en","name":"Boot","cost":{"net":5}} <nil>
	// 1@de {"language":"de","name":"Stiefel","cost":{"net":5}} <nil>
}

func ExampleExclude() {
	src, err := source.Exclude(catalogue(), "cost", "**.internal")
	if err != nil {
		panic(err)
	}
	show(src)
	// Output:
	// 1 {"name":{"en":"Boot","de":"Stiefel"}} <nil>
}

// show prints what a source yields.
func show(src reindex.Source) {
	snap, err := src.Open(context.Background(), "shop")
	if err != nil {
		panic(err)
	}
	defer snap.Close()
	for p, err := range snap.Products(context.Background()) {
		fmt.Println(p.ID, string(p.Body), err) //nolint:forbidigo // the examples check it
	}
}

func catalogue() reindex.Source {
	return reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			yield(reindex.Product{ID: "1", Body: json.RawMessage(`{"name":{"en":"Boot","de":"Stiefel"},"cost":{"net":5}}`)}, nil)
		}
	})
}
