package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"productindex/reindex/reindextest"
)

// A tenant whose file is broken reads in the job which one, where and why, and nothing of the machine.
func TestBrokenCatalogues(t *testing.T) {
	catalogues := t.TempDir()
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(catalogues, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var lines, compressed bytes.Buffer
	for _, p := range reindextest.Products(1000, "1") {
		lines.Write(append(p.Body, '\n'))
	}
	z := gzip.NewWriter(&compressed)
	_, _ = z.Write(lines.Bytes())
	_ = z.Close()
	write("cut.jsonl.gz", compressed.Bytes()[:compressed.Len()/2])
	write("torn.jsonl", []byte("{\"id\":\"p1\"}\n{\"id\":\"p2\",\"na"))
	write("bad.jsonl", []byte("{\"id\":\"p1\"}\n{\"name\":\"without an id\"}\n"))

	s := start(t, "PRODUCTINDEX_CATALOGUES="+catalogues, "PRODUCTINDEX_INDEX="+t.TempDir())
	defer s.stop(t)
	for tenant, want := range map[string]string{
		"cut":    "opening the source failed: cut.jsonl.gz, line ",
		"torn":   "torn.jsonl, line 2: the last line ends in the middle of an object",
		"nobody": "no file for the tenant",
		"bad":    `rule "rejected"`,
	} {
		status, body := s.send(t, http.MethodPost, "/indexing/"+tenant+"/reindex-jobs", "", `{"entityType":"PRODUCT"}`)
		var job struct {
			ID      string `json:"id"`
			Status  string `json:"status"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal([]byte(body), &job); err != nil || status != http.StatusCreated {
			t.Fatalf("%s: %d %s", tenant, status, body)
		}
		path := "/indexing/" + tenant + "/reindex-jobs/" + job.ID
		if status, events := s.do(t, http.MethodGet, path+"/events", ""); status != http.StatusOK { // until its end
			t.Errorf("%s: %d %s", tenant, status, events)
		}
		_, body = s.do(t, http.MethodGet, path, "")
		if err := json.Unmarshal([]byte(body), &job); err != nil || job.Status != "FAILURE" || !strings.Contains(job.Message, want) ||
			strings.Contains(body, catalogues) {
			t.Errorf("%s: %s, want %q in it", tenant, body, want)
		}
		if _, failures := s.do(t, http.MethodGet, path+"/failures", ""); tenant == "bad" && !strings.Contains(failures, "bad.jsonl, line 2") ||
			strings.Contains(failures, catalogues) {
			t.Errorf("%s: failures %s", tenant, failures)
		}
	}
}
