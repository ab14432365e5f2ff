package jobsql_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"productindex/reindex"
	"productindex/reindex/jobsql"
	"productindex/reindex/reindextest"
	"productindex/reindex/reindextest/pgtest"
)

func TestPostgreSQL(t *testing.T) {
	server := pgtest.Start(t)
	n := 0
	open := func(t *testing.T, lease time.Duration) reindex.JobStore {
		t.Helper()
		n++
		db, err := sql.Open("pgx", fmt.Sprintf("%s search_path=s%d", server, n))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		if _, err := db.ExecContext(t.Context(), fmt.Sprintf("CREATE SCHEMA s%d", n)); err != nil {
			t.Fatal(err)
		}
		s, err := jobsql.New(t.Context(), db, &jobsql.Config{Dialect: jobsql.PostgreSQL, Lease: lease})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	reindextest.TestJobStore(t, func(t *testing.T) reindex.JobStore { return open(t, time.Minute) })
	reindextest.TestJobLeases(t, open)
}
