package reindextest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"productindex/reindex"
)

// TestJobLeases checks the promises of [reindex.JobStore] about leases and fencing tokens. At each call open returns a
// new, empty store whose leases last for the given time.
func TestJobLeases(t *testing.T, open func(t *testing.T, lease time.Duration) reindex.JobStore) {
	t.Run("RunsOut", func(t *testing.T) { testLeaseRunsOut(t, open(t, 100*time.Millisecond)) })
	t.Run("Renewed", func(t *testing.T) {
		t.Parallel() // it waits
		testLeaseRenewed(t, open(t, 2*time.Second))
	})
	t.Run("Fences", func(t *testing.T) { testFences(t, open(t, time.Hour)) })
}

// A job whose lease has run out is a failure with a message, and the tenant can have a new job.
func testLeaseRunsOut(t *testing.T, s reindex.JobStore) {
	if s.Lease() != 100*time.Millisecond {
		t.Fatalf("the lease is %v, want 100ms", s.Lease())
	}
	dead := mustCreate(t, s, job("a", "dead", 0))
	var next reindex.Job
	for deadline := time.Now().Add(time.Minute); ; {
		stored, created, err := s.Create(t.Context(), job("a", "next", 1))
		if err != nil {
			t.Fatal(err)
		}
		if created {
			next = stored
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a minute after its lease ran out, this job still prevents another one: %+v", stored)
		}
	}
	got, err := s.Get(t.Context(), "a", "dead")
	if err != nil || got.Status != reindex.StatusFailure || got.Message == "" {
		t.Errorf("the dead job is %+v, error %v; want a failure with a message", got, err)
	}
	if next.Fence <= dead.Fence {
		t.Errorf("the fence of the next job is %d, want more than that of the dead job, %d", next.Fence, dead.Fence)
	}
	dead.Status = reindex.StatusSuccess
	if err := s.Finish(t.Context(), dead); !errors.Is(err, reindex.ErrLeaseLost) {
		t.Errorf("finishing the dead job: %v, want ErrLeaseLost", err)
	}
}

// List returns a job as a failure after its lease has run out, even if no other job follows. As long as the lease is
// renewed, the job is alive.
func testLeaseRenewed(t *testing.T, s reindex.JobStore) {
	j := mustCreate(t, s, job("a", "1", 0))
	ticker := time.NewTicker(s.Lease() / 100)
	defer ticker.Stop()
	for start := time.Now(); time.Since(start) < 3*s.Lease(); <-ticker.C {
		mustStore(t, s, j)
		if _, created, err := s.Create(t.Context(), job("a", "2", 1)); created || err != nil {
			t.Fatalf("a living job was declared dead: created %v, error %v", created, err)
		}
	}
	for deadline := time.Now().Add(time.Minute); ; {
		jobs, _, err := s.List(t.Context(), "a", reindex.JobQuery{})
		if err != nil || len(jobs) != 1 {
			t.Fatalf("jobs %v, error %v; want one job", jobs, err)
		}
		if jobs[0].Status == reindex.StatusFailure {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a minute after its lease ran out, the job is %s, want FAILURE", jobs[0].Status)
		}
		<-ticker.C
	}
}

// Fences grow with every job of a tenant.
func testFences(t *testing.T, s reindex.JobStore) {
	last := int64(0)
	for i := range 5 {
		j := mustCreate(t, s, job("a", fmt.Sprint(i), i))
		if j.Fence <= last {
			t.Errorf("job %d has fence %d, want more than %d", i, j.Fence, last)
		}
		last = j.Fence
		j.Status = reindex.StatusSuccess
		mustStore(t, s, j)
	}
}
