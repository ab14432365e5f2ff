package reindex_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// The tests in this file are about faults of a job store, and their effects on jobs.

// wrongStore is a store whose calls fail with the error that a function returns. The store fails instead of the call
// or, if lost is set, after it.
type wrongStore struct {
	reindex.JobStore

	wrong func(call string, job reindex.Job) error
	lost  bool
}

func (w wrongStore) call(name string, job reindex.Job, f func() error) error {
	if !w.lost {
		if err := w.wrong(name, job); err != nil {
			return err
		}
		return f()
	}
	return errors.Join(f(), w.wrong(name, job))
}

func (w wrongStore) Create(ctx context.Context, job reindex.Job) (stored reindex.Job, created bool, err error) {
	err = w.call("create", job, func() (err error) {
		stored, created, err = w.JobStore.Create(ctx, job)
		return err
	})
	return stored, created, err
}

func (w wrongStore) Renew(ctx context.Context, job reindex.Job) (cancelled bool, err error) {
	err = w.call("renew", job, func() (err error) {
		cancelled, err = w.JobStore.Renew(ctx, job)
		return err
	})
	return cancelled, err
}

func (w wrongStore) Finish(ctx context.Context, job reindex.Job) error {
	return w.call("finish", job, func() error { return w.JobStore.Finish(ctx, job) })
}

// times lets the first n calls of this name fail.
func times(n int, name string, wrong func() error) func(string, reindex.Job) error {
	var mu sync.Mutex
	return func(call string, _ reindex.Job) error {
		mu.Lock()
		defer mu.Unlock()
		if call != name || n == 0 {
			return nil
		}
		n--
		return wrong()
	}
}

var errStore = errors.New("the database at 10.1.2.3 is gone")

// A panic of a store does not end the program, and Shutdown does not hang afterwards.
func TestStorePanics(t *testing.T) {
	for _, call := range []string{"create", "renew", "finish"} {
		t.Run(call, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := wrongStore{reindex.NewJobs(0), times(1, call, func() error { panic(errStore) }), false}
				b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{Jobs: store}, nil)
				_, err := b.Run(t.Context(), tenant)
				if wantErr := call == "create"; (err != nil) != wantErr {
					t.Errorf("error %v, want an error: %v", err, wantErr)
				}
				if err := b.Shutdown(t.Context()); err != nil {
					t.Errorf("shutdown: %v", err)
				}
				jobs, total, err := store.List(t.Context(), tenant, reindex.JobQuery{})
				if err != nil || total > 1 || total == 1 && jobs[0].Status != reindex.StatusSuccess {
					t.Errorf("the store has %+v, error %v; want only successes", jobs, err)
				}
			})
		})
	}
}

// If the store fails to store a job's end, the engine shows the end anyway, and stores it before the tenant's next run.
func TestEndThatCouldNotBeStored(t *testing.T) {
	for _, wrong := range []error{errStore, reindex.Temporary(errStore)} {
		synctest.Test(t, func(t *testing.T) {
			const attempts = 4 // those of newBench
			store := wrongStore{reindex.NewJobs(0), times(attempts+1, "finish", func() error { return wrong }), false}
			b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{Jobs: store}, nil)
			if _, err := b.Run(t.Context(), tenant); err != nil {
				t.Fatal(err)
			}
			job := b.lastJob(t)
			if job.Status != reindex.StatusSuccess {
				t.Errorf("listed as %+v, want a success", job)
			}
			if got, err := b.Job(t.Context(), tenant, job.ID); err != nil || got.Status != reindex.StatusSuccess {
				t.Errorf("job %+v, error %v; want SUCCESS", got, err)
			}
			if got := ended(t, b.Engine, job); got.Status != reindex.StatusSuccess {
				t.Errorf("watched as %+v, want a success", got)
			}
			if err := b.Cancel(t.Context(), tenant, job.ID); !errors.Is(err, reindex.ErrJobEnded) {
				t.Errorf("cancel of the ended job: error %v, want ErrJobEnded", err)
			}
			if _, _, err := b.Start(t.Context(), tenant); !errors.Is(err, errStore) || !strings.Contains(err.Error(), job.ID) {
				t.Errorf("a start while the end cannot be stored: error %v, want the store's, with the job's id", err)
			}
			if _, err := b.Run(t.Context(), tenant); err != nil {
				t.Errorf("the next run fails: %v", err)
			}
			jobs, total, err := store.List(t.Context(), tenant, reindex.JobQuery{})
			if err != nil || total != 2 || jobs[0].Status != reindex.StatusSuccess || jobs[1].Status != reindex.StatusSuccess {
				t.Errorf("the store has %+v, error %v; want only successes", jobs, err)
			}
		})
	}
}

// Shutdown stores the ends of jobs that could not be stored before.
func TestShutdownStoresEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := wrongStore{reindex.NewJobs(0), times(4, "finish", func() error { return errStore }), false}
		b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{Jobs: store}, nil)
		if _, err := b.Run(t.Context(), tenant); err != nil {
			t.Fatal(err)
		}
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		jobs, _, err := store.List(t.Context(), tenant, reindex.JobQuery{})
		if err != nil || jobs[0].Status != reindex.StatusSuccess {
			t.Errorf("the store has %+v, error %v; want only successes", jobs, err)
		}
	})
}

// If an answer of the store is lost, there is still one job, and it ends as the run did.
func TestLostAnswersOfTheStore(t *testing.T) {
	for _, call := range []string{"create", "renew", "finish"} {
		t.Run(call, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := wrongStore{reindex.NewJobs(0), times(2, call, func() error { return reindex.Temporary(errStore) }), true}
				b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{Jobs: store}, nil)
				if _, err := b.Run(t.Context(), tenant); err != nil {
					t.Fatal(err)
				}
				jobs, total, err := store.List(t.Context(), tenant, reindex.JobQuery{})
				if err != nil || total != 1 || jobs[0].Status != reindex.StatusSuccess {
					t.Errorf("the store has %+v, error %v; want only successes", jobs, err)
				}
			})
		})
	}
}

// A job that Create stored although it returned an error does not block its tenant.
func TestGhostJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := wrongStore{reindex.NewJobs(0), times(3, "create", func() error { return reindex.Temporary(errStore) }), true}
		b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{Jobs: store}, nil)
		if _, err := b.Run(t.Context(), tenant); !errors.Is(err, errStore) {
			t.Fatalf("error %v, want the store's", err)
		}
		if job := b.lastJob(t); job.Status != reindex.StatusFailure || job.Message == "" {
			t.Errorf("the job shows as %+v, want a failure with a message", job)
		}
		if _, err := b.Run(t.Context(), tenant); err != nil {
			t.Errorf("the next run fails: %v", err)
		}
		b.assertLive(t, reindextest.Products(100, "new"), "new")
	})
}

// With two engines on one store without leases, one can cancel a job that the other runs.
func TestCancelThroughASharedStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, store := newGated(1000), reindex.NewJobs(0)
		runner := newBench(t, src, &reindex.Config{Jobs: store}, nil)
		other := newBench(t, src, &reindex.Config{Jobs: store}, nil)
		job := mustStart(t, runner.Engine, tenant)
		if err := other.Cancel(t.Context(), tenant, job.ID); err != nil {
			t.Fatal(err)
		}
		if job := ended(t, other.Engine, job); job.Message != "the reindex was cancelled" {
			t.Errorf("job %s: %s; want one that says it was cancelled", job.Status, job.Message)
		}
		if err := other.Cancel(t.Context(), tenant, job.ID); !errors.Is(err, reindex.ErrJobEnded) {
			t.Errorf("cancel of an ended job: error %v, want ErrJobEnded", err)
		}
		if err := errors.Join(runner.Shutdown(t.Context()), other.Shutdown(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

// A cancellation is not lost if it reaches the store just before the job is stored as begun or as published.
func TestCancelBeforeEachState(t *testing.T) {
	for _, status := range []reindex.Status{reindex.StatusInProgress, reindex.StatusPublished} {
		t.Run(string(status), func(t *testing.T) {
			inner := reindex.NewJobs(0)
			store := wrongStore{inner, func(call string, job reindex.Job) error {
				if call == "renew" && job.Status == status {
					return inner.Cancel(context.Background(), job.Tenant, job.ID)
				}
				return nil
			}, false}
			b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{Jobs: store}, nil)
			if _, err := b.Run(t.Context(), tenant); !errors.Is(err, reindex.ErrCancelled) {
				t.Errorf("error %v, want ErrCancelled", err)
			}
			b.assertOldLive(t)
		})
	}
}

// The end of a job shows only after it is stored.
func TestEndIsStoredBeforeItShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := reindex.NewJobs(0)
		var b bench
		store := wrongStore{inner, func(call string, job reindex.Job) error {
			if call != "finish" {
				return nil
			}
			if got, err := b.Job(context.Background(), tenant, job.ID); err != nil || got.Status.Ended() {
				return fmt.Errorf("the end shows before it is stored: %+v, %w", got, err)
			}
			return nil
		}, false}
		b = newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{Jobs: store}, nil)
		if _, err := b.Run(t.Context(), tenant); err != nil {
			t.Fatal(err)
		}
		jobs, _, err := inner.List(t.Context(), tenant, reindex.JobQuery{})
		if err != nil || jobs[0].Status != reindex.StatusSuccess {
			t.Errorf("the store has %+v, error %v; want only successes", jobs, err)
		}
	})
}

// slowLease is a store with leases whose renewals take time, and fail from some time on.
type slowLease struct {
	*leasing

	takes    time.Duration
	failFrom time.Time
	renewed  time.Time // when the last renewal that succeeded began
}

func (s *slowLease) Renew(ctx context.Context, job reindex.Job) (bool, error) {
	start := time.Now()
	if start.After(s.failFrom) {
		return false, errStore
	}
	timer := time.NewTimer(s.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	s.renewed = start
	return s.leasing.Renew(ctx, job)
}

// A lease counts from the call that renewed it, not from the answer, because the store may have set the lease's end as
// early as that.
func TestLeaseCountsFromTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowLease{leasing: newLeasing(), takes: 14 * time.Second, failFrom: time.Now().Add(5 * time.Minute)}
		b := newBench(t, newGated(100), &reindex.Config{Jobs: store}, nil)
		if _, err := b.Run(t.Context(), tenant); !errors.Is(err, reindex.ErrLeaseLost) {
			t.Fatalf("error %v, want ErrLeaseLost", err)
		}
		if since := time.Since(store.renewed); since >= time.Minute {
			t.Errorf("the run ended %v after its lease was renewed, want less than a minute, the lease's time", since)
		}
	})
}

// A store in memory keeps a bounded number of jobs, however many tenants there are.
func TestEndedTenantsAreForgotten(t *testing.T) {
	store := reindex.NewJobs(2)
	for i := range 1000 {
		job := reindex.Job{
			ID: fmt.Sprint(i), Tenant: fmt.Sprintf("t%d", i), EntityType: reindex.EntityProduct, Status: reindex.StatusPending,
		}
		if _, created, err := store.Create(t.Context(), job); !created || err != nil {
			t.Fatal(created, err)
		}
		if i%100 == 0 {
			continue // this job stays in progress
		}
		job.Status = reindex.StatusSuccess
		if err := store.Finish(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	kept, running := 0, 0
	for i := range 1000 {
		jobs, _, err := store.List(t.Context(), fmt.Sprintf("t%d", i), reindex.JobQuery{})
		if err != nil {
			t.Fatal(err)
		}
		for _, job := range jobs {
			if kept++; !job.Status.Ended() {
				running++
			}
		}
	}
	if kept != 210 || running != 10 {
		t.Errorf("%d jobs are kept, %d of them in progress; want 210 and 10", kept, running)
	}
}
