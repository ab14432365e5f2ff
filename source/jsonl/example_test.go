package jsonl_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing/fstest"

	"productindex/reindex"
	"productindex/source/jsonl"
)

// A program that embeds its catalogue passes an embed.FS to NewFS. For a folder on disk, use New.
func ExampleNewFS() {
	files := fstest.MapFS{
		"acme.jsonl": {Data: []byte(`{"sku": 17, "name": "Sock"}` + "\n" + `{"sku": 18, "name": "Shoe"}`)},
	}
	src, err := jsonl.NewFS(files, &jsonl.Config{IDField: "sku"})
	if err != nil {
		panic(err)
	}
	show(src, "acme")
	// Output:
	// 17 {"sku": 17, "name": "Sock"}
	// 18 {"sku": 18, "name": "Shoe"}
}

// A file may hold its products in an array. Only one of them is in memory at a time.
func ExampleNewFS_array() {
	files := fstest.MapFS{"acme.json": {Data: []byte(`[
  {"id": "sock", "name": "Sock"},
  {
    "id": "shoe"
  }
]`)}}
	src, err := jsonl.NewFS(files, nil)
	if err != nil {
		panic(err)
	}
	show(src, "acme")
	// Output:
	// sock {"id": "sock", "name": "Sock"}
	// shoe {
	//     "id": "shoe"
	//   }
}

// In an export of MongoDB, the id is inside an object.
func ExampleConfig_idField() {
	files := fstest.MapFS{"acme.jsonl": {Data: []byte(`{"_id": {"$oid": "65a1f0"}, "name": "Sock"}`)}}
	src, err := jsonl.NewFS(files, &jsonl.Config{IDField: "_id.$oid"})
	if err != nil {
		panic(err)
	}
	show(src, "acme")
	// Output: 65a1f0 {"_id": {"$oid": "65a1f0"}, "name": "Sock"}
}

// A host whose files have other names lists them.
func ExampleConfig_files() {
	files := fstest.MapFS{"exports/2026-01-31.txt": {Data: []byte(`{"id": "1"}`)}}
	src, err := jsonl.NewFS(files, &jsonl.Config{Files: map[string][]string{"acme": {"exports/2026-01-31.txt"}}})
	if err != nil {
		panic(err)
	}
	show(src, "acme")
	// Output: 1 {"id": "1"}
}

// A line that is not a product is rejected, and the lines after it are read.
func ExampleSource_Open() {
	src, err := jsonl.NewFS(
		fstest.MapFS{"acme.jsonl": {Data: []byte(`{"name": "Shoe"}` + "\n" + `{"id": "1"}` + "\n")}},
		nil,
	)
	if err != nil {
		panic(err)
	}
	snap, err := src.Open(context.Background(), "acme")
	if err != nil {
		panic(err)
	}
	defer func() { _ = snap.Close() }()
	for p, err := range snap.Products(context.Background()) {
		if bad, ok := errors.AsType[*reindex.RecordError](err); ok {
			fmt.Printf("%s: %v\n", bad.Where, bad.Err)
			continue
		}
		fmt.Println(p.ID, err)
	}
	if locator, ok := reindex.As[reindex.Locator](snap); ok {
		fmt.Println(locator.Locate(context.Background(), "1"))
	}
	// Output:
	// acme.jsonl, line 1: no product id: the product has no member "id", which Config.IDField names
	// 1 <nil>
	// map[1:acme.jsonl, line 2] <nil>
}

// The parts of a large file are ranges of lines. Several goroutines or processes can read them.
func ExampleSource_Open_parts() {
	var catalogue strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&catalogue, `{"id": %d, "name": "Sock of size %d"}`+"\n", i, i)
	}
	src, err := jsonl.NewFS(fstest.MapFS{"acme.jsonl": {Data: []byte(catalogue.String())}}, nil)
	if err != nil {
		panic(err)
	}
	snap, err := src.Open(context.Background(), "acme")
	if err != nil {
		panic(err)
	}
	defer func() { _ = snap.Close() }()
	splitter, _ := reindex.As[reindex.Splitter](snap)
	names, err := splitter.Split(context.Background(), 2)
	if err != nil {
		panic(err)
	}
	read := 0
	for _, name := range names {
		for _, err := range splitter.Part(context.Background(), name) {
			if err != nil {
				panic(err)
			}
			read++
		}
	}
	fmt.Println(read, "products in", len(names), "parts")
	// Output: 10000 products in 2 parts
}

// show prints the products of a source.
func show(src reindex.Source, tenant string) {
	snap, err := src.Open(context.Background(), tenant)
	if err != nil {
		panic(err)
	}
	defer func() { _ = snap.Close() }()
	for p, err := range snap.Products(context.Background()) {
		if err != nil {
			panic(err)
		}
		fmt.Println(p.ID, string(p.Body)) //nolint:forbidigo // the examples check it
	}
}
