package source_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/source"
)

// A host implements a source with one function. reindextest.TestSource checks the promises on which the engine relies.
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

// A test of a host reads products from a slice, here into the index in memory of package reindextest.
func ExampleSlice() {
	src := source.Slice{
		{ID: "boot", Body: json.RawMessage(`{"name":"Boot"}`)},
		{ID: "sock", Body: json.RawMessage(`{"name":"Sock"}`)},
		{ID: "boot", Body: json.RawMessage(`{"name":"Boot"}`)}, // the same product again, which is fine
	}
	index := reindextest.NewMemory()
	engine, err := reindex.New(src, index, nil)
	if err != nil {
		panic(err)
	}
	defer func() { _ = engine.Shutdown(context.Background()) }()
	report, err := engine.Run(context.Background(), "shop")
	fmt.Println(report.Indexed, "indexed,", report.Duplicates, "duplicate,", err)
	fmt.Println(string(index.Documents("shop")["sock"]))
	// Output:
	// 2 indexed, 1 duplicate, <nil>
	// {"name":"Sock"}
}

// If the source is a Finder, the engine looks up a change that has no body. It deletes a product that is not found.
func Example_find() {
	products := source.Slice{
		{ID: "boot", Body: json.RawMessage(`{"price":120}`)},
		{ID: "sock", Body: json.RawMessage(`{"price":5}`)},
	}
	index := reindextest.NewMemory()
	engine, err := reindex.New(products, index, nil)
	if err != nil {
		panic(err)
	}
	defer func() { _ = engine.Shutdown(context.Background()) }()
	if _, err := engine.Run(context.Background(), "shop"); err != nil {
		panic(err)
	}

	products[0].Body = json.RawMessage(`{"price":99}`) // the shop has a sale
	err = engine.Update(context.Background(), "shop", reindex.Change{ID: "boot"}, reindex.Change{ID: "hat"})
	fmt.Println(string(index.Documents("shop")["boot"]), err)

	finder, _ := reindex.As[reindex.Finder](products)
	for p, err := range finder.Find(context.Background(), "shop", "sock", "hat") {
		fmt.Println(p.ID, string(p.Body), err)
	}
	// Output:
	// {"price":99} <nil>
	// sock {"price":5} <nil>
}

func ExampleMap() {
	show(source.Map(catalogue(), func(_ context.Context, tenant string, p reindex.Product) (reindex.Product, error) {
		var product map[string]any
		if err := json.Unmarshal(p.Body, &product); err != nil {
			return p, &reindex.RecordError{Err: err} // rejects this one product
		}
		product["url"] = "https://" + tenant + ".example/" + p.ID
		delete(product, "cost")
		body, err := json.Marshal(product)
		p.Body = body
		return p, err
	}))
	// Output: 1 {"name":{"de":"Stiefel","en":"Boot"},"url":"https://shop.example/1"} <nil>
}

func ExampleFilter() {
	src := source.Slice{
		{ID: "boot", Body: json.RawMessage(`{"active":true}`)},
		{ID: "sock", Body: json.RawMessage(`{"active":false}`)},
	}
	show(source.Filter(src, func(_ context.Context, _ string, p reindex.Product) (bool, error) {
		return strings.Contains(string(p.Body), `"active":true`), nil
	}))
	// Output: boot {"active":true} <nil>
}

// The products of several sources form one catalogue. A place includes the number of the source.
func ExampleConcat() {
	shoes := source.Slice{{ID: "boot", Body: json.RawMessage(`{"name":"Boot"}`)}}
	clothes := source.Slice{
		{ID: "sock", Body: json.RawMessage(`{"name":"Sock"}`)},
		{ID: "hat", Body: json.RawMessage(`{"name":"Hat"}`)},
	}
	src := source.Concat(shoes, clothes)
	show(src)

	snap, err := src.Open(context.Background(), "shop")
	if err != nil {
		panic(err)
	}
	defer func() { _ = snap.Close() }()
	locator, _ := reindex.As[reindex.Locator](snap)
	fmt.Println(locator.Locate(context.Background(), "hat"))
	// Output:
	// boot {"name":"Boot"} <nil>
	// sock {"name":"Sock"} <nil>
	// hat {"name":"Hat"} <nil>
	// map[hat:source 2, product 2 of 2] <nil>
}

// A map from language to text becomes an object. Package bleveindex analyzes each of its members in its language.
func ExampleLocalize() {
	src := source.Slice{
		{ID: "1", Body: json.RawMessage(`{"name":[{"language":"en","value":"Boot"},{"language":"DE","value":"Stiefel"}]}`)},
	}
	localized, err := source.Localize(src, source.Localization{Fields: []string{"name"}})
	if err != nil {
		panic(err)
	}
	show(localized)
	// Output: 1 {"name":{"en":"Boot","de":"Stiefel"}} <nil>
}

func ExampleLocalize_documentPerLanguage() {
	src, err := source.Localize(
		catalogue(),
		source.Localization{Fields: []string{"name"}, Languages: []string{"en", "de"}, DocumentPerLanguage: true},
	)
	if err != nil {
		panic(err)
	}
	show(src)
	// Output:
	// 1@en {"language":"en","name":"Boot","cost":{"net":5}} <nil>
	// 1@de {"language":"de","name":"Stiefel","cost":{"net":5}} <nil>
}

func ExampleSelect() {
	src, err := source.Select(catalogue(), "name.*", "price")
	if err != nil {
		panic(err)
	}
	show(src)
	// Output:
	// 1 {"name":{"en":"Boot","de":"Stiefel"}} <nil>
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

// show prints the products that a source yields.
func show(src reindex.Source) {
	snap, err := src.Open(context.Background(), "shop")
	if err != nil {
		panic(err)
	}
	defer func() { _ = snap.Close() }()
	for p, err := range snap.Products(context.Background()) {
		fmt.Println(p.ID, string(p.Body), err) //nolint:forbidigo // the examples check it
	}
}

// catalogue is a source of one product with texts in two languages.
func catalogue() source.Slice {
	return source.Slice{{ID: "1", Body: json.RawMessage(`{"name":{"en":"Boot","de":"Stiefel"},"cost":{"net":5}}`)}}
}
