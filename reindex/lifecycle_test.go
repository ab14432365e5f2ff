package reindex_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// gated is a source that yields half of its products, and then waits until gate is closed or its context ends. If its
// context ends, it yields an error, or just stops if it is careless.
type gated struct {
	products []reindex.Product
	gate     chan struct{}
	careless bool
}

func newGated(n int) gated {
	return gated{products: reindextest.Products(n, "new"), gate: make(chan struct{})}
}

func (g gated) Open(context.Context, string) (reindex.Snapshot, error) { return g, nil }

func (g gated) Close() error { return nil }

func (g gated) Products(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		for i, p := range g.products {
			if i == len(g.products)/2 {
				select {
				case <-g.gate:
				case <-ctx.Done():
					if !g.careless {
						yield(reindex.Product{}, fmt.Errorf("reading: %w", ctx.Err()))
					}
					return
				}
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

func mustStart(t *testing.T, e *reindex.Engine, tenant string) reindex.Job {
	t.Helper()
	job, started, err := e.Start(t.Context(), tenant)
	if err != nil || !started {
		t.Fatalf("start of %s: started %v, error %v; want true", tenant, started, err)
	}
	return job
}

// ended waits until a job has ended, and returns it.
func ended(t *testing.T, e *reindex.Engine, job reindex.Job) reindex.Job {
	t.Helper()
	for j, err := range e.Watch(t.Context(), job.Tenant, job.ID) {
		if err != nil {
			t.Fatal(err)
		}
		job = j
	}
	if !job.Status.Ended() {
		t.Fatalf("job %s is %s after the end of Watch, want an ended one", job.ID, job.Status)
	}
	return job
}

// A second Start joins the run in progress. A second Run returns an error that names the job. Neither starts a run.
func TestOneRunPerTenant(t *testing.T) {
	src := newGated(200)
	b := newBench(t, src, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	first, started, err := b.Start(ctx, tenant)
	if err != nil || !started || first.Status != reindex.StatusInProgress {
		t.Fatalf("job %+v, started %v, error %v; want a new one in progress", first, started, err)
	}
	cancel() // the run does not depend on the context of Start
	if _, err := b.Job(t.Context(), "other", first.ID); !errors.Is(err, reindex.ErrJobNotFound) {
		t.Errorf("the job under another tenant: error %v, want ErrJobNotFound", err)
	}
	if err := b.Cancel(t.Context(), "other", first.ID); !errors.Is(err, reindex.ErrJobNotFound) {
		t.Errorf("cancel under another tenant: error %v, want ErrJobNotFound", err)
	}
	for range 3 {
		job, started, err := b.Start(t.Context(), tenant)
		if err != nil || started || job.ID != first.ID {
			t.Errorf("got job %s, started %v, error %v, want the running job %s", job.ID, started, err, first.ID)
		}
	}
	if _, err := b.Run(t.Context(), tenant); !errors.Is(err, reindex.ErrRunning) ||
		!strings.Contains(err.Error(), first.ID) {
		t.Errorf("error %v, want ErrRunning with the job's id", err)
	}
	close(src.gate)
	if job := ended(t, b.Engine, first); job.Status != reindex.StatusSuccess {
		t.Errorf("the job is %+v, want SUCCESS", job)
	}
	b.assertLive(t, src.products, "new")
	if _, total, _ := b.Jobs(t.Context(), tenant, reindex.JobQuery{}); total != 1 {
		t.Errorf("%d jobs, want 1", total)
	}
	// After the end of a run was seen, the next run can be started.
	if job := ended(t, b.Engine, mustStart(t, b.Engine, tenant)); job.Status != reindex.StatusSuccess {
		t.Errorf("the next job is %+v, want SUCCESS", job)
	}
	if err := b.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// Jobs beyond MaxRuns are PENDING. Their runs begin in the order in which the jobs came.
func TestPendingInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newGated(10)
		var mu sync.Mutex
		var order []string
		index := reindextest.NewMemory()
		engine, err := reindex.New(src, reindextest.NewFaulty(index, func(c reindextest.Call) reindextest.Fault {
			if c.Op == reindextest.OpBegin {
				mu.Lock()
				order = append(order, c.Tenant)
				mu.Unlock()
			}
			return reindextest.Fault{}
		}), &reindex.Config{MaxRuns: 1})
		if err != nil {
			t.Fatal(err)
		}
		var jobs []reindex.Job
		var want []string
		for i := range 6 {
			name := fmt.Sprintf("t%d", i)
			job := mustStart(t, engine, name)
			if pending := job.Status == reindex.StatusPending; pending != (i > 0) {
				t.Errorf("job %d is %s, want PENDING for all but the first one", i, job.Status)
			}
			jobs = append(jobs, job)
			if i != 3 {
				want = append(want, name)
			}
			synctest.Wait()
		}
		if err := engine.Cancel(t.Context(), "t3", jobs[3].ID); err != nil {
			t.Error(err)
		}
		close(src.gate)
		for i, job := range jobs {
			job = ended(t, engine, job)
			if success := job.Status == reindex.StatusSuccess; success != (i != 3) {
				t.Errorf("job %d ended as %s (%s), want SUCCESS for all but job 3", i, job.Status, job.Message)
			}
		}
		if !slices.Equal(order, want) {
			t.Errorf("runs began in the order %v, want %v", order, want)
		}
		if err := engine.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Shutdown waits until runs have ended, and new runs are refused.
func TestShutdown(t *testing.T) {
	src := newGated(200)
	b := newBench(t, src, nil, nil)
	job := mustStart(t, b.Engine, tenant)
	done := make(chan error)
	go func() { done <- b.Shutdown(t.Context()) }()
	for {
		if _, _, err := b.Start(t.Context(), "other"); errors.Is(err, reindex.ErrShutdown) {
			break
		}
	}
	if _, err := b.Run(t.Context(), "other"); !errors.Is(err, reindex.ErrShutdown) {
		t.Errorf("Run after Shutdown: got %v, want ErrShutdown", err)
	}
	close(src.gate)
	if err := <-done; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if job, err := b.Job(t.Context(), tenant, job.ID); err != nil || job.Status != reindex.StatusSuccess {
		t.Errorf("the job is %+v, error %v, want SUCCESS", job, err)
	}
	if err := b.Shutdown(t.Context()); err != nil {
		t.Errorf("second shutdown: %v", err)
	}
}

// A job is found only by its tenant and id together.
func TestJobErrors(t *testing.T) {
	b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), nil, nil)
	job := ended(t, b.Engine, mustStart(t, b.Engine, tenant))
	for _, key := range [][2]string{{tenant, "unknown"}, {"other", job.ID}} {
		_, err := b.Job(t.Context(), key[0], key[1])
		var watched error
		for _, err := range b.Watch(t.Context(), key[0], key[1]) {
			watched = err
		}
		for _, err := range []error{err, watched, b.Cancel(t.Context(), key[0], key[1])} {
			if !errors.Is(err, reindex.ErrJobNotFound) {
				t.Errorf("%v: error %v, want ErrJobNotFound", key, err)
			}
		}
	}
	if err := b.Cancel(t.Context(), tenant, job.ID); !errors.Is(err, reindex.ErrJobEnded) {
		t.Errorf("cancelling an ended job: got %v, want ErrJobEnded", err)
	}
	if err := b.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestInvalidTenants(t *testing.T) {
	b := newBench(t, reindextest.Slice(nil), nil, nil)
	for _, name := range []string{"", "a\n", "a\x00", "\xff", "a\u0085", strings.Repeat("x", reindex.MaxTenantBytes+1)} {
		if _, _, err := b.Start(t.Context(), name); !errors.Is(err, reindex.ErrTenant) {
			t.Errorf("start of %q: %v, want ErrTenant", name, err)
		}
		if _, err := b.Run(t.Context(), name); !errors.Is(err, reindex.ErrTenant) {
			t.Errorf("run of %q: %v, want ErrTenant", name, err)
		}
	}
}

// If the job store fails, no run starts.
func TestJobStoreFails(t *testing.T) {
	errStore := errors.New("no connection")
	b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")),
		&reindex.Config{Jobs: failingStore{reindex.NewJobs(0), errStore}}, nil)
	if _, started, err := b.Start(t.Context(), tenant); !errors.Is(err, errStore) || started {
		t.Errorf("started %v, error %v, want that of the store", started, err)
	}
	b.assertOldLive(t)
	if err := b.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

type failingStore struct {
	reindex.JobStore

	err error
}

func (s failingStore) Create(context.Context, reindex.Job) (reindex.Job, bool, error) {
	return reindex.Job{}, false, s.err
}

// parted is a source that can be read in parts.
type parted struct {
	reindextest.Slice

	parts [][]reindex.Product
	err   error
}

func (p parted) Open(context.Context, string) (reindex.Snapshot, error) { return p, nil }

func (p parted) Split(_ context.Context, n int) ([]string, error) {
	var names []string
	for i := range min(n, len(p.parts)) {
		names = append(names, strconv.Itoa(i))
	}
	return names, p.err
}

func (p parted) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	i, err := strconv.Atoi(name)
	if err != nil {
		panic(err)
	}
	return reindextest.Slice(p.parts[i]).Products(ctx)
}

func TestParts(t *testing.T) {
	products := reindextest.Products(3000, "new")
	apart := [][]reindex.Product{products[:1000], products[1000:1100], products[1100:]}
	overlapping := [][]reindex.Product{
		products[:1000],
		append(slices.Clone(products[2000:]), reindextest.NewProduct("p0", map[string]any{"rev": "other"})),
		products[1000:2000],
	}
	for _, test := range []struct {
		name    string
		src     parted
		readers int
	}{
		{"apart", parted{nil, apart, nil}, 3}, // Products would yield nothing
		{"overlapping", parted{products, overlapping, nil}, 3},
		{"unsupported", parted{products, nil, errors.ErrUnsupported}, 3},
		{"not asked for", parted{products, nil, errSource}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, test.src, &reindex.Config{Readers: test.readers, CountMargin: -1}, nil)
			report, err := b.Run(t.Context(), tenant)
			if err != nil {
				t.Fatal(err)
			}
			if report.Read != 3000 || report.Indexed != 3000 || report.Duplicates != 0 {
				t.Errorf("report %+v, want 3000 read and indexed", report)
			}
			b.assertLive(t, products, "new")
		})
	}
	t.Run("failing", func(t *testing.T) {
		b := newBench(t, parted{products, nil, errSource}, &reindex.Config{Readers: 2}, nil)
		if _, err := b.Run(t.Context(), tenant); !errors.Is(err, errSource) {
			t.Errorf("error %v, want %v", err, errSource)
		}
		b.assertOldLive(t)
	})
}
