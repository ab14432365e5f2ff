package reindex_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"productindex/reindex"
)

// Watch yields the progress of a job until the job has ended.
func TestWatch(t *testing.T) {
	src := newGated(2000)
	b := newBench(t, src, &reindex.Config{BatchDocs: 100}, nil)
	job := mustStart(t, b.Engine, tenant)
	var seen []reindex.Job
	open := sync.OnceFunc(func() { close(src.gate) })
	for j, err := range b.Watch(t.Context(), tenant, job.ID) {
		if err != nil {
			t.Fatal(err)
		}
		if n := len(seen); n > 0 && (j.Processed < seen[n-1].Processed || j.Modified.Before(seen[n-1].Modified)) {
			t.Errorf("the job went back from %+v to %+v", seen[n-1], j)
		}
		seen = append(seen, j)
		if j.Processed >= 900 { // all products that come before the source waits
			open()
		}
	}
	last := seen[len(seen)-1]
	if last.Status != reindex.StatusSuccess || last.Processed != 2000 || len(seen) < 3 {
		t.Errorf("got %d states, the last one %+v, want at least 3 and SUCCESS", len(seen), last)
	}
	// A job that has ended is yielded once.
	n := 0
	for j, err := range b.Watch(t.Context(), tenant, job.ID) {
		if n++; err != nil || j.Status != reindex.StatusSuccess {
			t.Errorf("job %+v, error %v; want SUCCESS", j, err)
		}
	}
	if n != 1 {
		t.Errorf("an ended job was yielded %d times, want once", n)
	}
}

// Jobs selects and orders jobs by their current state, not by the state that was last stored.
func TestJobsAreSelectedAsTheyAre(t *testing.T) {
	src := newGated(2000)
	b := newBench(t, src, &reindex.Config{BatchDocs: 100}, nil)
	job := mustStart(t, b.Engine, tenant)
	for j, err := range b.Watch(t.Context(), tenant, job.ID) {
		if err != nil {
			t.Fatal(err)
		}
		if j.Processed >= 900 {
			break
		}
	}
	jobs, total, err := b.Jobs(t.Context(), tenant, reindex.JobQuery{
		Match:   func(j reindex.Job) bool { return j.Processed >= 900 },
		Compare: func(x, y reindex.Job) int { return int(y.Processed - x.Processed) },
	})
	if err != nil || total != 1 || len(jobs) != 1 || jobs[0].Processed < 900 {
		t.Errorf("got the jobs %+v of %d, error %v, want the running one", jobs, total, err)
	}
	close(src.gate)
	ended(t, b.Engine, job)
	if err := b.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	src := newGated(200)
	b := newBench(t, src, nil, nil)
	job := mustStart(t, b.Engine, tenant)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range b.Watch(ctx, tenant, job.ID) {
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("the sequence ended with %v, want context.Canceled", last)
	}
	close(src.gate)
	ended(t, b.Engine, job)
	if err := b.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
