package reindex_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// A run that is stopped in any phase leaves the live index as it was, and removes its new index.
func TestCancel(t *testing.T) {
	slow := func(op reindextest.Op) func(reindextest.Call) reindextest.Fault {
		return func(c reindextest.Call) reindextest.Fault {
			if c.Op == op {
				return reindextest.Fault{Delay: time.Hour}
			}
			return reindextest.Fault{}
		}
	}
	for _, test := range []struct {
		name     string
		careless bool
		open     bool // the source does not wait
		fault    func(reindextest.Call) reindextest.Fault
	}{
		{name: "while the source waits"},
		{name: "while a careless source waits", careless: true},
		{name: "while begin waits", fault: slow(reindextest.OpBegin)},
		{name: "while a write waits", open: true, fault: slow(reindextest.OpWrite)},
		{name: "while seal waits", open: true, fault: slow(reindextest.OpSeal)},
		{name: "between tries", open: true, fault: onWrite(func(reindextest.Call) reindextest.Fault {
			return reindextest.Fault{Err: &reindex.TemporaryError{Err: errBusy, RetryAfter: time.Hour}}
		})},
	} {
		for _, how := range []string{"Cancel", "Shutdown", "context"} {
			t.Run(test.name+", by "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					src := newGated(5000)
					src.careless = test.careless
					if test.open {
						close(src.gate)
					}
					b := newBench(t, src, &reindex.Config{Retry: reindex.Retry{Attempts: 3}}, test.fault)
					ctx, cancel := context.WithCancel(t.Context())
					result := make(chan error, 1)
					go func() {
						_, err := b.Run(ctx, tenant)
						result <- err
					}()
					synctest.Wait()
					start := time.Now()
					var want error
					switch how {
					case "Cancel":
						want = reindex.ErrCancelled
						if err := b.Cancel(t.Context(), tenant, b.lastJob(t).ID); err != nil {
							t.Error(err)
						}
					case "Shutdown":
						want = reindex.ErrShutdown
						impatient, stop := context.WithTimeout(t.Context(), time.Second)
						if err := b.Shutdown(impatient); !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("shutdown: error %v, want DeadlineExceeded", err)
						}
						stop()
					case "context":
						want = context.Canceled
						cancel()
					}
					if err := <-result; !errors.Is(err, want) || !errors.As(err, new(*reindex.RunError)) {
						t.Errorf("error %v, want %v", err, want)
					}
					cancel()
					if took := time.Since(start); took > 2*time.Second {
						t.Errorf("stopping the run took %v, want at most 2s", took)
					}
					b.assertOldLive(t)
					if job := b.lastJob(t); job.Status != reindex.StatusFailure || !strings.Contains(job.Message, "the reindex was ") {
						t.Errorf("the job is %s (%s), want FAILURE and how it was stopped", job.Status, job.Message)
					}
				})
			})
		}
	}
}

// A switch-over that has begun is not cut off at once, but after CleanupTimeout.
func TestCancelDuringCommit(t *testing.T) {
	for _, test := range []struct {
		name  string
		takes time.Duration
		want  reindex.Status
	}{
		{"short", 10 * time.Second, reindex.StatusSuccess},
		{"for ever", time.Hour, reindex.StatusFailure},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				products := reindextest.Products(100, "new")
				b := newBench(t, reindextest.Slice(products), nil, func(c reindextest.Call) reindextest.Fault {
					if c.Op == reindextest.OpCommit {
						return reindextest.Fault{Delay: test.takes}
					}
					return reindextest.Fault{}
				})
				job := mustStart(t, b.Engine, tenant)
				synctest.Wait()
				if err := b.Cancel(t.Context(), tenant, job.ID); err != nil {
					t.Error(err)
				}
				if job := ended(t, b.Engine, job); job.Status != test.want {
					t.Errorf("the job is %s (%s), want %s", job.Status, job.Message, test.want)
				}
				if test.want == reindex.StatusSuccess {
					b.assertLive(t, products, "new")
				} else {
					b.assertOldLive(t)
				}
			})
		})
	}
}
