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

// testLease is short, and long enough for a busy machine to renew it in time.
const testLease = 2 * time.Second

// hurried are the settings of tests in which leases run out.
func hurried(c Config) Config {
	c.Lease, c.PartProducts, c.RetryDelay = testLease, inPart, 10*time.Millisecond
	return c
}

// A part that makes no progress for far longer than its lease is loaded once: its process is alive.
func TestSlowPartIsNotKilled(t *testing.T) {
	t.Parallel()
	pool, ix := connect(t), reindextest.NewMemory()
	src := &shop{products: 300}
	src.read = func(part string) {
		if part == "100" {
			<-time.After(3 * testLease) // a source that is slow
		}
	}
	f := newFleet(t, pool, src, ix, hurried(Config{}))
	job := await(t, f, start(t, f, "acme"))
	if job.Status != reindex.StatusSuccess || src.done["100"] != 1 || src.all.Load() != 300 {
		t.Errorf("the job is %s (%s), %d products were read; want SUCCESS and 300", job.Status, job.Message, src.all.Load())
	}
}

// A worker that comes back after its job was cancelled changes neither the job nor the live index.
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
			<-release // whatever becomes of the context
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
	src.read = nil
	next := await(t, f, start(t, f, "beta"))
	if next.Status != reindex.StatusSuccess {
		t.Fatal(next.Message)
	}
	after, err := f.Job(t.Context(), "acme", job.ID)
	if err != nil || after.Status != reindex.StatusFailure || after.Message != job.Message || len(ix.Documents("acme")) != len(live) {
		t.Errorf("afterwards the job is %s (%s), %v, and %d products are live", after.Status, after.Message, err, len(ix.Documents("acme")))
	}
}

// A worker that was paused past its lease stores no report for the part that another one has loaded meanwhile, and a
// worker that died does not hang the run.
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
	// The lease of a process that was stopped runs out, since nobody renews it.
	_, err := pool.Exec(t.Context(), "UPDATE reindex_fleet_parts SET owner = 'stopped', lease_end = clock_timestamp() - interval '1 second' WHERE owner <> '' AND name = '0'")
	if err != nil {
		t.Fatal(err)
	}
	job = await(t, f, job)
	close(release)
	if job.Status != reindex.StatusSuccess || job.Report.Read != 300 || len(ix.Documents("acme")) != 300 {
		t.Errorf("the job is %s (%s), read %d, %d are live", job.Status, job.Message, job.Report.Read, len(ix.Documents("acme")))
	}
}

// A part that fails each time ends the run with its reason after its attempts, and the live index stays.
func TestPartThatAlwaysFails(t *testing.T) {
	t.Parallel()
	pool, ix := connect(t), reindextest.NewMemory()
	src := &failing{shop: &shop{products: 300}}
	f := newFleet(t, pool, src, ix, hurried(Config{Attempts: 3}))
	job := await(t, f, start(t, f, "acme"))
	if job.Status != reindex.StatusFailure || !strings.Contains(job.Message, "the shelf is empty") || src.tries.Load() != 3 {
		t.Errorf("the job is %s (%s) after %d tries, want the reason after 3", job.Status, job.Message, src.tries.Load())
	}
	if ix.Documents("acme") != nil || ix.Open() != 0 {
		t.Error("something is live, or left")
	}
}

// failing is a shop one part of which cannot be read.
type failing struct {
	*shop

	tries atomic.Int64
}

func (s *failing) Open(context.Context, string) (reindex.Snapshot, error) { return s, nil }

func (s *failing) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	if name != "200" {
		return s.shop.Part(ctx, name)
	}
	return func(yield func(reindex.Product, error) bool) {
		s.tries.Add(1)
		yield(reindex.Product{}, reindex.Public(errors.New("no products"), "the shelf is empty"))
	}
}

// The process that looks after a run goes. Another one goes on, no finished part is read again, and no number goes
// back.
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
		t.Errorf("shutdown: %v", err)
	}
	if job.Status != reindex.StatusSuccess || len(ix.Documents("acme")) != 1000 || !slices.IsSorted(processed) {
		t.Errorf("the job is %s (%s), %d are live, processed %v", job.Status, job.Message, len(ix.Documents("acme")), processed)
	}
	for part, n := range src.done {
		if n > 1 {
			t.Errorf("part %s was read to its end %d times", part, n)
		}
	}
}

// A product in two parts is a duplicate, as it is without a fleet: it does no harm if the bodies are the same, and
// counts against MaxDuplicates if they are not. The first one in the source counts then.
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
				t.Fatalf("the job is %s (%s)", job.Status, job.Message)
			}
			if test.differ && test.most == 0 && !strings.Contains(job.Message, "MaxDuplicates") {
				t.Errorf("the job says %q, want the rule", job.Message)
			}
			job, err := f.Job(t.Context(), "acme", job.ID)
			ids := slices.Sorted(slices.Values(job.Report.DuplicateIDs))
			if err != nil || job.Report.Duplicates != 4 || job.Report.Read != 304 ||
				!slices.Equal(ids, []string{"p000098", "p000099", "p000198", "p000199"}) {
				t.Errorf("the report is %+v, %v", job.Report, err)
			}
			if n := len(ix.Documents("acme")); test.status == reindex.StatusSuccess && (n != 300 || job.Report.Indexed != 300) {
				t.Errorf("%d products are live, %d were indexed, want 300", n, job.Report.Indexed)
			}
		})
	}
}

// A job that no worker has begun ends as soon as it is cancelled.
func TestCancelBeforeAWorker(t *testing.T) {
	t.Parallel()
	pool, ix, src := connect(t), reindextest.NewMemory(), &shop{products: 300}
	trigger := newFleet(t, pool, src, ix, Config{Role: Trigger})
	job := start(t, trigger, "acme")
	if _, started, err := trigger.Start(t.Context(), "acme"); started || err != nil {
		t.Errorf("a second start: %v, %v; want to join the first", started, err)
	}
	if err := trigger.Cancel(t.Context(), "acme", job.ID); err != nil {
		t.Fatal(err)
	}
	job, err := trigger.Job(t.Context(), "acme", job.ID)
	if err != nil || job.Status != reindex.StatusFailure || job.Message != reindex.ErrCancelled.Error() {
		t.Errorf("the job is %s (%s), %v", job.Status, job.Message, err)
	}
	if err := trigger.Cancel(t.Context(), "acme", job.ID); !errors.Is(err, reindex.ErrJobEnded) {
		t.Errorf("cancelled again: %v, want ErrJobEnded", err)
	}
}

// Hosts of the core and of the endpoints do not get River.
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

// A worker that dies after River has given it a part and before it owns the part does not hang the run, and neither
// does somebody who cancels a part in River: that ends it.
func TestPartIsLostBeforeItIsOwned(t *testing.T) {
	for state, want := range map[string]reindex.Status{"running": reindex.StatusSuccess, "cancelled": reindex.StatusFailure} {
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
			_, err := pool.Exec(t.Context(), `UPDATE river_job SET state = $1::text::river_job_state, attempt = 1, attempted_at = now(),
				finalized_at = CASE WHEN $1 = 'cancelled' THEN now() END WHERE kind = 'reindex_part' AND state = 'available'`, state)
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
