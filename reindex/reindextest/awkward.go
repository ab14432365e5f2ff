package reindextest

import (
	"fmt"
	"strings"
	"testing"

	"productindex/reindex"
)

// awkwardIDs are ids that some indexes treat specially.
var awkwardIDs = []string{
	"1", "01", "1.0", "a", "A", "a b", " a", "a ", "a/b", "../a", "a.b", "a:b", "a,b", "a%20b", "a+b", "a&b=c",
	"a#b", "a?b", `a"b`, `a\b`, "'a'", "<a>", "_a", "-a", "_id", "null", "true", "*", "ä", "a\u0308", "日本語",
	"🧦", "{}", "[1]", strings.Repeat("i", 200), strings.Repeat("i", 201), strings.Repeat("i", 510),
	strings.Repeat("i", 512), strings.Repeat("i", 600), strings.Repeat("ä", 300), strings.Repeat("i", 4096),
}

// A product with any id is indexed or rejected by its id, and replaces no other product.
func testIDs(t *testing.T, f Fixture) {
	var products []reindex.Product
	want := map[string]string{}
	for i, id := range awkwardIDs {
		products = append(products, product(id, fmt.Sprint(i)))
		want[id] = fmt.Sprint(i)
	}
	assertAllButRejected(t, f, products, want)
}

// A product with any valid body is indexed or rejected by its id.
func testBodies(t *testing.T, f Fixture) {
	bodies := []string{
		`{"rev":"r"}`,
		`{"rev":"r","v":"text"}`, `{"rev":"r","v":{"w":1}}`, `{"rev":"r","v":[1,"a",{"w":[]}]}`, `{"rev":"r","v":12}`,
		`{"rev":"r","v":true}`, `{"rev":"r","v":null}`,
		`{"rev":"r","n":9007199254740993}`, `{"rev":"r","n":18446744073709551616}`, `{"rev":"r","n":1e300}`,
		`{"rev":"r","n":-0.0}`, `{"rev":"r","n":"12"}`,
		`{"rev":"r","date":"2026-01-01"}`, `{"rev":"r","date":"soon"}`, `{"rev":"r","id":42}`, `{"rev":"r","_id":"x"}`,
		`{"rev":"r","":1}`, `{"rev":"r","a.b":{"c.d":1}}`,
		`{"rev":"r","name":{"en":"Wool sock","de":"Wollsocke","xx":"?"}}`, `{"rev":"r","name":["a","b"]}`,
		`{"rev":"r","price":{"amount":1.5,"currency":"EUR"}}`,
		`{"rev":"r","u":"\u0000\ud83e\udde6\"\\"}`,
		`{"rev":"r","deep":` + strings.Repeat(`{"x":`, 20) + `1` + strings.Repeat(`}`, 20) + `}`,
		`{"rev":"r","long":"` + strings.Repeat("word ", 20000) + `"}`,
		`{"rev":"r","one":"` + strings.Repeat("w", 40000) + `"}`,
		`{"rev":"r","_vectors":1,"_geo":"nowhere"}`, `{"rev":"r","_source":{},"_index":"x","_routing":1}`,
	}
	var products []reindex.Product
	want := map[string]string{}
	for i, body := range bodies {
		id := fmt.Sprintf("body-%d", i)
		products = append(products, reindex.Product{ID: id, Body: []byte(body)})
		want[id] = "r"
	}
	assertAllButRejected(t, f, products, want)
}

// assertAllButRejected reindexes products and checks that searches find exactly those that were not rejected.
func assertAllButRejected(t *testing.T, f Fixture, products []reindex.Product, want map[string]string) {
	t.Helper()
	engine, err := reindex.New(Slice(products), f.Indexer, &reindex.Config{MaxRejected: -1})
	if err != nil {
		t.Fatal(err)
	}
	report, err := engine.Run(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Rejections {
		t.Logf("rejected %.40q: %s", r.ID, r.Reason)
		if _, ok := want[r.ID]; !ok || r.Reason == "" {
			t.Errorf("rejected %q with reason %q: it was not written, or has no reason", r.ID, r.Reason)
		}
		delete(want, r.ID)
	}
	if len(want) < len(products)/2 {
		t.Errorf("%d of %d products were indexed, want at least half", len(want), len(products))
	}
	assertFound(t, f.all(t, tenant), want)
}
