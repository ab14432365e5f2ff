package jobsql_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"productindex/reindex"
	"productindex/reindex/jobsql"
	"productindex/reindex/reindextest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openSQLite(t *testing.T, lease time.Duration) reindex.JobStore {
	t.Helper()
	dsn := "file:" + filepath.Join(t.TempDir(), "jobs.db") + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s, err := jobsql.New(t.Context(), db, &jobsql.Config{Dialect: jobsql.SQLite, Lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSQLite(t *testing.T) {
	reindextest.TestJobStore(t, func(t *testing.T) reindex.JobStore { return openSQLite(t, time.Minute) })
	reindextest.TestJobLeases(t, openSQLite)
}
