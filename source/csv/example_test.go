package csv_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing/fstest"

	"golang.org/x/text/encoding/charmap"

	"productindex/reindex"
	"productindex/source/csv"
)

// New("/var/catalogues", ...) reads a folder on the disk in the same way.
func ExampleNewFS() {
	folder := fstest.MapFS{"acme.csv": {Data: []byte("sku;name;price\r\na-1;St\xfchle, 4er;129,90\r\n")}}
	src, err := csv.NewFS(folder, &csv.Config{
		IDColumn:     "sku",
		Comma:        ';',
		DecimalComma: true,
		Encoding:     charmap.Windows1252,
		Types:        map[string]csv.Type{"price": csv.Number},
	})
	if err != nil {
		panic(err)
	}
	show(src, "acme")
	// Output: a-1 {"sku":"a-1","name":"Stühle, 4er","price":129.90}
}

// A shop's export has one row per variant or image. The rows of a product follow each other.
func ExampleArray() {
	folder := fstest.MapFS{"acme.csv": {Data: []byte(`Handle,Title,Variant SKU,Variant Price,Image Src
shirt,Shirt,s-s,10,front.jpg
shirt,,s-m,11,
shirt,,,,back.jpg
hat,Hat,h-1,8,
`)}}
	src, err := csv.NewFS(folder, &csv.Config{
		IDColumn: "Handle",
		Types:    map[string]csv.Type{"price": csv.Number},
		Rename:   map[string]string{"Variant SKU": "sku", "Variant Price": "price", "Image Src": "src"},
		Arrays: []csv.Array{
			{Name: "variants", Columns: []string{"sku", "price"}},
			{Name: "images", Columns: []string{"src"}},
		},
	})
	if err != nil {
		panic(err)
	}
	snap, err := src.Open(context.Background(), "acme")
	if err != nil {
		panic(err)
	}
	defer func() { _ = snap.Close() }()
	for p, err := range snap.Products(context.Background()) {
		var indented bytes.Buffer
		if err := errors.Join(err, json.Indent(&indented, p.Body, "", "  ")); err != nil {
			panic(err)
		}
		fmt.Println(indented.String())
	}
	// Output:
	// {
	//   "Handle": "shirt",
	//   "Title": "Shirt",
	//   "variants": [
	//     {
	//       "sku": "s-s",
	//       "price": 10
	//     },
	//     {
	//       "sku": "s-m",
	//       "price": 11
	//     }
	//   ],
	//   "images": [
	//     {
	//       "src": "front.jpg"
	//     },
	//     {
	//       "src": "back.jpg"
	//     }
	//   ]
	// }
	// {
	//   "Handle": "hat",
	//   "Title": "Hat",
	//   "variants": [
	//     {
	//       "sku": "h-1",
	//       "price": 8
	//     }
	//   ],
	//   "images": []
	// }
}

// The export of a spreadsheet may have a title above its header, columns that nobody needs, and words for "no value".
func ExampleConfig_rename() {
	folder := fstest.MapFS{"acme.csv": {Data: []byte(`Price list of spring
Article,Colour,Price,Internal note,
17,red,5,do not sell,
17,blue,n/a,,
`)}}
	src, err := csv.NewFS(folder, &csv.Config{
		SkipRows:    1,
		Rename:      map[string]string{"Article": "sku", "Colour": "color", "Price": "price", "Internal note": ""},
		DropUnnamed: true,
		IDColumns:   []string{"sku", "color"},
		Types:       map[string]csv.Type{"price": csv.Number},
		NullWords:   []string{"n/a"},
	})
	if err != nil {
		panic(err)
	}
	show(src, "acme")
	// Output:
	// 17:red {"sku":"17","color":"red","price":5}
	// 17:blue {"sku":"17","color":"blue","price":null}
}

// A host whose files have other names lists them, and names the columns if the files do not.
func ExampleConfig_files() {
	folder := fstest.MapFS{"exports/2026-01-31.txt": {Data: []byte("1\tSock\n")}}
	src, err := csv.NewFS(folder, &csv.Config{
		Files:  map[string][]string{"acme": {"exports/2026-01-31.txt"}},
		Header: []string{"id", "name"},
		Comma:  '\t',
	})
	if err != nil {
		panic(err)
	}
	show(src, "acme")
	// Output: 1 {"id":"1","name":"Sock"}
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
