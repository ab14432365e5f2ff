package jobsql

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

func assertNotFound(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, reindex.ErrJobNotFound) {
		t.Errorf("error %v, want ErrJobNotFound", err)
	}
}

// calls makes each call of a store, and returns the errors by the names of the calls.
func calls(ctx context.Context, s *Store) map[string]error {
	job := newJob("acme", "job1")
	failed := job
	failed.Status = reindex.StatusFailure
	_, _, errCreate := s.Create(ctx, job)
	_, errGet := s.Get(ctx, "acme", "job1")
	_, _, errList := s.List(ctx, "acme", reindex.JobQuery{})
	_, _, errSelect := s.List(ctx, "acme", reindex.JobQuery{Match: func(reindex.Job) bool { return true }})
	return map[string]error{
		"create": errCreate,
		"get":    errGet,
		"update": store(ctx, s, job),
		"end":    store(ctx, s, failed),
		"cancel": s.Cancel(ctx, "acme", "job1"),
		"list":   errList,
		"select": errSelect,
	}
}

// assertCallsFail checks that each call fails, that its error names the job or the tenant, and that the errors of calls
// that may be repeated are temporary.
func assertCallsFail(t *testing.T, errs map[string]error, want error, secrets ...string) {
	t.Helper()
	for call, err := range errs {
		listing := call == "list" || call == "select"
		if err == nil || !strings.Contains(err.Error(), "tenant acme") ||
			!listing && !strings.Contains(err.Error(), `job "job1"`) {
			t.Errorf("%s: error %v, want one that names tenant and job", call, err)
		}
		if want != nil && !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", call, err, want)
		}
		_, temporary := errors.AsType[*reindex.TemporaryError](err)
		if temporary != (call == "create" || call == "update" || call == "end") {
			t.Errorf("%s: error %v, temporary: %v, want %v", call, err, temporary, !temporary)
		}
		for _, secret := range secrets {
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: error %v holds %q", call, err, secret)
			}
		}
	}
}

func testErrors(t *testing.T, d database) {
	s := d.store(t, Config{})
	if err := s.exec(t.Context(), s.db, "ALTER TABLE reindex_jobs RENAME TO elsewhere"); err != nil {
		t.Fatal(err)
	}
	assertCallsFail(t, calls(t.Context(), s), nil, d.dsn)
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	assertCallsFail(t, calls(t.Context(), s), nil, d.dsn)
	_, err := New(t.Context(), s.db, &Config{Dialect: d.dialect})
	if err == nil || !strings.Contains(err.Error(), "jobsql: ") {
		t.Errorf("New with a closed database: got %v, want an error of jobsql", err)
	}
}

// A call whose context has ended does nothing, and does not affect later calls.
func testContext(t *testing.T, d database) {
	s := d.store(t, Config{})
	s.db.SetMaxOpenConns(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		assertCallsFail(t, calls(ctx, s), context.Canceled)
	}
	if n := count(t, s, "reindex_jobs"); n != 0 {
		t.Errorf("%d jobs are stored, want none", n)
	}
	// A transaction that fails in the middle also stores nothing, and its connection stays usable.
	middle, cancel := context.WithCancel(t.Context())
	if err := s.transact(middle, func(tx session) error {
		if err := s.exec(middle, tx, "INSERT INTO reindex_tenants (tenant, fence) VALUES ('a', 1)"); err != nil {
			return err
		}
		cancel()
		return s.exec(middle, tx, "DELETE FROM reindex_jobs")
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if n := count(t, s, "reindex_tenants"); n != 0 {
		t.Errorf("%d tenants are stored, want none", n)
	}
	mustCreate(t, s, newJob("a", "1"))
}

// If the database is not reachable, the errors of a store have the reason but no secrets. A run survives a short
// outage, and ends before its lease if the outage is long.
func testConnectionLost(t *testing.T, d database) {
	s, w := openWired(t, d, 2*time.Second)
	src, index := newGated(100), reindextest.NewMemory()
	e, ended := newTracedEngine(t, src, index, s)
	first, _, err := e.Start(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	w.set(true)
	assertCallsFail(t, calls(t.Context(), s), nil, d.dsn, "s3cret")
	w.set(false)
	close(src.gate)
	assertEnd(t, ended, first, reindex.StatusSuccess, "")
	if got := mustGet(t, s, "acme", first.ID); got.Status != reindex.StatusSuccess {
		t.Errorf("the stored job is %s (%s), want SUCCESS", got.Status, got.Message)
	}

	e, ended = newTracedEngine(t, newGated(100), index, s) // the run does not end by itself
	second, started, err := e.Start(t.Context(), "acme")
	if err != nil || !started {
		t.Fatal(started, err)
	}
	w.set(true)
	assertEnd(t, ended, second, reindex.StatusFailure, "out of touch")
	w.set(false)
	if got := awaitFailure(t, s, "acme", second.ID); got.Report.Indexed != 0 || len(index.Documents("acme")) != 100 {
		t.Errorf("the stored job is %+v, and %d documents are live, want 0 indexed and 100 live",
			got, len(index.Documents("acme")))
	}
}

// newTracedEngine returns an engine with short retries, and a channel that receives its ended jobs even if the database
// is not reachable.
func newTracedEngine(
	t *testing.T, src reindex.Source, ix reindex.Indexer, s *Store,
) (*reindex.Engine, <-chan reindex.Job) {
	t.Helper()
	ended := make(chan reindex.Job, 1)
	e, err := reindex.New(src, ix, &reindex.Config{
		Jobs: s, Retry: reindex.Retry{Attempts: 3, MinDelay: time.Millisecond},
		Trace: &reindex.Trace{JobEnded: func(_ context.Context, job reindex.Job, _ error) { ended <- job }},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e, ended
}

func assertEnd(t *testing.T, ended <-chan reindex.Job, job reindex.Job, status reindex.Status, message string) {
	t.Helper()
	select {
	case last := <-ended:
		if last.ID != job.ID || last.Status != status || !strings.Contains(last.Message, message) {
			t.Errorf("job %s ended as %s (%s), want job %s as %s (%s)",
				last.ID, last.Status, last.Message, job.ID, status, message)
		}
	case <-time.After(patience):
		t.Fatalf("job %s has not ended after %v", job.ID, patience)
	}
}
