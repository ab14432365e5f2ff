package jobsql

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// isCommit reports whether a request is a COMMIT.
func isCommit(request []byte) bool { return bytes.Contains(request, []byte("COMMIT\x00")) }

// isStatement reports whether a request executes a prepared statement. Such a request begins with the message Bind.
func isStatement(request []byte) bool { return bytes.HasPrefix(request, []byte("B")) }

// A call whose answer is lost after the database has executed it can be repeated. There is still only one job, with one
// fencing token and one end.
func testLostAnswers(t *testing.T, d database) {
	s, w := openWired(t, d, time.Hour)
	want := newJob("a", "1")
	end(t, s, mustCreate(t, s, newJob("a", "0"))) // these calls prepare all statements
	job := mustCreate(t, s, newJob("a", "00"))
	mustStore(t, s, job)
	if err := s.Cancel(t.Context(), "a", "00"); err != nil {
		t.Fatal(err)
	}
	end(t, s, job)

	finished := want
	finished.Status, finished.Message = reindex.StatusFailure, "why"
	finished.Report.Rejections = []reindex.Rejection{{ID: "x", Reason: "y"}}
	var fence int64
	for _, call := range []struct {
		name      string
		lose      func([]byte) bool
		make      func() error
		temporary bool
	}{
		{"Create", isCommit, func() error {
			stored, created, err := s.Create(t.Context(), want)
			if err == nil && (!created || stored.ID != want.ID) {
				t.Errorf("the second try: created %v, and the job is %+v, want the new job", created, stored)
			}
			fence = stored.Fence
			return err
		}, true},
		{"Renew", isStatement, func() error {
			_, err := s.Renew(t.Context(), want)
			return err
		}, true},
		{"Cancel", isStatement, func() error { return s.Cancel(t.Context(), "a", "1") }, false},
		{"Finish", isCommit, func() error { return s.Finish(t.Context(), finished) }, true},
	} {
		w.lose(call.lose)
		// The store itself may repeat the call, because pgx reports a COMMIT whose answer was lost as not sent.
		err := call.make()
		if w.armed() {
			t.Errorf("%s: no answer was lost", call.name)
		}
		_, temporary := errors.AsType[*reindex.TemporaryError](err)
		if err != nil && (temporary != call.temporary || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%s whose answer was lost: got %v, temporary %v, want temporary %v and no password",
				call.name, err, temporary, call.temporary)
		}
		if err := call.make(); err != nil {
			t.Errorf("%s, the second time: %v", call.name, err)
		}
	}
	finished.Fence = fence
	if got := mustGet(t, s, "a", "1"); !reflect.DeepEqual(got, finished) {
		t.Errorf("the job is\n%+v, want\n%+v", got, finished)
	}
	if n := count(t, s, "reindex_jobs"); n != 3 {
		t.Errorf("%d jobs are stored, want 3", n)
	}
	other := finished
	other.Status, other.Message = reindex.StatusSuccess, ""
	if err := s.Finish(t.Context(), other); !errors.Is(err, reindex.ErrLeaseLost) {
		t.Errorf("storing another end: got %v, want ErrLeaseLost", err)
	}
}

// If any answer of a run is lost, there is still only one job, which succeeds, and the next run is not delayed.
func testLostAnswersOfRun(t *testing.T, d database) {
	s, w := openWired(t, d, time.Hour)
	index := reindextest.NewMemory()
	for n := 1; ; n++ {
		requests := 0
		w.lose(func([]byte) bool {
			requests++
			return requests == n
		})
		e := newEngine(t, reindextest.Slice(reindextest.Products(10, "new")), index, s)
		report, err := e.Run(t.Context(), "acme")
		if err != nil || report.Indexed != 10 {
			t.Fatalf("answer %d was lost: the report is %+v, error %v, want 10 products", n, report, err)
		}
		done := w.armed() // the run has fewer answers than n
		w.lose(nil)
		jobs, total, err := s.List(t.Context(), "acme", reindex.JobQuery{Limit: 1})
		if err != nil || total != n || jobs[0].Status != reindex.StatusSuccess || jobs[0].Report.Indexed != 10 {
			t.Fatalf("answer %d was lost: got %d jobs, the last %+v, error %v, want %d jobs and SUCCESS", n, total, jobs, err, n)
		}
		if done {
			if n < 15 {
				t.Errorf("a run made only %d requests, want at least 14", n-1)
			}
			return
		}
	}
}

// A transaction whose context ends during its COMMIT is stored.
func testCancelledCommit(t *testing.T, d database) {
	s, w := openWired(t, d, time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	w.lose(func(request []byte) bool {
		if isCommit(request) {
			cancel()
		}
		return false
	})
	stored, created, err := s.Create(ctx, newJob("a", "1"))
	if err != nil || !created {
		t.Fatalf("created %v, error %v; want true", created, err)
	}
	if got := mustGet(t, s, "a", "1"); got.Fence != stored.Fence {
		t.Errorf("the stored job is %+v, want fence %d", got, stored.Fence)
	}
	if _, _, err := s.Create(ctx, newJob("b", "2")); !errors.Is(err, context.Canceled) {
		t.Errorf("a call whose context has ended: got %v, want context.Canceled", err)
	}
}
