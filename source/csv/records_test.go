package csv

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"productindex/reindex"
)

// FuzzRecords compares a Source with the reference: every record of a file is a product, is rejected with its place, or
// ends the read.
func FuzzRecords(f *testing.F) {
	for _, text := range []string{
		"1,a\n2,\"b\"\n3\n,x\n4,\xff\n5,\"a\n", "1,\"Deluxe\" sock\n2,x\n", "1,a\r2,b\r", "\xff,1\n\ufeff2,\"\"\n",
		"1,a\n\n2,\"b\r\nc\"\"\"\r\n",
	} {
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, lazy bool) {
		for _, other := range []string{"sep=", "\ufeff", "\xff\xfe", "\xfe\xff"} {
			if strings.HasPrefix(text, other) {
				t.Skip("has another meaning at the start of a file")
			}
		}
		ref := &reference{text: text, sep: ",", quotes: true, lazy: lazy}
		records, open := ref.read()
		var want []string
		for _, r := range records {
			if r.fault || len(r.cells) != 2 || r.cells[0] == "" || !utf8.ValidString(r.cells[0]+","+r.cells[1]) {
				want = append(want, fmt.Sprintf("acme.csv, line %d", r.line))
			} else {
				want = append(want, fmt.Sprintf("%q %q", r.cells[0], r.cells))
			}
		}
		if open > 0 {
			want = append(want, fmt.Sprintf("ends at line %d", open))
		}
		src, err := NewFS(
			fstest.MapFS{"acme.csv": {Data: []byte(text)}},
			&Config{Header: []string{"id", "name"}, LazyQuotes: lazy},
		)
		if err != nil {
			t.Fatal(err)
		}
		if got := readSource(t, src); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Fatalf("got %q\nwant %q", got, want)
		}
	})
}

// readSource returns the products of a source, the places of its rejections, and the line of the error that ends the
// read.
func readSource(t *testing.T, src *Source) (got []string) {
	t.Helper()
	snap, err := src.Open(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for p, err := range snap.Products(t.Context()) {
		bad, rejected := errors.AsType[*reindex.RecordError](err)
		ended, ends := errors.AsType[*LineError](err)
		var row struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		}
		switch {
		case rejected:
			got = append(got, bad.Where)
		case ends:
			got = append(got, fmt.Sprintf("ends at line %d", ended.Line))
		case err != nil:
			t.Fatal(err)
		case json.Unmarshal(p.Body, &row) != nil:
			t.Fatalf("got the body %s, want JSON", p.Body)
		default:
			got = append(got, fmt.Sprintf("%q %q", p.ID, []string{row.ID, row.Name}))
		}
	}
	if n, err := snap.(reindex.Estimator).Estimate(t.Context()); err == nil && n != int64(len(got)) {
		t.Errorf("counted %d records, want the %d that were read", n, len(got))
	}
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
	return got
}
