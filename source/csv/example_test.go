package csv_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing/fstest"

	"golang.org/x/text/encoding/charmap"

	"productindex/source/csv"
)

func ExampleNewFS() {
	// New("/var/catalogues", ...) reads a folder.
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
	snap, err := src.Open(context.Background(), "acme")
	if err != nil {
		panic(err)
	}
	defer func() { _ = snap.Close() }()
	for p, err := range snap.Products(context.Background()) {
		fmt.Println(p.ID, string(p.Body), err)
	}
	// Output:
	// a-1 {"sku":"a-1","name":"Stühle, 4er","price":129.90} <nil>
}

// A shop's export has one row per variant or image. The rows of a product follow each other.
func ExampleArray() {
	folder := fstest.MapFS{"acme.csv": {Data: []byte(`Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src
shirt,Shirt,Size,S,s-s,10,front.jpg
shirt,,,M,s-m,11,back.jpg
`)}}
	src, err := csv.NewFS(folder, &csv.Config{
		IDColumn: "Handle",
		Types:    map[string]csv.Type{"Variant Price": csv.Number},
		Arrays: []csv.Array{
			{Name: "variants", Columns: []string{"Option1 Value", "Option2 Value*", "Variant *", "Cost per item*"}},
			{Name: "images", Columns: []string{"Image *"}},
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
	//   "Option1 Name": "Size",
	//   "variants": [
	//     {
	//       "Option1 Value": "S",
	//       "Variant SKU": "s-s",
	//       "Variant Price": 10
	//     },
	//     {
	//       "Option1 Value": "M",
	//       "Variant SKU": "s-m",
	//       "Variant Price": 11
	//     }
	//   ],
	//   "images": [
	//     {
	//       "Image Src": "front.jpg"
	//     },
	//     {
	//       "Image Src": "back.jpg"
	//     }
	//   ]
	// }
}
