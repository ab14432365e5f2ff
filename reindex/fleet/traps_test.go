package fleet

import (
	"context"
	"errors"
	"iter"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// testLease is short, but long enough for a busy machine to renew it in time.
const testLease = 2 * time.Second

// hurried returns a Config with short leases, small parts and short delays.
func hurried(c Config) Config {
	c.Lease, c.PartProducts, c.RetryDelay = testLease, inPart, 10*time.Millisecond
	return c
}

// A part is loaded once, even if it makes no progress for far longer than its lease, because its process is alive.
func TestSlowPartIsNotKilled(t *testing.T) {
	t.Parallel()
	pool, ix := connect(t), reindextest.NewMemory()
	src := &shop{products: 300}
	src.read = func(part string) {
		if part == "100" {
			<-time.After(3 * testLease) // the source is slow
		}
	}
	f := newFleet(t, pool, src, ix, hurried(Config{}))
	job := await(t, f, start(t, f, "acme"))
	if job.Status != reindex.StatusSuccess || src.done["100"] != 1 || src.all.Load() != 300 {
		t.Errorf("the job is %s (%s), %d products were read; want SUCCESS and 300", job.Status, job.Message, src.all.Load())
	}
}

// A worker that wakes up after its job was cancelled changes neither the job nor the live index.
func TestLateWorker(t *testing.T) {
	t.Parallel()
	pool, ix := connect(t), reindextest.NewMemory()
	entered, release := make(chan struct{}), make(chan struct{})
	src := &shop{products: 300}
	f := newFleet(t, pool, src, ix, hurried(Config{}))
	if job := await(t, f, start(t, f, "acme")); job.Status != reindex.StatusSuccess {
		t.Fatal(job.Message)
	}
	live := ix.Documents("acme")
	var stopped atomic.Bool
	src.read = func(string) {
		if stopped.CompareAndSwap(false, true) {
			close(entered)
			<-release // even if the context ends
		}
	}
	src.products = 400
	job := start(t, f, "acme")
	<-entered
	if err := f.Cancel(t.Context(), "acme", job.ID); err != nil {
		t.Fatal(err)
	}
	job = await(t, f, job)
	if job.Status != reindex.StatusFailure || job.Message != reindex.ErrCancelled.Error() {
		t.Fatalf("the job is %s (%s), want a cancelled one", job.Status, job.Message)
	}
	close(release)
	next := await(t, f, start(t, f, "beta"))
	if next.Status != reindex.StatusSuccess {
		t.Fatal(next.Message)
	}
	after, err := f.Job(t.Context(), "acme", job.ID)
	n := len(ix.Documents("acme"))
	if err != nil || after.Status != reindex.StatusFailure || after.Message != job.Message || n != len(live) {
		t.Errorf("after the worker woke up, the job is %s (%s), error %v, and %d products are live, want %d",
			after.Status, after.Message, err, n, len(live))
	}
}

// A worker that was paused for longer than its lease stores no report for a part that another one has loaded meanwhile.
// A run does not wait forever for a worker that has died.
func TestPausedWorker(t *testing.T) {
	t.Parallel()
	pool, ix := connect(t), reindextest.NewMemory()
	entered, release := make(chan struct{}), make(chan struct{})
	var stopped atomic.Bool
	src := &shop{products: 300}
	src.read = func(part string) {
		if part == "0" && stopped.CompareAndSwap(false, true) {
			close(entered)
			<-release
		}
	}
	f := newFleet(t, pool, src, ix, hurried(Config{Parts: 3}))
	job := start(t, f, "acme")
	<-entered
	// The lease of a stopped process runs out, because it is not renewed.
	_, err := pool.Exec(t.Context(), `UPDATE reindex_fleet_parts
		SET owner = 'stopped', lease_end = clock_timestamp() - interval '1 second' WHERE owner <> '' AND name = '0'`)
	if err != nil {
		t.Fatal(err)
	}
	job = await(t, f, job)
	close(release)
	if n := len(ix.Documents("acme")); job.Status != reindex.StatusSuccess || job.Report.Read != 300 || n != 300 {
		t.Errorf("the job is %s (%s), read %d, %d are live, want SUCCESS and 300",
			job.Status, job.Message, job.Report.Read, n)
	}
}

// A part that fails in each attempt makes the run fail with its reason, and the live index does not change.
func TestPartThatAlwaysFails(t *testing.T) {
	t.Parallel()
	pool, ix := connect(t), reindextest.NewMemory()
	src := &failing{shop: &shop{products: 300}}
	f := newFleet(t, pool, src, ix, hurried(Config{Attempts: 3}))
	job := await(t, f, start(t, f, "acme"))
	attempts := src.attempts.Load()
	if job.Status != reindex.StatusFailure || !strings.Contains(job.Message, "the shelf is empty") || attempts != 3 {
		t.Errorf("the job is %s (%s) after %d attempts, want the reason after 3", job.Status, job.Message, attempts)
	}
	if ix.Documents("acme") != nil || ix.Open() != 0 {
		t.Error("a generation is live or open, want none")
	}
}

// failing is a shop with a part that cannot be read.
type failing struct {
	*shop

	attempts atomic.Int64
}

func (s *failing) Open(context.Context, string) (reindex.Snapshot, error) { return s, nil }

func (s *failing) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	if name != "200" {
		return s.shop.Part(ctx, name)
	}
	return func(yield func(reindex.Product, error) bool) {
		s.attempts.Add(1)
		yield(reindex.Product{}, reindex.Public(errors.New("no products"), "the shelf is empty"))
	}
}

// After the process that supervises a run has shut down, another one continues the run. No finished part is read again,
// and the progress never decreases.
func TestRunIsTakenOver(t *testing.T) {
	t.Parallel()
	pool, ix, src := connect(t), reindextest.NewMemory(), &shop{products: 1000}
	half, release := make(chan struct{}), make(chan struct{})
	var reads atomic.Int64
	src.read = func(string) {
		switch n := reads.Add(1); {
		case n == 6:
			close(half)
			<-release
		case n > 6:
			<-release
		}
	}
	trigger := newFleet(t, pool, src, ix, hurried(Config{Role: Trigger}))
	cfg := hurried(Config{Parts: 1})
	first, err := New(t.Context(), pool, src, ix, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	job := start(t, trigger, "acme")
	<-half
	newFleet(t, pool, src, ix, cfg)
	leave, cancel := context.WithCancel(t.Context())
	cancel()
	gone := make(chan error)
	go func() { gone <- first.Shutdown(leave) }()
	time.AfterFunc(testLease, func() { close(release) })
	var processed []int64
	for j, err := range trigger.Watch(t.Context(), "acme", job.ID) {
		if err != nil {
			t.Fatal(err)
		}
		processed, job = append(processed, j.Processed), j
	}
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("shutdown: error %v, want context.Canceled", err)
	}
	n := len(ix.Documents("acme"))
	if job.Status != reindex.StatusSuccess || n != 1000 || !slices.IsSorted(processed) {
		t.Errorf("the job is %s (%s), %d are live, want SUCCESS and 1000; the progress was %v",
			job.Status, job.Message, n, processed)
	}
	for part, n := range src.done {
		if n > 1 {
			t.Errorf("part %s was read to its end %d times, want once", part, n)
		}
	}
}

// A product in two parts is a duplicate, as it is without a fleet. If the bodies are equal, the run succeeds. Otherwise
// the duplicate counts against MaxDuplicates, and the first body in the source is indexed.
func TestProductInTwoParts(t *testing.T) {
	for name, test := range map[string]struct {
		differ bool
		most   int64 // duplicates
		status reindex.Status
	}{
		"same":            {false, 0, reindex.StatusSuccess},
		"differ":          {true, 0, reindex.StatusFailure},
		"differ, allowed": {true, 4, reindex.StatusSuccess},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, ix, src := connect(t), reindextest.NewMemory(), &shop{products: 300, inTwo: 2, differ: test.differ}
			f := newFleet(t, pool, src, ix, hurried(Config{Engine: reindex.Config{MaxDuplicates: test.most}}))
			job := await(t, f, start(t, f, "acme"))
			if job.Status != test.status {
				t.Fatalf("the job is %s (%s), want %s", job.Status, job.Message, test.status)
			}
			if test.differ && test.most == 0 && !strings.Contains(job.Message, "MaxDuplicates") {
				t.Errorf("the job's message is %q, want one that names MaxDuplicates", job.Message)
			}
			job, err := f.Job(t.Context(), "acme", job.ID)
			ids := slices.Sorted(slices.Values(job.Report.DuplicateIDs))
			if err != nil || job.Report.Duplicates != 4 || job.Report.Read != 304 ||
				!slices.Equal(ids, []string{"p000098", "p000099", "p000198", "p000199"}) {
				t.Errorf("the report is %+v, error %v, want 304 read and 4 duplicates", job.Report, err)
			}
			if n := len(ix.Documents("acme")); test.status == reindex.StatusSuccess && (n != 300 || job.Report.Indexed != 300) {
				t.Errorf("%d products are live, %d were indexed, want 300", n, job.Report.Indexed)
			}
		})
	}
}

// A job that no worker has taken ends as soon as it is cancelled.
func TestCancelBeforeAWorker(t *testing.T) {
	t.Parallel()
	pool, ix, src := connect(t), reindextest.NewMemory(), &shop{products: 300}
	trigger := newFleet(t, pool, src, ix, Config{Role: Trigger})
	job := start(t, trigger, "acme")
	if _, started, err := trigger.Start(t.Context(), "acme"); started || err != nil {
		t.Errorf("a second start: started %v, error %v, want the first job", started, err)
	}
	if err := trigger.Cancel(t.Context(), "acme", job.ID); err != nil {
		t.Fatal(err)
	}
	job, err := trigger.Job(t.Context(), "acme", job.ID)
	if err != nil || job.Status != reindex.StatusFailure || job.Message != reindex.ErrCancelled.Error() {
		t.Errorf("the job is %s (%s), error %v, want a cancelled one", job.Status, job.Message, err)
	}
	if err := trigger.Cancel(t.Context(), "acme", job.ID); !errors.Is(err, reindex.ErrJobEnded) {
		t.Errorf("cancelling again: got %v, want ErrJobEnded", err)
	}
}

// A program that uses only the core, the HTTP endpoints or jobsql does not depend on River.
func TestCoreIsWithoutRiver(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "productindex/reindex", "productindex/httpapi",
		"productindex/reindex/jobsql").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "riverqueue") {
		t.Error("the core, httpapi or jobsql imports River")
	}
	out, err = exec.CommandContext(t.Context(), "go", "list", "-deps", "productindex/reindex/fleet").Output()
	if err != nil || !strings.Contains(string(out), "riverqueue") {
		t.Errorf("go list does not name River for the fleet: %v", err)
	}
}

// Another worker takes a run over if workers die after River has handed them the run and before they own it.
func TestRunIsLostBeforeItIsOwned(t *testing.T) {
	t.Parallel()
	pool, ix := connect(t), reindextest.NewMemory()
	cfg := hurried(Config{})
	cfg.Role = Trigger
	f := newFleet(t, pool, &shop{products: 3}, ix, cfg)
	job := start(t, f, "acme")
	for lost := 1; ; lost++ {
		tag, err := pool.Exec(t.Context(), `UPDATE river_job SET state = 'running', attempt = 1, attempted_at = now()
			WHERE kind = 'reindex_run' AND state = 'available'`)
		if err != nil || tag.RowsAffected() != 1 {
			t.Fatalf("River hands out %d runs, error %v; want 1", tag.RowsAffected(), err)
		}
		if lost == 3 {
			break
		}
		for range 2 { // the second time while it waits
			if err := f.enqueueRun(t.Context(), job); err != nil {
				t.Fatal(err)
			}
		}
	}
	worker := newFleet(t, pool, &shop{products: 3}, ix, hurried(Config{}))
	if job = await(t, worker, job); job.Status != reindex.StatusSuccess {
		t.Errorf("the job is %s (%s), want SUCCESS", job.Status, job.Message)
	}
}

// A run does not wait forever for a worker that dies after River has handed it a part and before it owns the part. A
// part that is cancelled in River makes the run fail.
func TestPartIsLostBeforeItIsOwned(t *testing.T) {
	for state, want := range map[string]reindex.Status{
		"running": reindex.StatusSuccess, "cancelled": reindex.StatusFailure,
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			pool, ix := connect(t), reindextest.NewMemory()
			entered, release := make(chan struct{}), make(chan struct{})
			var first atomic.Bool
			src := &shop{products: 300}
			src.read = func(string) {
				if first.CompareAndSwap(false, true) {
					close(entered)
					<-release
				}
			}
			f := newFleet(t, pool, src, ix, hurried(Config{Parts: 1}))
			job := start(t, f, "acme")
			<-entered
			_, err := pool.Exec(t.Context(), `UPDATE river_job SET state = $1::text::river_job_state, attempt = 1,
				attempted_at = now(), finalized_at = CASE WHEN $1 = 'cancelled' THEN now() END
				WHERE kind = 'reindex_part' AND state = 'available'`, state)
			if err != nil {
				t.Fatal(err)
			}
			close(release)
			if job = await(t, f, job); job.Status != want {
				t.Errorf("the job is %s (%s), want %s", job.Status, job.Message, want)
			}
		})
	}
}
