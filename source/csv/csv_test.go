package csv_test

import (
	"bytes"
	"context"
	stdcsv "encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/source/csv"
	"productindex/source/internal/sourcetest"
)

// A product of the suite is stored as JSON in one column, which can hold any product.
func TestConformance(t *testing.T) {
	for _, names := range [][]string{{"acme.csv"}, {"acme.csv.gz"}, {"acme/1.csv", "acme/2.tsv.zst"}} {
		t.Run(fmt.Sprint(names), func(t *testing.T) {
			reindextest.TestSource(t, func(t *testing.T, products []reindex.Product) reindextest.SourceFixture {
				t.Helper()
				contents := map[string]string{}
				for _, name := range names {
					contents[name] = "id,product\n"
				}
				for i, p := range products {
					var b bytes.Buffer
					w := stdcsv.NewWriter(&b)
					if err := w.Write([]string{p.ID, string(p.Body)}); err != nil {
						t.Fatal(err)
					}
					w.Flush()
					contents[names[i%len(names)]] += b.String()
				}
				return reindextest.SourceFixture{
					Source: newSource(t, contents, &csv.Config{Types: map[string]csv.Type{"product": csv.JSON}}), Tenant: "acme",
				}
			}, func(got, want json.RawMessage) bool {
				var row map[string]json.RawMessage
				return json.Unmarshal(got, &row) == nil && bytes.Equal(row["product"], want)
			})
		})
	}
}

func TestProducts(t *testing.T) {
	types := map[string]csv.Type{"price": csv.Number, "active": csv.Bool, "sizes": csv.JSON}
	utf16le := "\xff\xfei\x00d\x00\n\x00\xe4\x00\n\x00"
	for name, test := range map[string]struct {
		cfg     csv.Config
		content string
		want    []string
	}{
		"quotes": {
			csv.Config{}, "id,\"na\"\"me\"\n1,\"a, \"\"b\"\"\nc\"\n\n2,\n",
			[]string{`1 {"id":"1","na\"me":"a, \"b\"\nc"}`, `2 {"id":"2","na\"me":""}`},
		},
		"types": {csv.Config{Types: types}, "id,price,active,sizes\n1,19.90,TRUE,\"[1, 2]\"\n2,,,\n3, -1e3 ,0, {} \n",
			[]string{
				`1 {"id":"1","price":19.90,"active":true,"sizes":[1, 2]}`, `2 {"id":"2","price":null,"active":null,"sizes":null}`,
				`3 {"id":"3","price":-1e3,"active":false,"sizes":{}}`,
			}},
		"dialect": {
			csv.Config{Comma: ';', Comment: '#', DecimalComma: true, Types: map[string]csv.Type{"price": csv.Number}},
			"# prices\r\nid;price\r\n1;19,90\r\n",
			[]string{`1 {"id":"1","price":19.90}`},
		},
		"lazy": {
			csv.Config{LazyQuotes: true, TrimLeadingSpace: true}, "id,name\n1, 5\" nail\n",
			[]string{`1 {"id":"1","name":"5\" nail"}`},
		},
		"no header": {
			csv.Config{Header: []string{"sku", "name"}, IDColumn: "sku"}, "1,a\n2,b",
			[]string{`1 {"sku":"1","name":"a"}`, `2 {"sku":"2","name":"b"}`},
		},
		"BOM":    {csv.Config{}, "\ufeffid\n1\n", []string{`1 {"id":"1"}`}},
		"UTF-16": {csv.Config{}, utf16le, []string{`ä {"id":"ä"}`}},
		"Windows": {
			csv.Config{Encoding: charmap.Windows1252}, "id,price\n1,5 \x80\n", []string{`1 {"id":"1","price":"5 €"}`},
		},
		"BOM wins":   {csv.Config{Encoding: charmap.Windows1252}, "\ufeffid\nä\n", []string{`ä {"id":"ä"}`}},
		"no product": {csv.Config{}, "id,name\n", nil},
		"nothing":    {csv.Config{Header: []string{"id"}}, "", nil},
	} {
		got, _, err := read(t, newSource(t, map[string]string{"acme.csv": test.content}, &test.cfg))
		if err != nil || strings.Join(got, "\n") != strings.Join(test.want, "\n") {
			t.Errorf("%s: got error %v,\n%s\nwant\n%s", name, err, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
}

// Each file of a folder has a header of its own.
func TestFolder(t *testing.T) {
	src := newSource(t, map[string]string{
		"acme/2.csv.gz":   "name,id\nb,2\n",
		"acme/1.csv":      "id,name\n1,a\n",
		"acme/3.tsv.zst":  "id\n3\n",
		"acme/_notes.txt": "x",
		"other.csv":       "id\n9\n",
	}, nil)
	got, _, err := read(t, src)
	want := `1 {"id":"1","name":"a"}|2 {"name":"b","id":"2"}|3 {"id":"3"}`
	if err != nil || strings.Join(got, "|") != want {
		t.Errorf("got %q, error %v, want %s", got, err, want)
	}
	if n, err := sourcetest.Estimate(t, src, "acme"); err != nil || n != 3 {
		t.Errorf("estimated %d products, error %v, want 3", n, err)
	}
}

// An error that makes the rest of a file unreadable ends the read. It names the file and the line.
func TestBroken(t *testing.T) {
	large := strings.Repeat("x", 100_000)
	for name, test := range map[string]struct {
		cfg     csv.Config
		content string
		want    string
	}{
		"quote open": {
			csv.Config{}, "id,name\n1,a\n2,\"b\n3,c\n", "acme.csv, line 3: the quote that opens here is never closed",
		},
		"no id column": {csv.Config{}, "sku,name\n1,a\n", `line 1: there is no column "id"; the columns are ["sku" "name"]`},
		"no column": {
			csv.Config{Types: map[string]csv.Type{"price": csv.Number}}, "id\n1\n", `line 1: there is no column "price"`,
		},
		"twice":        {csv.Config{}, "id,a,a\n", `line 1: two columns have the name "a"`},
		"empty":        {csv.Config{}, "", "line 1: the file is empty"},
		"header UTF-8": {csv.Config{}, "id,\xff\n", "line 1: the name of column 2 is not valid text"},
		"endless quote": {
			csv.Config{MaxRecordBytes: 10_000}, "id,name\n1,\"" + strings.Repeat("a\n", 50_000),
			"or the quote that opens here is not closed",
		},
		"quote, lazy": {
			csv.Config{LazyQuotes: true, Comma: '\t'}, "id\tname\n1\ta\n2\t\"Deluxe\n3\tc\n",
			"acme.csv, line 3: the quote that opens here is never closed",
		},
		"quote, deep": {
			csv.Config{}, "id,name\n1,a\n2,\"b\"\n3,\"x\ny\",\"z\n" + strings.Repeat("4,d\n", 20_000),
			"acme.csv, line 5: the quote that opens here is never closed",
		},
		"long, quoted": {
			csv.Config{MaxRecordBytes: 10_000}, "id,name\n1,a\n2,\"" + large + "\"\n", "line 3: the record is too large",
		},
		"many columns": {csv.Config{}, "x" + manyColumns() + "\n", "the first of 100001 columns are"},
	} {
		_, _, err := read(t, newSource(t, map[string]string{"acme.csv": test.content}, &test.cfg))
		_, ok := errors.AsType[*csv.LineError](err)
		if !ok || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 2000 {
			t.Errorf("%s: got %.2000v, want a short LineError with %q", name, err, test.want)
		}
	}
}

// manyColumns returns column names that are too long for a message.
func manyColumns() string {
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, ",column %d", i)
	}
	return b.String()
}

// A bad record is rejected, and the records after it are read.
func TestRejected(t *testing.T) {
	for name, test := range map[string]struct {
		cfg     csv.Config
		content string
		want    string
	}{
		"few cells":  {csv.Config{}, "id,name\n1,a\n\n2\n", "acme.csv, line 4: the record has 1 cell for 2 columns"},
		"many cells": {csv.Config{}, "id,name\n1,a,b\n", "acme.csv, line 2: the record has 3 cells"},
		"cut off":    {csv.Config{}, "id,name\n1,a\n2", "acme.csv, line 3: the record has 1 cell for"},
		"no number": {
			csv.Config{Types: map[string]csv.Type{"price": csv.Number}}, "id,price\n1,2\n2,\"1,5\"\n",
			`acme.csv, line 3: column "price": "1,5" is not a number`,
		},
		"grouped": {
			csv.Config{DecimalComma: true, Types: map[string]csv.Type{"id": csv.Number}}, "id\n1.234\n",
			`"1.234" is not a number`,
		},
		"no bool": {
			csv.Config{Types: map[string]csv.Type{"ok": csv.Bool}}, "id,ok\n1,yes\n", `line 2: column "ok": "yes" is neither`,
		},
		"no JSON": {
			csv.Config{Types: map[string]csv.Type{"ok": csv.JSON}}, "id,ok\n1,{\n", `line 2: column "ok": "{" is not JSON`,
		},
		"no id":    {csv.Config{}, "id,name\n,a\n", "line 2: column \"id\", the product's id, is empty"},
		"no UTF-8": {csv.Config{}, "id,name\n1,a\n2,\xff\n", `line 3: column "name": the text is not valid UTF-8`},
		"quote inside": {
			csv.Config{}, "id,name\n1,a\n2,b\"\n", "acme.csv, line 3: a cell without quotes around it has a quote inside",
		},
		"no name": {csv.Config{}, "id,,name\n1,,a\n2,x,b\n", "line 3: column 2 has no name, but the cell is not empty"},
		"large record": {
			csv.Config{MaxRecordBytes: 10_000}, "id,name\n1,a\n2," + strings.Repeat("x", 100_000) + "\n",
			"line 3: the record is too large",
		},
		"stray quote": {
			csv.Config{}, "id,name\n1,\"Deluxe\" sock\n2,\"b\"\n3,c\n",
			"acme.csv, line 2: a quoted cell is not closed on its line, or has a quote inside that is not doubled",
		},
		"stray, closed": {
			csv.Config{}, "id,name\n1,\"5\" nail\"\n2,b\n", "acme.csv, line 2: a quoted cell is not closed on its line",
		},
		"no id, null": {
			csv.Config{NullWords: []string{"NULL"}}, "id,name\nNULL,a\n2,b\n",
			`line 2: column "id", the product's id, is empty`,
		},
		"id UTF-8": {
			csv.Config{}, "id,name\n\xff,a\n2,b\n", `line 2: column "id", the product's id: the text is not valid UTF-8`,
		},
		"header twice": {csv.Config{}, "id,name\n1,a\n\ufeffid,name\n2,b\n", "line 3: the record repeats the header"},
	} {
		_, rejected, err := read(t, newSource(t, map[string]string{"acme.csv": test.content}, &test.cfg))
		if err != nil || len(rejected) != 1 || !strings.Contains(rejected[0], test.want) {
			t.Errorf("%s: rejected %q, error %v, want one rejection with %q", name, rejected, err, test.want)
		}
	}
}

// A compressed file that is cut off anywhere ends the read with an error.
func TestCutOff(t *testing.T) {
	content := "id,name\n"
	for i := range 2000 {
		content += fmt.Sprintf("%d,name %d\n", i, i*i)
	}
	for _, name := range []string{"acme.csv.gz", "acme.csv.zst"} {
		whole := sourcetest.Compress(t, name, []byte(content))
		for size := 0; size < len(whole); size += 97 {
			src, err := csv.NewFS(fstest.MapFS{name: {Data: whole[:size]}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, _, err := read(t, src); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%d of %d bytes: got %d products, error %v, want an error that names %s", size, len(whole), len(got),
					err, name)
			}
		}
	}
}

func TestCancelled(t *testing.T) {
	src := newSource(t, map[string]string{"acme.csv": "id\n1\n2\n3\n"}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n, failed := 0, error(nil)
	for _, err := range sourcetest.Products(ctx, src, "acme") {
		if failed = err; err == nil {
			n++
		}
		cancel()
	}
	if n != 1 || !errors.Is(failed, context.Canceled) {
		t.Errorf("got %d products, error %v, want 1 and context.Canceled", n, failed)
	}
}

func TestFiles(t *testing.T) {
	_, _, err := read(t, newSource(t, map[string]string{"acme.csv": "id\n", "acme.csv.gz": "id\n"}, nil))
	if !errors.Is(err, csv.ErrAmbiguous) {
		t.Errorf("two files of one tenant: got %v, want ErrAmbiguous", err)
	}
	src := newSource(
		t,
		map[string]string{"a.csv": "id\n1\n", "acme.csv": "id\n2\n"},
		&csv.Config{Files: map[string][]string{"acme": {"a.csv"}}},
	)
	if got, _, err := read(t, src); err != nil || len(got) != 1 || got[0] != `1 {"id":"1"}` {
		t.Errorf("got %q, error %v, want only product 2 of acme.csv", got, err)
	}
	if _, err := sourcetest.Estimate(t, src, "other"); !errors.Is(err, csv.ErrUnknownTenant) {
		t.Errorf("a tenant without a file: got %v, want ErrUnknownTenant", err)
	}
	if _, err := csv.New(t.TempDir()+"/none", nil); err == nil {
		t.Error("New accepts a folder that does not exist")
	}
	if src, err := csv.New(t.TempDir(), nil); err != nil {
		t.Error(err)
	} else if _, _, err := read(t, src); !errors.Is(err, csv.ErrUnknownTenant) {
		t.Errorf("an empty folder: got %v, want ErrUnknownTenant", err)
	}
}

func TestConfig(t *testing.T) {
	_, err := csv.NewFS(nil, &csv.Config{
		Comma:          '"',
		Comment:        '\n',
		MaxRecordBytes: -1,
		SkipRows:       -1,
		LazyQuotes:     true,
		NoQuotes:       true,
		Arrays:         []csv.Array{{Name: "x", Columns: []string{"b"}}, {Name: "x"}},
		Types:          map[string]csv.Type{"a": 9},
		Header:         []string{"b"},
		Files:          map[string][]string{"": {"../x"}, "t": {}},
	})
	for _, want := range []string{
		"Comma", "Comment", "SkipRows", "LazyQuotes", `array "x"`, `two arrays have the name "x"`, "MaxRecordBytes",
		`column "a"`, `Header: there is no column "id"`, "invalid tenant", "../x", `"t" has no files`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one that names %s", err, want)
		}
	}
	if _, err := csv.NewFS(nil, &csv.Config{Comma: ';', Comment: ';'}); err == nil {
		t.Error("NewFS accepts the same character as Comma and Comment")
	}
}

// A column cannot be in an id twice, and two columns cannot get the same name.
func TestConfigRepeats(t *testing.T) {
	for want, cfg := range map[string]csv.Config{
		`IDColumns has the column "sku" twice`:                      {IDColumns: []string{"sku", "size", "sku"}},
		`columns "Nr" and "SKU" have the same name "sku" in Rename`: {Rename: map[string]string{"SKU": "sku", "Nr": "sku"}},
		"": {IDColumns: []string{"sku", "size"}, Rename: map[string]string{"Nr": "sku", "a": "", "b": "", "c": "size"}},
	} {
		_, err := csv.NewFS(fstest.MapFS{}, &cfg)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

// FuzzProducts checks that each body is a JSON object in UTF-8, and that its id is the product's id.
func FuzzProducts(f *testing.F) {
	f.Add("id,name\n1,\"a, \"\"b\"\"\n\"\n", byte(0))
	f.Add("id,price\n1,1.5\n2,\n", byte(1))
	f.Add("id,price\n1,true\n", byte(2))
	f.Add("id,price\n1,\"{\"\"a\"\":[1]}\"\n", byte(3))
	f.Add("\ufeffid\n\xff", byte(0))
	f.Fuzz(func(t *testing.T, content string, kind byte) {
		cfg := &csv.Config{}
		if kind %= 4; kind > 0 {
			cfg.Types = map[string]csv.Type{"price": csv.Type(kind)}
		}
		src := newSource(t, map[string]string{"acme.csv": content}, cfg)
		for p, err := range sourcetest.Products(t.Context(), src, "acme") {
			if err != nil {
				continue
			}
			var row map[string]any
			if err := json.Unmarshal(p.Body, &row); err != nil || !utf8.Valid(p.Body) {
				t.Fatalf("the body %q is not a JSON object in UTF-8: %v", p.Body, err)
			}
			if kind == 0 && row["id"] != p.ID {
				t.Fatalf("product %q has the body %s, want one with this id", p.ID, p.Body)
			}
		}
	})
}
