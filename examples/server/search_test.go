package main

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/source/jsonl"
)

// A search with filters returns products, highlights, facets and an explanation.
func TestSearchAnswersWithProducts(t *testing.T) {
	cfg := config{Index: t.TempDir()}
	index, err := openBleve(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := index.close(); err != nil {
			t.Error(err)
		}
	}()
	catalogues := t.TempDir()
	lines := strings.Join([]string{
		`{"id":"1","name":"Red wool socks","brand":"Acme","color":"Red","price":"9.50"}`,
		`{"id":"2","name":"Blue wool socks","brand":"ACME","color":"Blue","price":12}`,
		`{"id":"3","name":"Wool blanket","brand":"Zeta","color":"red","price":60}`,
	}, "\n")
	if err := os.WriteFile(filepath.Join(catalogues, "acme.jsonl"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	reindexAll(t, index, catalogues, "acme")
	for _, test := range []struct {
		query string
		want  string // ids
	}{
		{"q=sock&sort=price", "1 2"}, {"q=wool&filter=color:RED&sort=-price", "3 1"},
		{"q=wool&filter=price:9..12&filter=brand:acme&sort=price", "1 2"},
		{"q=wol+sokcs&sort=price", "1 2"}, {"q=blank&prefix=true", "3"}, {"q=wool&sort=price&from=1", "2 3"},
		{"filter=color:red&filter=color:blue&sort=price", "1 2 3"},
		{"q=wool&filter=price:..9.5", "1"}, {"q=wool&lang=xx&filter=price:50..", "3"},
	} {
		query, err := url.ParseQuery(test.query)
		if err != nil {
			t.Fatal(err)
		}
		asked, err := read(query)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := index.search(t.Context(), "acme", asked)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, found := range answer.Hits {
			ids = append(ids, found.ID)
		}
		if got := strings.Join(ids, " "); got != test.want {
			t.Errorf("%s finds %s, want %s", test.query, got, test.want)
		}
	}
	answer, err := index.search(t.Context(), "acme", question{Text: "red sokcs", Facets: []string{"brand"}})
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"product":{"id":"1","name":"Red wool socks"`, `"facets":{"brand":[{"value":"ACME","count":2}`,
		`\u003cmark\u003eRed\u003c/mark\u003e`,
		`"corrected":["socks"]`,
	} {
		if !strings.Contains(string(encoded), part) {
			t.Errorf("the response has no %s: %s", part, encoded)
		}
	}
}

func TestInvalidQuestions(t *testing.T) {
	for _, query := range []string{
		"prefix=maybe", "from=-1", "from=x", "from=100000", "filter=red", "filter=:x", "facet=",
		"facet=" + strings.Repeat("a&facet=", 11) + "a",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read(values); err == nil {
			t.Errorf("read accepts %s, want an error", query)
		}
	}
}

// reindexAll reindexes a tenant's catalogue.
func reindexAll(t *testing.T, index backend, catalogues, tenant string) {
	t.Helper()
	source, err := jsonl.New(catalogues, nil)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := reindex.New(source, index.indexer, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	if err := engine.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}
