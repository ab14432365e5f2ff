package jobsql

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// Get and List return a job whose lease has run out as a failure. Its message is the same before and after the failure
// is stored.
func testDied(t *testing.T, d database) {
	s, living := d.store(t, Config{Lease: MinLease}), d.store(t, Config{})
	for _, test := range []struct {
		status  reindex.Status
		message string
	}{
		{reindex.StatusPending, "the process that ran the reindex did not renew the job's lease in time"},
		{reindex.StatusInProgress, "the process that ran the reindex did not renew the job's lease in time"},
		{reindex.StatusPublished, "the process that ran the reindex did not renew the job's lease in time; " +
			"it is not known whether the new index is live"},
	} {
		job := newJob("a", string(test.status))
		job.Status = test.status
		job.Report.Read = 7
		before := time.Now().UTC()
		mustCreate(t, s, job)
		derived := awaitFailure(t, s, "a", job.ID)
		if derived.Message != test.message || derived.Report.Read != 7 || derived.Modified.Before(before) ||
			derived.Modified.After(time.Now()) {
			t.Errorf("the dead job is %+v, want the message %q and a Modified at the end of its lease", derived, test.message)
		}
		jobs, _, err := s.List(t.Context(), "a", reindex.JobQuery{Limit: 1})
		if err != nil || jobs[0].Status != derived.Status || jobs[0].Message != derived.Message {
			t.Errorf("the list is %+v, error %v, want %s (%s)", jobs, err, derived.Status, derived.Message)
		}
		if err := store(t.Context(), s, job); !errors.Is(err, reindex.ErrLeaseLost) {
			t.Errorf("updating the dead job: got %v, want ErrLeaseLost", err)
		}
		if err := s.Cancel(t.Context(), "a", job.ID); !errors.Is(err, reindex.ErrJobEnded) {
			t.Errorf("cancelling the dead job: got %v, want ErrJobEnded", err)
		}
		next := mustCreate(t, living, newJob("a", "next"+string(test.status)))
		stored := mustGet(t, s, "a", job.ID)
		if stored.Status != derived.Status || stored.Message != derived.Message || !stored.Modified.Equal(derived.Modified) {
			t.Errorf("the stored job is\n%+v, want it as it was returned before,\n%+v", stored, derived)
		}
		next.Status = reindex.StatusSuccess
		mustStore(t, living, next)
	}
}

// If a failover has lost a job, its run ends at the next renewal of its lease and publishes nothing.
func testRecordLost(t *testing.T, d database) {
	s := d.store(t, Config{Lease: time.Second})
	index := reindextest.NewMemory()
	e, ended := newTracedEngine(t, newGated(1), index, s)
	job, _, err := e.Start(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.exec(t.Context(), s.db, "DELETE FROM reindex_jobs"); err != nil {
		t.Fatal(err)
	}
	assertEnd(t, ended, job, reindex.StatusFailure, "out of touch")
	if docs := index.Documents("acme"); len(docs) != 0 {
		t.Errorf("%d documents are live, want none", len(docs))
	}
	mustCreate(t, s, newJob("acme", "next"))
}

// childLease is the lease of the jobs of the process that a test kills.
const childLease = time.Second

// runForever is the process that a test kills. It starts a run that does not end, prints the id of its job, and waits.
func runForever(dsn string) {
	d := database{Dialect(os.Getenv("JOBSQL_CHILD_DIALECT")), dsn}
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	db, err := sql.Open(d.driver(), dsn)
	if err != nil {
		fail(err)
	}
	s, err := New(context.Background(), db, &Config{Dialect: d.dialect, Lease: childLease})
	if err != nil {
		fail(err)
	}
	e, err := reindex.New(newGated(1), reindextest.NewMemory(), &reindex.Config{Jobs: s})
	if err != nil {
		fail(err)
	}
	job, _, err := e.Start(context.Background(), "acme")
	if err != nil {
		fail(err)
	}
	fmt.Fprintln(os.Stdout, "job", job.ID)
	select {}
}

// A job is alive as long as its process is. If the process is killed, the job is a failure once its lease has run out.
func testKilled(t *testing.T, d database) {
	s := d.store(t, Config{Lease: childLease})
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), "JOBSQL_CHILD="+d.dsn, "JOBSQL_CHILD_DIALECT="+string(d.dialect))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	id := strings.TrimSpace(strings.TrimPrefix(line, "job "))
	if err != nil || id == "" {
		t.Fatalf("the child process printed %q, error %v, want the id of a job", line, err)
	}
	each(t, 2*childLease, func() bool {
		if job := mustGet(t, s, "acme", id); job.Status.Ended() {
			t.Fatalf("the job of a living process is %+v, want an unfinished one", job)
		}
		if joined, created, err := s.Create(t.Context(), newJob("acme", "other")); created || err != nil || joined.ID != id {
			t.Fatalf("created %v, error %v, want the running job %s", created, err, id)
		}
		return true
	})
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // always fails after a kill
	killed := time.Now()
	job := awaitFailure(t, s, "acme", id)
	// A renewal that the child sent just before the kill may have reached the database after it.
	if late := job.Modified.Sub(killed); job.Message != messageDied || late > 2*childLease {
		t.Errorf("the lease ended %v after the kill, and the job is %+v, want at most %v and %q",
			late, job, 2*childLease, messageDied)
	}
	mustCreate(t, s, newJob("acme", "next"))
}
