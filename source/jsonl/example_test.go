package jsonl_test

import (
	"context"
	"errors"
	"fmt"
	"testing/fstest"

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
	for p, err := range src.Products(context.Background(), "acme") {
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
	fmt.Println(src.Count(context.Background(), "acme"))
	// Output: 1 <nil>
}

func ExampleLineError() {
	src, err := jsonl.NewFS(fstest.MapFS{"acme.jsonl": {Data: []byte(`{"id": "1"}` + "\n" + `{"name": "Shoe"}`)}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, err := range src.Products(context.Background(), "acme") {
		if lineErr, ok := errors.AsType[*jsonl.LineError](err); ok {
			fmt.Println(lineErr.File, lineErr.Line)
			fmt.Println(err)
		}
	}
	// Output:
	// acme.jsonl 2
	// jsonl: acme.jsonl, line 2: no product id: the product has no member "id"; every line needs one, Config.IDField names it
}

func ExampleSource_Locate() {
	src, err := jsonl.NewFS(fstest.MapFS{"acme.jsonl": {Data: []byte(`{"id": "1"}` + "\n" + `{"id": "2", bad}` + "\n")}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	places, err := src.Locate(context.Background(), "acme", "2")
	fmt.Println(places["2"], err)
	// Output: acme.jsonl, line 2 <nil>
}
