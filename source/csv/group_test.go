package csv_test

import (
	"maps"
	"strings"
	"testing"

	"productindex/source/csv"
	"productindex/source/internal/sourcetest"
)

// shop returns the configuration for a shop's export with one row per variant or image.
func shop() csv.Config {
	return csv.Config{
		IDColumn: "Handle",
		Types:    map[string]csv.Type{"Variant Price": csv.Number},
		Arrays: []csv.Array{
			{Name: "variants", Columns: []string{"Option1 Value", "Variant *", "Cost per item*"}},
			{Name: "images", Columns: []string{"Image *"}},
		},
	}
}

const shopHeader = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src\n"

func TestGroups(t *testing.T) {
	for name, test := range map[string]struct{ rows, want string }{
		"variants and images": {
			"shirt,Shirt,Size,S,s-s,10,a.jpg\nshirt,,,M,s-m,11,b.jpg\nshirt,,,,,,c.jpg\npot,Pot,,,p,5,\n",
			`shirt {"Handle":"shirt","Title":"Shirt","Option1 Name":"Size",` +
				`"variants":[{"Option1 Value":"S","Variant SKU":"s-s","Variant Price":10},{"Option1 Value":"M",` +
				`"Variant SKU":"s-m","Variant Price":11}],` +
				`"images":[{"Image Src":"a.jpg"},{"Image Src":"b.jpg"},{"Image Src":"c.jpg"}]}|` +
				`pot {"Handle":"pot","Title":"Pot","Option1 Name":"","variants":[{"Option1 Value":"","Variant SKU":"p",` +
				`"Variant Price":5}],"images":[]}`,
		},
		"the last row has the title": {
			"shirt,,,,,,\nshirt,Shirt,,,,,\n",
			`shirt {"Handle":"shirt","Title":"Shirt","Option1 Name":"","variants":[],"images":[]}`,
		},
		"rows agree": {
			"shirt,Shirt,,,,,\n" + "shirt,Shirt,,,,,\n",
			`shirt {"Handle":"shirt","Title":"Shirt","Option1 Name":"","variants":[],"images":[]}`,
		},
		"rows differ": {
			"shirt,Shirt,,,,,\nshirt,Skirt,,,,,\nshirt,Shift,,,,,\npot,Pot,,,,,\n",
			`pot {"Handle":"pot","Title":"Pot","Option1 Name":"","variants":[],"images":[]}|` +
				`!acme.csv, line 3: column "Title" differs between the records of the product; Config.Arrays can hold ` +
				`each of its values`,
		},
		"a bad row is the product's": {
			"shirt,Shirt,,,,1,\nshirt,,,,,cheap,\npot,Pot,,,,,\nmug,Mug\nmug,,,,,1,\n",
			`pot {"Handle":"pot","Title":"Pot","Option1 Name":"","variants":[],"images":[]}|` +
				`!acme.csv, line 3: column "Variant Price": "cheap" is not a number|` +
				`!acme.csv, line 5: the record has 2 cells for 7 columns`,
		},
		"a row without an id": {
			"shirt,Shirt,,,,1,\n,,,,,2,\nshirt,,,,,3,\n",
			`shirt {"Handle":"shirt","Title":"Shirt","Option1 Name":"","variants":[{"Option1 Value":"","Variant SKU":"",` +
				`"Variant Price":1},` +
				`{"Option1 Value":"","Variant SKU":"","Variant Price":3}],"images":[]}|` +
				`!acme.csv, line 3: column "Handle", the product's id, is empty`,
		},
		"rows that are apart are two products": {
			"a,A,,,,,\nb,B,,,,,\na,,,,,1,\n",
			`a {"Handle":"a","Title":"A","Option1 Name":"","variants":[],"images":[]}|b {"Handle":"b","Title":"B",` +
				`"Option1 Name":"","variants":[],"images":[]}|` +
				`a {"Handle":"a","Title":"","Option1 Name":"","variants":[{"Option1 Value":"","Variant SKU":"",` +
				`"Variant Price":1}],"images":[]}`,
		},
		"cut off": {
			"a,A,,,,,\nb,B,,,,,\nb,\"B",
			`a {"Handle":"a","Title":"A","Option1 Name":"","variants":[],"images":[]}|` +
				`end: csv: acme.csv, line 4: the quote that opens here is never closed`,
		},
		"none": {"", ""},
	} {
		if got := outcome(t, shop(), shopHeader+test.rows); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, test.want)
		}
	}
}

// The place of a product of several records is the line of its first record.
func TestLocateGroups(t *testing.T) {
	cfg := shop()
	src := newSource(
		t,
		map[string]string{"acme.csv": shopHeader + "a,A,,,,,\na,,,,,1,\nb,\"B\nb\",,,,,\nb,,,,,1,\nc,C,,,,,\n"},
		&cfg,
	)
	want := map[string]string{"a": "acme.csv, line 2", "b": "acme.csv, line 4", "c": "acme.csv, line 7"}
	if got, err := sourcetest.Locate(t, src, "acme", "a", "b", "c", "d"); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, error %v; want %v", got, err, want)
	}
}

// MaxRecordBytes also limits a product of many records.
func TestLargeGroup(t *testing.T) {
	cfg := shop()
	cfg.MaxRecordBytes = 1000
	got := outcome(t, cfg, shopHeader+strings.Repeat("a,,,x,,,\n", 2000)+"b,B,,,,,\n")
	want := `b {"Handle":"b","Title":"B","Option1 Name":"","variants":[],"images":[]}|` +
		`!acme.csv, line 502: the record is too large`
	if !strings.HasPrefix(got, want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestArraysAreChecked(t *testing.T) {
	for want, arrays := range map[string][]csv.Array{
		`column "x" is in the arrays "a" and "b"`: {
			{Name: "a", Columns: []string{"x"}}, {Name: "b", Columns: []string{"x*"}},
		},
		`"id" holds the product's id, so it cannot`: {{Name: "a", Columns: []string{"i*"}}},
		`array "a": there is no column "z"`:         {{Name: "a", Columns: []string{"x", "z"}}},
		`array "a": there is no column "z*"`:        {{Name: "a", Columns: []string{"z*"}}},
		`array "y" has the name of a column`:        {{Name: "y", Columns: []string{"x"}}},
		`column 3 has no name, but the cell is not`: {{Name: "a", Columns: []string{"*"}}},
		`1 {"id":"1","y":"3","x":[{"x":"2"}]}`:      {{Name: "x", Columns: []string{"x"}}},
	} {
		content := "id,x,y\n1,2,3\n"
		if strings.HasPrefix(want, "column 3") {
			content = "x,y,,id\n1,2,3,4\n"
			arrays[0].Columns = []string{"x", "y"}
		}
		if got := outcome(t, csv.Config{Arrays: arrays}, content); !strings.Contains(got, want) {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}
