package csv_test

import (
	"context"
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
