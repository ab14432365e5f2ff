package jobsql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
)

// errFault is the error of a faulty driver.
var errFault = errors.New("the network is down")

// faults makes one statement fail, before or after the database has executed it, and makes rollbacks fail.
type faults struct {
	connector driver.Driver
	dsn       string
	armed     bool
	count, at int  // the number of statements so far, without rollbacks, and the number of the one that fails
	after     bool // the statement fails after it was executed
	rollback  bool // rollbacks fail and are not executed
}

func (f *faults) Connect(context.Context) (driver.Conn, error) {
	c, err := f.connector.Open(f.dsn)
	if err != nil {
		return nil, err
	}
	return &faultyConn{c, f}, nil
}

func (f *faults) Driver() driver.Driver { return f.connector }

// next returns the fault of the next statement, or nil, and reports whether the statement is executed before it fails.
func (f *faults) next(statement string) (after bool, fault error) {
	switch {
	case !f.armed:
		return false, nil
	case strings.HasPrefix(statement, "ROLLBACK"):
		if f.rollback {
			return false, errFault
		}
		return false, nil
	}
	f.count++
	if f.count-1 == f.at {
		return f.after, errFault
	}
	return false, nil
}

// faultyConn is a connection that does only what database/sql requires: it does not check whether it is in a
// transaction before it is used again.
type faultyConn struct {
	driver.Conn

	faults *faults
}

func (c *faultyConn) ExecContext(
	ctx context.Context, statement string, args []driver.NamedValue,
) (driver.Result, error) {
	after, fault := c.faults.next(statement)
	if fault != nil && !after {
		return nil, fault
	}
	result, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, statement, args)
	return result, errors.Join(fault, err)
}

func (c *faultyConn) QueryContext(
	ctx context.Context, statement string, args []driver.NamedValue,
) (driver.Rows, error) {
	after, fault := c.faults.next(statement)
	if fault != nil && !after {
		return nil, fault
	}
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, statement, args)
	if err != nil || fault == nil {
		return rows, err
	}
	defer rows.Close()
	for row := make([]driver.Value, len(rows.Columns())); err == nil; {
		err = rows.Next(row)
	}
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return nil, fault
}

// If any statement fails, before or after the database has executed it, and even if the rollback also fails, the call
// stores all or nothing, its connection is usable or closed, and the second attempt succeeds.
func TestFailingStatements(t *testing.T) {
	for _, f := range []faults{{}, {after: true}, {rollback: true}, {after: true, rollback: true}} {
		for failed := true; failed; f.at++ {
			f.armed, f.count = false, 0
			failed = testFailingStatement(t, &f)
		}
		if f.at < 20 {
			t.Errorf("only %d statements were executed, want at least 20", f.at)
		}
	}
}

// testFailingStatement creates and ends a job, and reports whether a statement failed.
func testFailingStatement(t *testing.T, f *faults) (failed bool) {
	t.Helper()
	d := newSQLite(t)
	f.connector, f.dsn = d.open(t).Driver(), d.dsn
	db := sql.OpenDB(f)
	defer db.Close()
	db.SetMaxOpenConns(1)
	s, err := New(t.Context(), db, &Config{Dialect: SQLite, Lease: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	f.armed = true
	job := newJob("a", "1")
	listed := job
	listed.Report.Rejections = []reindex.Rejection{{ID: "x", Reason: "y"}}
	ended := listed
	ended.Status = reindex.StatusSuccess
	for i, call := range []func() error{
		func() error { return tryCreate(t, s, job) },
		func() error { return store(t.Context(), s, job) },
		func() error { return store(t.Context(), s, listed) },
		func() error { return s.Cancel(t.Context(), "a", "1") },
		func() error { return store(t.Context(), s, ended) },
		func() error { return tryCreate(t, s, newJob("a", "2")) },
	} {
		if err := call(); err != nil {
			if failed || !errors.Is(err, errFault) {
				t.Fatalf("%+v: call %d fails with %v", *f, i, err)
			}
			failed = true
			if err := call(); err != nil {
				t.Errorf("%+v: call %d fails a second time with %v", *f, i, err)
			}
		}
	}
	f.armed = false
	got := mustGet(t, s, "a", "1")
	if ended.Fence = got.Fence; !reflect.DeepEqual(got, ended) {
		t.Errorf("%+v: the job is\n%+v, want\n%+v", *f, got, ended)
	}
	if jobs, lists := count(t, s, "reindex_jobs"), count(t, s, "reindex_job_lists"); jobs != 2 || lists != 1 {
		t.Errorf("%+v: %d jobs and %d lists are stored, want 2 and 1", *f, jobs, lists)
	}
	return failed
}

func tryCreate(t *testing.T, s *Store, job reindex.Job) error {
	t.Helper()
	stored, created, err := s.Create(t.Context(), job)
	if err == nil && (!created || stored.ID != job.ID) {
		t.Errorf("created %v, and the job is %+v, want the new job %s", created, stored, job.ID)
	}
	return err
}
