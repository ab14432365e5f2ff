package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"productindex/reindex/reindextest"
	"productindex/reindex/reindextest/pgtest"
)

// patience is the longest time that a test waits for a condition.
const patience = 3 * time.Minute

// job is a job in a response of the server.
type job struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Message  string `json:"message"`
	Metadata struct {
		ModifiedAt time.Time `json:"modifiedAt"`
	} `json:"metadata"`
}

func (j job) ended() bool { return j.Status == "SUCCESS" || j.Status == "FAILURE" }

func decode[T any](t *testing.T, status int, body string) (decoded T) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &decoded); err != nil || status >= http.StatusBadRequest {
		t.Fatalf("the server answered %d %s, want a job or jobs", status, body)
	}
	return decoded
}

// trigger triggers a reindex and returns its job. It reports whether the job is new.
func (s *server) trigger(t *testing.T, tenant string) (started job, isNew bool) {
	t.Helper()
	status, body := s.send(t, http.MethodPost, "/indexing/"+tenant+"/reindex-jobs", "", `{"entityType":"PRODUCT"}`)
	return decode[job](t, status, body), status == http.StatusCreated
}

func (s *server) job(t *testing.T, tenant, id string) job {
	t.Helper()
	status, body := s.do(t, http.MethodGet, "/indexing/"+tenant+"/reindex-jobs/"+id, "")
	return decode[job](t, status, body)
}

func (s *server) jobs(t *testing.T, tenant string) []job {
	t.Helper()
	status, body := s.do(t, http.MethodGet, "/indexing/"+tenant+"/reindex-jobs", "")
	return decode[[]job](t, status, body)
}

// awaitEnd waits until a job has ended.
func (s *server) awaitEnd(t *testing.T, tenant, id string) job {
	t.Helper()
	ticker, over := time.NewTicker(20*time.Millisecond), time.After(patience)
	defer ticker.Stop()
	for {
		if j := s.job(t, tenant, id); j.ended() {
			return j
		}
		select {
		case <-ticker.C:
		case <-over:
			t.Fatalf("after %v the job is %+v, want one that has ended", patience, s.job(t, tenant, id))
		}
	}
}

// startPostgres runs a PostgreSQL until the end of the test, and returns its URL.
func startPostgres(t *testing.T) string {
	t.Helper()
	dsn := pgtest.Start(t)
	host, _, _ := strings.Cut(strings.TrimPrefix(dsn, "host="), " ")
	return "postgres://postgres@/postgres?host=" + url.QueryEscape(host)
}

// Jobs in a database survive a restart of the server.
func TestJobsAreKept(t *testing.T) {
	for _, test := range []struct {
		name string
		jobs func(t *testing.T) string
	}{
		{"SQLite", func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "50% of jobs?.db") }},
		{"PostgreSQL", startPostgres},
	} {
		t.Run(test.name, func(t *testing.T) {
			catalogues := t.TempDir()
			writeCatalogue(t, catalogues, "acme", reindextest.Products(10, "x"))
			env := []string{
				"PRODUCTINDEX_CATALOGUES=" + catalogues, "PRODUCTINDEX_INDEX=" + t.TempDir(), "PRODUCTINDEX_JOBS=" + test.jobs(t),
			}
			s := start(t, env...)
			first, _ := s.trigger(t, "acme")
			if end := s.awaitEnd(t, "acme", first.ID); end.Status != "SUCCESS" {
				t.Errorf("the job is %+v, want SUCCESS", end)
			}
			s.stop(t)
			s = start(t, env...)
			if jobs := s.jobs(t, "acme"); len(jobs) != 1 || jobs[0].ID != first.ID || jobs[0].Status != "SUCCESS" {
				t.Errorf("after a restart, the jobs are %+v, want %s", jobs, first.ID)
			}
			s.stop(t)
		})
	}
}
