package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// If a golden query fails, the old index stays live, and the job's message has the query and its result.
func TestGoldenQueries(t *testing.T) {
	catalogues, queries := t.TempDir(), t.TempDir()
	write := func(folder, name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(catalogues, "acme.jsonl", `{"id":"p1","name":"red sock"}`+"\n")
	write(queries, "acme.golden.json", `{"queries":[{"query":"sock","atLeast":2}]}`)
	s := start(t, "PRODUCTINDEX_CATALOGUES="+catalogues, "PRODUCTINDEX_INDEX="+t.TempDir(), "PRODUCTINDEX_GOLDEN="+queries)
	if status, body := s.do(t, http.MethodPost, "/indexing/acme/reindex", ""); status != http.StatusNoContent {
		t.Fatalf("the reindex was answered with %d %s, want 204", status, body)
	}
	s.await(t, "reindex failed", &struct{}{})
	_, jobs := s.do(t, http.MethodGet, "/indexing/acme/reindex-jobs", "")
	if !strings.Contains(jobs, `query \"sock\" finds 1 product, want at least 2`) {
		t.Errorf("got the jobs %s, want one with the query and its result", jobs)
	}
	if status, _ := s.do(t, http.MethodGet, "/search/acme", ""); status != http.StatusNotFound {
		t.Errorf("a search answers %d, want 404", status)
	}
	s.stop(t)
}
