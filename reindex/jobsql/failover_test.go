package jobsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/reindextest/pgtest"
)

// servers are the connection string of the primary of two.
func servers(a, b *pgtest.Server) database {
	return database{
		PostgreSQL,
		"host=" + a.Host() + "," + b.Host() + " user=postgres dbname=postgres target_session_attrs=read-write",
	}
}

// direct is the connection string of one server, whatever it is.
func direct(s *pgtest.Server) database { return database{PostgreSQL, s.DSN()} }

// query returns what a server answers, or the empty string.
func query(t *testing.T, db *sql.DB, statement string) (answer string) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), statement).Scan(&answer); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return ""
	}
	return answer
}

// await waits until a server answers as it has to.
func await(t *testing.T, db *sql.DB, statement, want string) {
	t.Helper()
	each(t, patience, func() bool { return query(t, db, statement) != want })
	if got := query(t, db, statement); got != want {
		t.Fatalf("after %v %q is answered with %q, want %q", patience, statement, got, want)
	}
}

// configure changes a server's setting.
func configure(t *testing.T, db *sql.DB, setting string) {
	t.Helper()
	for _, statement := range []string{"ALTER SYSTEM SET " + setting, "SELECT pg_reload_conf()"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// fillPool puts idle connections into a store's pool.
func fillPool(t *testing.T, s *Store, n int) {
	t.Helper()
	s.db.SetMaxIdleConns(n)
	var conns []*sql.Conn
	for range n {
		c, err := s.db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	for _, c := range conns {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A standby takes over from a primary that lives on, read-only, with all connections to it, and that has not sent its
// last transactions: a run ends as if nothing had been, jobs that were lost are known to be, and fencing tokens are not
// given twice.
func TestFailover(t *testing.T) {
	primary := pgtest.Run(t)
	standby := primary.Standby(t)
	old, next := direct(primary).open(t), direct(standby).open(t)
	s := servers(primary, standby).store(t, Config{Lease: time.Hour})
	src, index := newGated(100), reindextest.NewMemory()
	run, _, err := newEngine(t, src, index, s).Start(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	job := mustCreate(t, s, newJob("a", "kept"))
	mustCreate(t, direct(primary).store(t, Config{Lease: MinLease}), newJob("c", "short"))
	await(t, next, "SELECT COUNT(*)::text FROM reindex_jobs", "3")

	configure(t, next, "primary_conninfo = ''")
	await(t, next, "SELECT COUNT(*)::text FROM pg_stat_wal_receiver", "0")
	lost := mustCreate(t, s, newJob("b", "lost"))
	fillPool(t, s, 8)
	standby.Promote(t)
	configure(t, old, "default_transaction_read_only = on")
	await(t, old, "SHOW default_transaction_read_only", "on")

	job.Report.Read = 7
	if _, err := s.Renew(t.Context(), job); err != nil {
		t.Errorf("the first renewal after the failover: %v", err)
	}
	assertWritable(t, s, 8)
	if got := mustGet(t, direct(standby).store(t, Config{}), "a", "kept"); got.Report.Read != 7 {
		t.Errorf("the new primary has %+v", got)
	}
	if _, err := s.Renew(t.Context(), lost); !errors.Is(err, reindex.ErrJobNotFound) {
		t.Errorf("renewal of a job that was lost: %v, want ErrJobNotFound", err)
	}
	if again := mustCreate(t, s, newJob("b", "next")); again.Fence <= lost.Fence {
		t.Errorf("fence %d after %d", again.Fence, lost.Fence)
	}
	close(src.gate)
	awaitSuccess(t, s, "shop", run.ID)
	// A store that knows the old one alone returns advice.
	single := direct(primary).open(t)
	alone, err := New(t.Context(), single, &Config{Dialect: PostgreSQL})
	if err != nil {
		t.Fatal(err) // the tables are up to date
	}
	if got := mustGet(t, alone, "c", "short"); got.Status.Ended() {
		t.Errorf("a read-only server, which learns of no renewals, says that a job is dead: %+v", got)
	}
	awaitFailure(t, s, "c", "short")
	for call, err := range calls(t.Context(), alone) {
		if reads := call == "get" || call == "list" ||
			call == "select"; !reads &&
			(err == nil || !strings.Contains(err.Error(), "target_session_attrs=read-write")) {
			t.Errorf("%s on a read-only server: %v", call, err)
		}
	}
}

// assertWritable makes sure that no connection in the pool is of a server that is read-only.
func assertWritable(t *testing.T, s *Store, n int) {
	t.Helper()
	for range n {
		c, err := s.db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var readOnly string
		if err := c.QueryRowContext(t.Context(), "SHOW transaction_read_only").
			Scan(&readOnly); err != nil ||
			readOnly != "off" {
			t.Errorf("a connection in the pool is read-only: %s, error %v", readOnly, err)
		}
	}
}

// awaitSuccess waits until a job has ended, well.
func awaitSuccess(t *testing.T, s *Store, tenant, id string) {
	t.Helper()
	var job reindex.Job
	each(t, patience, func() bool {
		job = mustGet(t, s, tenant, id)
		return !job.Status.Ended()
	})
	if job.Status != reindex.StatusSuccess {
		t.Errorf("the job is %+v", job)
	}
}

// A primary crashes while a run goes on: the connections to it are replaced, and the run ends as if nothing had been.
func TestCrash(t *testing.T) {
	primary := pgtest.Run(t)
	standby := primary.Standby(t)
	next := direct(standby).open(t)
	s := servers(primary, standby).store(t, Config{Lease: time.Hour})
	src, index := newGated(100), reindextest.NewMemory()
	run, _, err := newEngine(t, src, index, s).Start(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	await(t, next, "SELECT status FROM reindex_jobs", string(reindex.StatusInProgress))
	fillPool(t, s, 8)
	primary.Crash(t)
	if err := s.Cancel(t.Context(), "acme", "another"); err == nil || errors.Is(err, reindex.ErrJobNotFound) {
		t.Errorf("a call while there is no primary: %v", err)
	}
	standby.Promote(t)
	close(src.gate)
	awaitSuccess(t, s, "shop", run.ID)
	mustCreate(t, s, newJob("shop", "next"))
}

// pgx's default way to call is of no use behind a pooler that shares connections by transaction, and the error names
// the mode that is.
func TestBouncerDefaultMode(t *testing.T) {
	server := pgtest.Run(t)
	d := database{PostgreSQL, server.Bouncer(t, 1) + " dbname=postgres"}
	var err error
	for range 2 { // the second one finds the prepared statements of the first one
		if err == nil {
			_, err = New(context.Background(), d.open(t), &Config{Dialect: PostgreSQL})
		}
	}
	if err == nil || !strings.Contains(err.Error(), "default_query_exec_mode=exec") {
		t.Errorf("error %v, want one that says what to set", err)
	}
}

// Behind a pooler that shares connections by transaction everything holds that holds without one. It is the whole suite
// once more, with the same statements: for CI.
func TestBouncer(t *testing.T) {
	t.Parallel()
	if os.Getenv("CI") != "true" {
		t.Skip("the suite behind a pooler is for CI")
	}
	server := pgtest.Run(t)
	bouncer, admin := server.Bouncer(t, 2), direct(server).open(t)
	var databases atomic.Int64
	testDatabase(t, func(tb testing.TB) database {
		tb.Helper()
		name := fmt.Sprint("b", databases.Add(1))
		if _, err := admin.ExecContext(context.Background(), "CREATE DATABASE "+name); err != nil {
			tb.Fatal(err)
		}
		return database{PostgreSQL, bouncer + " default_query_exec_mode=exec dbname=" + name}
	})
}
