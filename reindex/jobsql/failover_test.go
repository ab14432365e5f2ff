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

// servers returns a connection string that names two servers and connects to the primary.
func servers(a, b *pgtest.Server) database {
	return database{
		PostgreSQL,
		"host=" + a.Host() + "," + b.Host() + " user=postgres dbname=postgres target_session_attrs=read-write",
	}
}

// direct returns the connection string of one server, whether it is the primary or not.
func direct(s *pgtest.Server) database { return database{PostgreSQL, s.DSN()} }

// query returns the answer of a server, or "" if it fails.
func query(t *testing.T, db *sql.DB, statement string) (answer string) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), statement).Scan(&answer); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return ""
	}
	return answer
}

// await waits until a server returns the expected answer.
func await(t *testing.T, db *sql.DB, statement, want string) {
	t.Helper()
	each(t, patience, func() bool { return query(t, db, statement) != want })
	if got := query(t, db, statement); got != want {
		t.Fatalf("after %v, the answer to %q is %q, want %q", patience, statement, got, want)
	}
}

// configure changes a setting of a server.
func configure(t *testing.T, db *sql.DB, setting string) {
	t.Helper()
	for _, statement := range []string{"ALTER SYSTEM SET " + setting, "SELECT pg_reload_conf()"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// fillPool fills a store's pool with n idle connections.
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

// A standby takes over from a primary that stays up as a read-only server, keeps its connections, and has not sent its
// last transactions. A run still ends normally, lost jobs are reported as not found, and no fencing token is assigned
// twice.
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
		t.Errorf("the new primary has the job %+v, want 7 read", got)
	}
	if _, err := s.Renew(t.Context(), lost); !errors.Is(err, reindex.ErrJobNotFound) {
		t.Errorf("renewing a job that was lost: got %v, want ErrJobNotFound", err)
	}
	if again := mustCreate(t, s, newJob("b", "next")); again.Fence <= lost.Fence {
		t.Errorf("the next job has fence %d, want one above %d", again.Fence, lost.Fence)
	}
	close(src.gate)
	awaitSuccess(t, s, "shop", run.ID)
	// The errors of a store that knows only the old primary say what to do.
	single := direct(primary).open(t)
	alone, err := New(t.Context(), single, &Config{Dialect: PostgreSQL})
	if err != nil {
		t.Fatal(err) // the tables are up to date
	}
	if got := mustGet(t, alone, "c", "short"); got.Status.Ended() {
		t.Errorf("a read-only server, which gets no renewals, returns a job as dead: %+v", got)
	}
	awaitFailure(t, s, "c", "short")
	for call, err := range calls(t.Context(), alone) {
		reads := call == "get" || call == "list" || call == "select"
		if !reads && (err == nil || !strings.Contains(err.Error(), "target_session_attrs=read-write")) {
			t.Errorf("%s on a read-only server: got %v, want an error that names target_session_attrs", call, err)
		}
	}
}

// assertWritable checks that no connection in the pool leads to a read-only server.
func assertWritable(t *testing.T, s *Store, n int) {
	t.Helper()
	for range n {
		c, err := s.db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var readOnly string
		err = c.QueryRowContext(t.Context(), "SHOW transaction_read_only").Scan(&readOnly)
		if err != nil || readOnly != "off" {
			t.Errorf("a connection in the pool is read-only: %s, error %v; want off", readOnly, err)
		}
	}
}

// awaitSuccess waits until a job has succeeded.
func awaitSuccess(t *testing.T, s *Store, tenant, id string) {
	t.Helper()
	var job reindex.Job
	each(t, patience, func() bool {
		job = mustGet(t, s, tenant, id)
		return !job.Status.Ended()
	})
	if job.Status != reindex.StatusSuccess {
		t.Errorf("the job is %+v, want SUCCESS", job)
	}
}

// If the primary crashes during a run, the connections to it are replaced, and the run ends normally.
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
		t.Errorf("a call while there is no primary: got %v, want another error", err)
	}
	standby.Promote(t)
	close(src.gate)
	awaitSuccess(t, s, "shop", run.ID)
	mustCreate(t, s, newJob("shop", "next"))
}

// The default mode of pgx does not work behind a pooler that gives a client a connection per transaction. The error
// names the mode that does.
func TestBouncerDefaultMode(t *testing.T) {
	server := pgtest.Run(t)
	d := database{PostgreSQL, server.Bouncer(t, 1) + " dbname=postgres"}
	var err error
	for range 2 { // the second round finds the prepared statements of the first
		if err == nil {
			_, err = New(context.Background(), d.open(t), &Config{Dialect: PostgreSQL})
		}
	}
	if err == nil || !strings.Contains(err.Error(), "default_query_exec_mode=exec") {
		t.Errorf("got %v, want an error that names the setting", err)
	}
}

// The whole suite also passes behind a pooler that gives a client a connection per transaction. It runs only in CI,
// because it executes the same statements again.
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
