package reindex_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// leasing is a job store with a lease of a minute. Its updates fail while an error is set.
type leasing struct {
	reindex.JobStore

	fail    atomic.Pointer[error]
	updates atomic.Int64
}

func newLeasing() *leasing { return &leasing{JobStore: reindex.NewJobs(0)} }

func (l *leasing) Lease() time.Duration { return time.Minute }

func (l *leasing) Create(ctx context.Context, job reindex.Job) (reindex.Job, bool, error) {
	job.Fence = 42
	return l.JobStore.Create(ctx, job)
}

func (l *leasing) Renew(ctx context.Context, job reindex.Job) (cancelled bool, err error) {
	l.updates.Add(1)
	if err := l.fail.Load(); err != nil {
		return false, *err
	}
	return l.JobStore.Renew(ctx, job)
}

// The lease of a run is renewed in time. If that is not possible, the run stops before the lease ends.
func TestLease(t *testing.T) {
	errStore := errors.New("no connection")
	for _, test := range []struct {
		name   string
		fail   error
		want   error
		within time.Duration // of the failure
	}{
		{"renewed", nil, nil, 0},
		{"given up", reindex.ErrLeaseLost, reindex.ErrLeaseLost, 15 * time.Second},
		{"not renewed", errStore, reindex.ErrLeaseLost, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, store := newGated(1000), newLeasing()
				b := newBench(t, src, &reindex.Config{Jobs: store}, nil)
				result := make(chan error, 1)
				go func() {
					_, err := b.Run(t.Context(), tenant)
					result <- err
				}()
				time.Sleep(10 * time.Minute) //nolint:forbidigo // the bubble's clock jumps
				if n := store.updates.Load(); n < 40 {
					t.Errorf("%d updates in ten times the lease, want at least 40", n)
				}
				start := time.Now()
				if test.want == nil {
					close(src.gate)
				} else {
					store.fail.Store(&test.fail)
				}
				if err := <-result; !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				if took := time.Since(start); took > test.within {
					t.Errorf("the run ended after %v, want at most %v", took, test.within)
				}
				if test.want == nil {
					b.assertLive(t, src.products, "new")
				} else {
					b.assertOldLive(t)
				}
			})
		})
	}
}

// A run that has lost its lease before the switch-over does not switch.
func TestLeaseHeldAtCommit(t *testing.T) {
	store := newLeasing()
	b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{Jobs: store},
		func(c reindextest.Call) reindextest.Fault {
			if c.Op == reindextest.OpSeal {
				err := reindex.ErrLeaseLost
				store.fail.Store(&err)
			}
			return reindextest.Fault{}
		})
	if _, err := b.Run(t.Context(), tenant); !errors.Is(err, reindex.ErrLeaseLost) {
		t.Errorf("error %v, want ErrLeaseLost", err)
	}
	b.assertOldLive(t)
}

// Every call of an index gets the job's fencing token.
func TestFence(t *testing.T) {
	fences := map[reindextest.Op]int64{}
	index := reindextest.NewMemory()
	engine, err := reindex.New(reindextest.Slice(reindextest.Products(10, "new")), fenced{index, fences},
		&reindex.Config{Jobs: newLeasing(), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	for _, op := range []reindextest.Op{
		reindextest.OpBegin, reindextest.OpWrite, reindextest.OpSeal, reindextest.OpCommit, reindextest.OpAbort,
	} {
		if fences[op] != 42 {
			t.Errorf("%s got fence %d, want 42", op, fences[op])
		}
	}
	if _, ok := reindex.Fence(t.Context()); ok {
		t.Error("a context without a fence has one")
	}
}

// fenced is an index that records the fences of its calls.
type fenced struct {
	*reindextest.Memory

	fences map[reindextest.Op]int64
}

func (f fenced) note(ctx context.Context, op reindextest.Op) { f.fences[op], _ = reindex.Fence(ctx) }

func (f fenced) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	f.note(ctx, reindextest.OpBegin)
	gen, err := f.Memory.Begin(ctx, tenant)
	return fencedGeneration{gen, f}, err
}

type fencedGeneration struct {
	reindex.Generation

	f fenced
}

func (g fencedGeneration) Write(ctx context.Context, batch []reindex.Product) error {
	g.f.note(ctx, reindextest.OpWrite)
	return g.Generation.Write(ctx, batch)
}

func (g fencedGeneration) Seal(ctx context.Context) (reindex.Sealed, error) {
	g.f.note(ctx, reindextest.OpSeal)
	return g.Generation.Seal(ctx)
}

func (g fencedGeneration) Commit(ctx context.Context) error {
	g.f.note(ctx, reindextest.OpCommit)
	return g.Generation.Commit(ctx)
}

func (g fencedGeneration) Abort(ctx context.Context) error {
	g.f.note(ctx, reindextest.OpAbort)
	return g.Generation.Abort(ctx)
}

// An engine can follow and cancel a job of another engine with the same store.
func TestJobsOfAnotherEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, store := newGated(1000), newLeasing()
		runner := newBench(t, src, &reindex.Config{Jobs: store}, nil)
		other := newBench(t, src, &reindex.Config{Jobs: store}, nil)
		job := mustStart(t, runner.Engine, tenant)
		if joined, started, err := other.Start(t.Context(), tenant); err != nil || started || joined.ID != job.ID {
			t.Errorf("got job %s, started %v, error %v, want the running job %s", joined.ID, started, err, job.ID)
		}
		if err := other.Cancel(t.Context(), tenant, job.ID); err != nil {
			t.Fatal(err)
		}
		if job := ended(t, other.Engine, job); job.Status != reindex.StatusFailure ||
			job.Message != "the reindex was cancelled" {
			t.Errorf("the job is %s (%s), want a cancelled one", job.Status, job.Message)
		}
		for _, e := range []*reindex.Engine{runner.Engine, other.Engine} {
			if err := e.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// docCounting is an index that counts its live documents.
type docCounting struct {
	*reindextest.Memory

	err error
}

func (d docCounting) DocCount(context.Context, string) (int64, error) { return 80, d.err }

// If the source announces no number, the number of live documents is the estimate. The gate does not check it.
func TestEstimate(t *testing.T) {
	for _, test := range []struct {
		src       reindex.Source
		err       error
		want      int64
		estimated bool
	}{
		{reindextest.Slice(reindextest.Products(50, "new")), nil, 50, false},
		{then(reindextest.Products(50, "new"), func(func(reindex.Product, error) bool) {}), nil, 80, true},
		{counted{reindextest.Products(50, "new"), 0, errors.ErrUnsupported}, nil, 80, true},
		{then(reindextest.Products(50, "new"), func(func(reindex.Product, error) bool) {}), errSource, -1, false},
	} {
		engine, err := reindex.New(test.src, docCounting{reindextest.NewMemory(), test.err}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := engine.Run(t.Context(), tenant); err != nil {
			t.Fatal(err)
		}
		jobs, _, err := engine.Jobs(t.Context(), tenant, reindex.JobQuery{})
		if err != nil || len(jobs) != 1 || jobs[0].Expected != test.want || jobs[0].Estimated != test.estimated {
			t.Errorf("jobs %+v, error %v; want %d expected", jobs, err, test.want)
		}
	}
}

func TestProgressOfAJob(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name      string
		job       reindex.Job
		fraction  float64
		known     bool
		remaining time.Duration
		estimable bool
	}{
		{
			"a quarter", reindex.Job{Expected: 400, Processed: 100, Created: at, Modified: at.Add(10 * time.Second)}, 0.25,
			true, 30 * time.Second, true,
		},
		{"after a wait",
			reindex.Job{Expected: 400, Processed: 100, Created: at, Modified: at.Add(70 * time.Second), Report: reindex.Report{
				Durations: reindex.Durations{Pending: time.Minute},
			}}, 0.25, true, 30 * time.Second, true},
		{
			"more than expected", reindex.Job{Expected: 10, Processed: 20, Created: at, Modified: at.Add(time.Second)}, 1,
			true, 0, true,
		},
		{"nothing yet", reindex.Job{Expected: 10, Created: at, Modified: at}, 0, true, 0, false},
		{"nothing known", reindex.Job{Expected: -1, Processed: 10}, 0, false, 0, false},
		{"the end", reindex.Job{Expected: -1, Processed: 10, Status: reindex.StatusSuccess}, 1, true, 0, true},
		{"a failure", reindex.Job{Expected: 20, Processed: 10, Status: reindex.StatusFailure}, 0.5, true, 0, true},
	} {
		fraction, known := test.job.Fraction()
		remaining, estimable := test.job.Remaining()
		if fraction != test.fraction || known != test.known || remaining != test.remaining || estimable != test.estimable {
			t.Errorf("%s: got %v %v and %v %v, want %v %v and %v %v",
				test.name, fraction, known, remaining, estimable, test.fraction, test.known, test.remaining, test.estimable)
		}
	}
}

// passing is a store that fails three times at each status of a job after IN_PROGRESS.
type passing struct {
	*leasing

	failed map[reindex.Status]int
}

func (p passing) fail(job reindex.Job) error {
	if job.Status != reindex.StatusInProgress && p.failed[job.Status] < 3 {
		p.failed[job.Status]++
		return reindex.Temporary(errors.New("the connection is lost"))
	}
	return nil
}

func (p passing) Renew(ctx context.Context, job reindex.Job) (cancelled bool, err error) {
	if err := p.fail(job); err != nil {
		return false, err
	}
	return p.leasing.Renew(ctx, job)
}

func (p passing) Finish(ctx context.Context, job reindex.Job) error {
	if err := p.fail(job); err != nil {
		return err
	}
	return p.leasing.Finish(ctx, job)
}

// A run succeeds even if the store fails for a moment before the switch-over and when the end is stored.
func TestStoreFailsForAMoment(t *testing.T) {
	store := passing{newLeasing(), map[reindex.Status]int{}}
	b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{Jobs: store}, nil)
	if _, err := b.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	jobs, _, err := store.List(t.Context(), tenant, reindex.JobQuery{})
	if err != nil || len(jobs) != 1 || jobs[0].Status != reindex.StatusSuccess {
		t.Errorf("got the jobs %+v, error %v, want one with SUCCESS", jobs, err)
	}
	if store.failed[reindex.StatusPublished] != 3 || store.failed[reindex.StatusSuccess] != 3 {
		t.Errorf("the store failed %v times, want 3 times for PUBLISHED and SUCCESS", store.failed)
	}
}
