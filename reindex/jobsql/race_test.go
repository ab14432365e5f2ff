package jobsql_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/jobsql"
)

func openFile(tb testing.TB, path string) (*sql.DB, *jobsql.Store) {
	tb.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	s, err := jobsql.New(tb.Context(), db, &jobsql.Config{Dialect: jobsql.SQLite, Kept: 10_000})
	if err != nil {
		tb.Fatal(err)
	}
	return db, s
}

func newJob(id string) reindex.Job {
	at := time.Unix(1_800_000_000, 1).UTC()
	return reindex.Job{ID: id, Tenant: "a", EntityType: reindex.EntityProduct, Status: reindex.StatusPending, Created: at, Modified: at}
}

// Two stores over one database that create at once get one job.
func TestTwoStoresCreateOneJob(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	_, a := openFile(t, path)
	_, b := openFile(t, path)
	type result struct {
		created bool
		err     error
	}
	results := make(chan result)
	for i := range 50 {
		go func() {
			s := []*jobsql.Store{a, b}[i%2]
			_, created, err := s.Create(t.Context(), newJob(fmt.Sprint(i)))
			results <- result{created, err}
		}()
	}
	created := 0
	for range 50 {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
		}
		if r.created {
			created++
		}
	}
	if created != 1 {
		t.Errorf("%d jobs were created, want 1", created)
	}
}

func TestNewerSchema(t *testing.T) {
	db, _ := openFile(t, filepath.Join(t.TempDir(), "jobs.db"))
	if _, err := db.ExecContext(t.Context(), "INSERT INTO reindex_schema (version) VALUES (99)"); err != nil {
		t.Fatal(err)
	}
	if _, err := jobsql.New(t.Context(), db, &jobsql.Config{Dialect: jobsql.SQLite}); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("error %v, want one that names the version", err)
	}
}

func BenchmarkList(b *testing.B) {
	db, s := openFile(b, filepath.Join(b.TempDir(), "jobs.db"))
	if _, err := db.ExecContext(b.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
		INSERT INTO reindex_jobs SELECT 'a', 'j' || i, 'PRODUCT', 'SUCCESS', i, FALSE, i % 100, '', i, i, i, TRUE, FALSE, 0, '{}' FROM n`); err != nil {
		b.Fatal(err)
	}
	query := reindex.JobQuery{
		Match:   func(j reindex.Job) bool { return j.Processed%2 == 0 },
		Compare: func(x, y reindex.Job) int { return cmp.Compare(x.Processed, y.Processed) },
		Limit:   20,
	}
	for b.Loop() {
		if jobs, total, err := s.List(b.Context(), "a", query); err != nil || len(jobs) != 20 || total != 5000 {
			b.Fatal(len(jobs), total, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/list")
}
