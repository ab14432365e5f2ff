package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"productindex/reindex/reindextest"
)

// The message of a job over a broken file has the file, the place and the reason, but no path of the machine.
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
		"nobody": `no file for the tenant "nobody"`,
		"bad":    `rule "rejected"`,
	} {
		message, failures := s.fail(t, tenant)
		if !strings.Contains(message, want) || strings.Contains(message+failures, catalogues) {
			t.Errorf("%s: got the message %q, want one with %q and without the folder", tenant, message, want)
		}
		if tenant == "bad" && !strings.Contains(failures, "bad.jsonl, line 2") {
			t.Errorf("%s: got the failures %s, want the line of the bad product", tenant, failures)
		}
	}
}

// If a search server refuses a request, the message of the job has the reason, but not the names of the server, its
// indexes and its accounts.
func TestFailingIndexes(t *testing.T) {
	answers := map[string]string{
		`{"error":{"type":"security_exception",` +
			`"reason":"action [indices:admin/get] is unauthorized for user [hunter2] with effective roles [hidden] ` +
			`on indices [hidden-acme], this action is granted by the index privileges ` +
			`[view_index_metadata,manage,all]"}}`: "opening a new index failed: " +
			"the server's account lacks a privilege for indices:admin/get, granted by the index privileges " +
			"[view_index_metadata,manage,all]",
		`{"error":{"type":"illegal_argument_exception",` +
			`"reason":"index [hidden-acme] is too old for node [hidden]{hidden}{hunter2.internal:9300}"}}`: "opening " +
			"a new index failed: illegal_argument_exception: index […] is too old for node […]{…}",
	}
	catalogues := t.TempDir()
	if err := os.WriteFile(filepath.Join(catalogues, "acme.jsonl"), []byte(`{"id":"1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for answer, want := range answers {
		refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Elastic-Product", "Elasticsearch")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, answer)
		}))
		defer refusing.Close()
		s := start(t, "PRODUCTINDEX_CATALOGUES="+catalogues, "PRODUCTINDEX_BACKEND=elasticsearch",
			"ELASTICSEARCH_URL="+refusing.URL, "ELASTICSEARCH_PREFIX=hidden")
		message, failures := s.fail(t, "acme")
		if message != want {
			t.Errorf("the message is %q, want %q", message, want)
		}
		for _, secret := range []string{"hidden", "hunter2", "127.0.0.1"} {
			if strings.Contains(message+failures, secret) {
				t.Errorf("callers see %s in %q or %s, want it in neither", secret, message, failures)
			}
		}
		s.stop(t)
	}
}

// fail runs a job that must fail, and returns its message and its failures.
func (s *server) fail(t *testing.T, tenant string) (message, failures string) {
	t.Helper()
	status, body := s.send(t, http.MethodPost, "/indexing/"+tenant+"/reindex-jobs", "", `{"entityType":"PRODUCT"}`)
	var job struct {
		ID      string `json:"id"`
		Status  string `json:"status"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal([]byte(body), &job); err != nil || status != http.StatusCreated {
		t.Fatalf("%s: creating the job: got %d %s, want 201 and a job", tenant, status, body)
	}
	path := "/indexing/" + tenant + "/reindex-jobs/" + job.ID
	if status, events := s.do(t, http.MethodGet, path+"/events", ""); status != http.StatusOK { // the events end with the job
		t.Errorf("%s: got %d %s, want the events of the job", tenant, status, events)
	}
	_, body = s.do(t, http.MethodGet, path, "")
	if err := json.Unmarshal([]byte(body), &job); err != nil || job.Status != "FAILURE" {
		t.Errorf("%s: the job is %s, want FAILURE", tenant, body)
	}
	_, failures = s.do(t, http.MethodGet, path+"/failures", "")
	return job.Message, failures
}
