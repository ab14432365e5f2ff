package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// held returns an index whose Seal waits until release is called, even if its context ends. sealing is closed once a
// run calls Seal.
func held(ix reindex.Indexer) (faulty *reindextest.Faulty, sealing <-chan struct{}, release func()) {
	reached, hold := make(chan struct{}), make(chan struct{})
	reach := sync.OnceFunc(func() { close(reached) })
	return reindextest.NewFaulty(ix, func(c reindextest.Call) reindextest.Fault {
		if c.Op == reindextest.OpSeal {
			reach()
			<-hold
		}
		return reindextest.Fault{}
	}), reached, func() { close(hold) }
}

// create posts a job and returns its id.
func (s *service) create(body string) string {
	s.t.Helper()
	got := s.send("POST", jobsPath, body)
	if got.status != http.StatusCreated {
		s.t.Fatalf("got %d %s, want 201", got.status, got.body)
	}
	return got.job(s.t)["id"].(string)
}

// A job can be cancelled repeatedly until it has ended.
func TestCancelJob(t *testing.T) {
	ix, sealing, release := held(reindextest.NewMemory())
	e := newEngine(t, reindextest.Slice(reindextest.Products(100, "1")), ix)
	s := serve(t, e, Config{})
	id := s.create(creation)
	<-sealing // otherwise the job could end at once
	for range 3 {
		if got := s.send("DELETE", jobsPath+"/"+id, ""); got.status != http.StatusAccepted {
			t.Errorf("got %d %s, want %d", got.status, got.body, http.StatusAccepted)
		}
	}
	release()
	await(t, e, "acme", id)
	ended := s.send("GET", jobsPath+"/"+id, "")
	if got := ended.job(t); got["status"] != "FAILURE" || got["message"] != reindex.ErrCancelled.Error() {
		t.Errorf("the job is %v, want a failure that says it was cancelled", got)
	}
	got := s.send("DELETE", jobsPath+"/"+id, "")
	if got.status != http.StatusConflict || got.message.Message != "The job has ended" {
		t.Errorf("got %d %s, want %d %s", got.status, got.body, http.StatusConflict, "The job has ended")
	}
	for _, path := range []string{"/indexing/other/reindex-jobs/" + id, jobsPath + "/" + id + "x", jobsPath + "/%00"} {
		if got := s.send("DELETE", path, ""); got.status != http.StatusNotFound {
			t.Errorf("%s: got %d %s, want %d", path, got.status, got.body, http.StatusNotFound)
		}
	}
	s.srv.Close()
	if log := s.log.String(); strings.Count(log, `"job":"`+id+`"`) != 5 { // one creation and four cancellations
		t.Errorf("the log is %s, want the job in 5 lines", log)
	}
}

func TestCancelJobFails(t *testing.T) {
	e := &fakeEngine{
		job:  func(context.Context, string, string) (reindex.Job, error) { return reindex.Job{ID: "J1"}, nil },
		stop: func(context.Context, string, string) error { return errors.New("hunter2") },
	}
	s := serve(t, e, Config{})
	got := s.send("DELETE", jobsPath+"/J1", "")
	if got.status != http.StatusBadRequest || got.message.Message != MessageUnavailable ||
		strings.Contains(got.body, "hunter2") {
		t.Errorf("got %d %s, want %d %s", got.status, got.body, http.StatusBadRequest, MessageUnavailable)
	}
	e.job = func(context.Context, string, string) (reindex.Job, error) {
		return reindex.Job{}, errors.New("hunter2")
	}
	got = s.send("DELETE", jobsPath+"/J1", "")
	if got.status != http.StatusBadRequest || got.message.Message != MessageUnavailable ||
		strings.Contains(got.body, "hunter2") {
		t.Errorf("got %d %s, want %d %s", got.status, got.body, http.StatusBadRequest, MessageUnavailable)
	}
}

// A job is cancelled even if the caller hangs up.
func TestCancelOutlivesTheRequest(t *testing.T) {
	ctx, hangUp := context.WithCancel(t.Context())
	var stopped error
	h, err := newHandler(&fakeEngine{
		job: func(context.Context, string, string) (reindex.Job, error) {
			hangUp()
			return reindex.Job{ID: "J1"}, nil
		},
		stop: func(ctx context.Context, _, _ string) error {
			stopped = ctx.Err()
			return stopped
		},
	}, Config{Authorizer: AllowAll})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "DELETE", jobsPath+"/J1", nil))
	if w.Code != http.StatusAccepted || stopped != nil {
		t.Errorf("got status %d, and the context with %v; want 202 and no error", w.Code, stopped)
	}
}
