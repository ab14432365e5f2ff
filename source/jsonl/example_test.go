package jsonl_test

import (
	"context"
	"errors"
	"fmt"
	"testing/fstest"

	"productindex/reindex"
	"productindex/source/jsonl"
)

// An embed.FS takes the place of the fstest.MapFS in a program that brings its catalogue along, and jsonl.New a folder.
func ExampleNewFS() {
	files := fstest.MapFS{"acme.jsonl": {Data: []byte(`{"sku": 17, "name": "Sock"}` + "\n" + `{"sku": 18, "name": "Shoe"}`)}}
	src, err := jsonl.NewFS(files, &jsonl.Config{IDField: "sku"})
	if err != nil {
		fmt.Println(err)
		return
	}
	snap, err := src.Open(context.Background(), "acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = snap.Close() }()
	for p, err := range snap.Products(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %s\n", p.ID, p.Body)
	}
	// Output:
	// 17 {"sku": 17, "name": "Sock"}
	// 18 {"sku": 18, "name": "Shoe"}
}

func ExampleConfig_files() {
	files := fstest.MapFS{"exports/2026-01-31.txt": {Data: []byte(`{"id": "1"}`)}}
	src, err := jsonl.NewFS(files, &jsonl.Config{Files: map[string][]string{"acme": {"exports/2026-01-31.txt"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	snap, err := src.Open(context.Background(), "acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = snap.Close() }()
	for p, err := range snap.Products(context.Background()) {
		fmt.Println(p.ID, err)
	}
	// Output: 1 <nil>
}

// A line that is not a product leaves those behind it readable.
func ExampleSource_Open() {
	src, err := jsonl.NewFS(fstest.MapFS{"acme.jsonl": {Data: []byte(`{"name": "Shoe"}` + "\n" + `{"id": "1"}` + "\n")}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	snap, err := src.Open(context.Background(), "acme")
	if err != nil {
		fmt.Println(err)
		return
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
	// acme.jsonl, line 1: no product id: the product has no member "id"; every product needs one, Config.IDField names it
	// 1 <nil>
	// map[1:acme.jsonl, line 2] <nil>
}
