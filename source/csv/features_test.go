package csv_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"productindex/reindex"
	"productindex/source/csv"
	"productindex/source/internal/sourcetest"
)

// outcome returns the products of a read, then its rejections, then the error that ended it.
func outcome(t *testing.T, cfg csv.Config, content string) string {
	t.Helper()
	src := newSource(t, map[string]string{"acme.csv": content}, &cfg)
	got, rejected, err := read(t, src)
	for _, bad := range rejected {
		got = append(got, "!"+bad)
	}
	if err != nil {
		got = append(got, "end: "+err.Error())
	} else if n, err := sourcetest.Estimate(t, src, "acme"); err != nil || n != int64(len(got)) {
		t.Errorf("%q: estimated %d records, error %v, want %d", content, n, err, len(got))
	}
	return strings.Join(got, "|")
}

// With LazyQuotes, a stray quote does not extend a cell over the next records.
func TestLenientQuotes(t *testing.T) {
	lines := "id\tname\n1\ta\n2\t%s\n3\t\"x\"\n4\t\"y\"\n"
	for cell, want := range map[string]string{
		`"Deluxe" sock`:      `"\"Deluxe\" sock"`,
		`"Deluxe sock`:       `"\"Deluxe sock"`,
		`5" nail`:            `"5\" nail"`,
		`"5" nail"`:          `"5\" nail"`,
		`"a ""b"" c"`:        `"a \"b\" c"`,
		`a"`:                 `"a\""`,
		`"a" "b"`:            `"a\" \"b"`,
		"\"two\nlines\"":     `"two\nlines"`,
		"\"two\r\nlines\"":   `"two\nlines"`,
		`"""a" b`:            `"\"\"\"a\" b"`,
		`"`:                  `"\""`,
		`""`:                 `""`,
		`"" "`:               `"\" "`,
		"\"a\"b \"\"\"\"c\"": `"a\"b \"\"c"`,
	} {
		got := outcome(t, csv.Config{LazyQuotes: true, Comma: '\t'}, fmt.Sprintf(lines, cell))
		if full := fmt.Sprintf(
			`1 {"id":"1","name":"a"}|2 {"id":"2","name":%s}|3 {"id":"3","name":"x"}|4 {"id":"4","name":"y"}`, want,
		); got != full {
			t.Errorf("%s:\ngot  %s\nwant %s", cell, got, full)
		}
	}
}

func TestNoQuotes(t *testing.T) {
	got := outcome(t, csv.Config{NoQuotes: true}, "id,\"name\n1,\"a\n\"2\",b\"\"\n3,\"\n")
	if want := `1 {"id":"1","\"name":"\"a"}|"2" {"id":"\"2\"","\"name":"b\"\""}|3 {"id":"3","\"name":"\""}`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// Text that cannot be decoded is rejected, and never replaced.
func TestUndecodable(t *testing.T) {
	utf16 := func(s string) string {
		text, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	whole := utf16("id\n1\nä\n")
	not := "the text is not in the encoding of the file; see Config.Encoding"
	for name, test := range map[string]struct {
		cfg     csv.Config
		content string
		want    string
	}{
		"Windows-1252": {
			csv.Config{Encoding: charmap.Windows1252}, "id,x\n1,a\x81b\n2,\x80\n",
			`2 {"id":"2","x":"€"}|!acme.csv, line 2: column "x": ` + not,
		},
		"GBK ids": {
			csv.Config{Encoding: simplifiedchinese.GBK}, "id\n\xff\n\xfe\xfe\n\xc4\xe3\n",
			`你 {"id":"你"}|!acme.csv, line 2: column "id", the product's id: ` + not +
				`|!acme.csv, line 3: column "id", the product's id: ` + not,
		},
		"GBK cut": {csv.Config{Encoding: simplifiedchinese.GBK}, "id\n1\n\xc4", "1 {\"id\":\"1\"}|end: csv: " +
			"acme.csv, line 3: the file is cut off: its last character is not complete: unexpected EOF"},
		"Shift JIS": {
			csv.Config{Encoding: japanese.ShiftJIS}, "id\n\x82\xa0\n\x82\n1\n",
			`あ {"id":"あ"}|1 {"id":"1"}|!acme.csv, line 3: column "id", the product's id: ` + not,
		},
		"GB18030, genuine": {
			csv.Config{Encoding: simplifiedchinese.GB18030}, "id\n\x841\xa47\n", "\ufffd {\"id\":\"\ufffd\"}",
		},
		"GB18030": {
			csv.Config{Encoding: simplifiedchinese.GB18030}, "id\n\xff\n1\n",
			`1 {"id":"1"}|!acme.csv, line 2: column "id", the product's id: ` + not,
		},
		"UTF-8 decoder": {csv.Config{Encoding: unicode.UTF8}, "id\na\xffb\n\ufffd", "!acme.csv, line 2: column " +
			"\"id\", the product's id: " + not + "|!acme.csv, line 3: column \"id\", the product's id: " + not},
		"UTF-16":          {csv.Config{}, whole, `1 {"id":"1"}|ä {"id":"ä"}`},
		"UTF-16, genuine": {csv.Config{}, utf16("id\n\ufffd\n"), "\ufffd {\"id\":\"\ufffd\"}"},
		"UTF-16, surrogate": {
			csv.Config{}, utf16("id\n") + "\x00\xd8\n\x001\x00\n\x00",
			`1 {"id":"1"}|!acme.csv, line 2: column "id", the product's id: ` + not,
		},
		"UTF-16 cut": {csv.Config{}, whole[:len(whole)-1], "1 {\"id\":\"1\"}|end: csv: acme.csv, line 3: the file " +
			"is cut off: its last character is not complete: unexpected EOF"},
		"UTF-16 cut, pair": {csv.Config{}, utf16("id\n1\n") + "\x3d\xd8", "1 {\"id\":\"1\"}|end: csv: acme.csv, line 3: " +
			"the file is cut off: its last character is not complete: unexpected EOF"},
		"UTF-8": {csv.Config{}, "id\n\ufffd\n\xff\n", "\ufffd {\"id\":\"\ufffd\"}|!acme.csv, line 3: column \"id\", " +
			"the product's id: the text is not valid UTF-8; set Config.Encoding"},
		"header": {
			csv.Config{Encoding: charmap.Windows1252}, "id,\x81\n1,2\n",
			"end: csv: acme.csv, line 1: the name of column 2 is not valid text of the file's encoding; see Config.Encoding",
		},
	} {
		if got := outcome(t, test.cfg, test.content); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, test.want)
		}
	}
}

// Lines may end with CR alone.
func TestCarriageReturns(t *testing.T) {
	for content, want := range map[string]string{
		"id,name\r1,a\r\r2,\"b\rc\"\r3,d": `1 {"id":"1","name":"a"}|2 {"id":"2","name":"b\rc"}|3 {"id":"3","name":"d"}`,
		"id,name\r1,a\r2\r3,d\r": `1 {"id":"1","name":"a"}|3 {"id":"3","name":"d"}|` +
			`!acme.csv, line 3: the record has 1 cell for 2 columns`,
		"\"id\rx\",name\r1,a\r": `end: csv: acme.csv, line 1: there is no column "id"; the columns are ` +
			`["id\rx" "name"]`,
		"id,name\n1,a\rb\n2,\"c\rd\"\n":      `1 {"id":"1","name":"a\rb"}|2 {"id":"2","name":"c\rd"}`,
		"id,name\r\n1,\"a\r\nb\"\r\n2,c\r\n": `1 {"id":"1","name":"a\nb"}|2 {"id":"2","name":"c"}`,
		"id,name\r1,a\r\n2,b\n3,c\r\n\r\n4,d": `1 {"id":"1","name":"a"}|2 {"id":"2","name":"b"}|3 {"id":"3","name":"c"}|` +
			`4 {"id":"4","name":"d"}`,
	} {
		if got := outcome(t, csv.Config{}, content); got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", content, got, want)
		}
	}
}

// A very long header does not make a long message, and the context ends the read of it.
func TestEndlessHeader(t *testing.T) {
	content := strings.Repeat("column,", 1<<18)
	got := outcome(t, csv.Config{}, content)
	if !strings.Contains(got, `two columns have the name "column": the columns 1 and 2`) || len(got) > 500 {
		t.Errorf("got %.500s, want a short message about the columns 1 and 2", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	src := newSource(t, map[string]string{"acme.csv": content}, nil)
	snap, err := src.Open(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range snap.Products(ctx) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	}
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
}

// The place of a product or of a rejected record is the line on which it begins.
func TestLocate(t *testing.T) {
	content := "\ufeffid,name\r\n\r\n1,\"a\r\nb\"\r\n2,x\r\n3\r\n4,\"\r\n\r\n\"\r\n5,y\r\n"
	src := newSource(t, map[string]string{"acme/1.csv": content, "acme/2.csv.gz": "name,id\nx,6\nx,1\n"}, nil)
	want := map[string]string{
		"1": "acme/1.csv, line 3",
		"2": "acme/1.csv, line 5",
		"3": "acme/1.csv, line 6",
		"4": "acme/1.csv, line 7",
		"5": "acme/1.csv, line 10",
		"6": "acme/2.csv.gz, line 2",
	}
	if got, err := sourcetest.Locate(t, src, "acme", "1", "2", "3", "4", "5", "6", "7"); err != nil ||
		!maps.Equal(got, want) {
		t.Errorf("got %v, error %v; want %v", got, err, want)
	}
	if _, rejected, err := read(t, src); err != nil ||
		fmt.Sprint(rejected) != "[acme/1.csv, line 6: the record has 1 cell for 2 columns]" {
		t.Errorf("rejected %v, error %v, want one rejection in line 6", rejected, err)
	}
}

// The parts of a folder are made of its files. A small file is one part.
func TestSplit(t *testing.T) {
	src := newSource(
		t,
		map[string]string{"acme/1.csv": "id\n1\n", "acme/2.csv.gz": "id\n2\n", "acme/3.csv": "id\n3\n"},
		nil,
	)
	splitter, err := sourcetest.Capability[reindex.Splitter](t, src, "acme")
	if err != nil {
		t.Fatal(err)
	}
	names, err := splitter.Split(t.Context(), 2)
	if err != nil || len(names) != 2 {
		t.Fatalf("got the parts %q, error %v, want 2 parts", names, err)
	}
	var ids []string
	for _, name := range names {
		for p, err := range splitter.Part(t.Context(), name) {
			if err != nil {
				t.Error(err)
			}
			ids = append(ids, p.ID)
		}
	}
	if slices.Sort(ids); fmt.Sprint(ids) != "[1 2 3]" {
		t.Errorf("got %v, want [1 2 3]", ids)
	}
	one, err := sourcetest.Capability[reindex.Splitter](
		t,
		newSource(t, map[string]string{"acme.csv": "id\n1\n"}, nil),
		"acme",
	)
	if err != nil {
		t.Fatal(err)
	}
	if names, err := one.Split(t.Context(), 2); err != nil || len(names) != 1 {
		t.Errorf("got the parts %q, error %v, want 1 part", names, err)
	}
}

func TestColumns(t *testing.T) {
	number := map[string]csv.Type{"price": csv.Number}
	for name, test := range map[string]struct {
		cfg     csv.Config
		content string
		want    string
	}{
		"ids": {
			csv.Config{IDColumns: []string{"sku", "size"}}, "sku,size\na,1\na,\n:,1\n,\n",
			`a:1 {"sku":"a","size":"1"}|a: {"sku":"a","size":""}|` +
				`!acme.csv, line 4: column "sku", a part of the product's id, contains ":", which separates the parts: ` +
				`choose another Config.IDSeparator|!acme.csv, line 5: the columns of the product's id are empty`,
		},
		"id separator": {
			csv.Config{IDColumns: []string{"size", "sku"}, IDSeparator: "--"}, "sku,size\na-,1\n",
			`1--a- {"sku":"a-","size":"1"}`,
		},
		"one id column":  {csv.Config{IDColumns: []string{"sku"}}, "sku\na:b\n", `a:b {"sku":"a:b"}`},
		"sep":            {csv.Config{}, "sep=;\r\nid;name\r\n1;a,b\r\n", `1 {"id":"1","name":"a,b"}`},
		"sep, BOM":       {csv.Config{Comma: ';'}, "\ufeffsep=\t\nid\tname\n1\ta;b\n", `1 {"id":"1","name":"a;b"}`},
		"sep, no header": {csv.Config{Header: []string{"id", "x"}}, "sep=|\n1|2\n", `1 {"id":"1","x":"2"}`},
		"not sep": {
			csv.Config{}, "sep=;;id\n", `end: csv: acme.csv, line 1: there is no column "id"; the columns are ["sep=;;id"]`,
		},
		"null words": {
			csv.Config{NullWords: []string{"NULL", "n/a"}, Types: number},
			"id,price,name\n1,NULL,NULL\n2,n/a,null\n3,1,\"NULL\"\n",
			`1 {"id":"1","price":null,"name":null}|2 {"id":"2","price":null,"name":"null"}|3 {"id":"3","price":1,"name":null}`,
		},
		"empty null": {csv.Config{NullWords: []string{""}}, "id,name\n1,\n", `1 {"id":"1","name":null}`},
		"skipped rows": {
			csv.Config{SkipRows: 2}, "\"Export\nof\" today\nmore, of it\n\nid,name\n1,a\n",
			`end: csv: acme.csv, line 3: there is no column "id"; the columns are ["more" " of it"]`,
		},
		"skipped": {
			csv.Config{SkipRows: 2}, "\"Export\nof today\"\nmore, of it\n\nid,name\n1,a\n", `1 {"id":"1","name":"a"}`,
		},
		"skipped header": {
			csv.Config{SkipRows: 1, Header: []string{"id", "name"}}, "Nr.,Name\n1,a\n", `1 {"id":"1","name":"a"}`,
		},
		"skipped too much": {
			csv.Config{SkipRows: 3}, "id\n1\n",
			"end: csv: acme.csv, line 3: the file is empty: it does not even have a header",
		},
		"renamed": {
			csv.Config{Rename: map[string]string{"Nr.": "id", "Preis": "price", "x": ""}, Types: number},
			"Nr.,x,Preis\n1,a,2\n", `1 {"id":"1","price":2}`,
		},
		"renamed, missing": {
			csv.Config{Rename: map[string]string{"Nr": "id"}}, "Nr.\n1\n",
			`end: csv: acme.csv, line 1: there is no column "Nr"; the columns are ["Nr."]`,
		},
		"renamed, the same": {
			csv.Config{Rename: map[string]string{"nr": "id"}}, "nr,id\n1,1\n",
			`end: csv: acme.csv, line 1: two columns have the name "id": the columns 1 and 2`,
		},
		"unnamed": {csv.Config{}, "id,,name,\n1,,a,\n2,x,b,\n", `1 {"id":"1","name":"a"}|` +
			`!acme.csv, line 3: column 2 has no name, but the cell is not empty: Config.Header names it, and ` +
			`Config.DropUnnamed leaves it out`},
		"unnamed, first": {csv.Config{DropUnnamed: true}, ",id,\n1,2,3\n", `2 {"id":"2"}`},
	} {
		if got := outcome(t, test.cfg, test.content); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, test.want)
		}
	}
}
