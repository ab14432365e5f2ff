package reindex_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// The tests in this file are about limits: of memory, of waits, and of the time until a run ends.

// Shutdown does not wait forever for code that ignores its context. It names the runs that are stuck in such code.
func TestShutdownNamesTheStuck(t *testing.T) {
	for _, phase := range []reindex.Phase{
		reindex.PhaseOpen, reindex.PhaseBegin, reindex.PhaseLoad, reindex.PhaseSeal, reindex.PhaseCommit, reindex.PhaseAbort,
	} {
		t.Run(string(phase), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stuck := make(chan struct{})
				src := opensLate(func() iter.Seq2[reindex.Product, error] {
					if phase == reindex.PhaseOpen {
						<-stuck
					}
					return func(func(reindex.Product, error) bool) {
						if phase == reindex.PhaseLoad {
							<-stuck
						}
					}
				})
				ops := map[reindextest.Op]reindex.Phase{
					reindextest.OpBegin: reindex.PhaseBegin, reindextest.OpSeal: reindex.PhaseSeal,
					reindextest.OpCommit: reindex.PhaseCommit,
					reindextest.OpAbort:  reindex.PhaseAbort,
				}
				cfg := &reindex.Config{AllowEmpty: true, MinFraction: -1, CleanupTimeout: 10 * time.Second}
				b := newBench(t, src, cfg, func(c reindextest.Call) reindextest.Fault {
					if ops[c.Op] == phase {
						<-stuck
					}
					return reindextest.Fault{}
				})
				job := mustStart(t, b.Engine, tenant)
				synctest.Wait()
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := b.Shutdown(ctx)
				named, ok := errors.AsType[*reindex.StuckError](err)
				if !ok || !errors.Is(err, context.DeadlineExceeded) || len(named.Runs) != 1 || named.Runs[0].Job != job.ID ||
					named.Runs[0].Tenant != tenant || named.Runs[0].Phase != phase || !strings.Contains(err.Error(), job.ID) {
					t.Errorf("error %v, want one that names the run and phase %s", err, phase)
				}
				if took := time.Since(start); took > 13*time.Second {
					t.Errorf("Shutdown took %v, want at most 13s", took)
				}
				close(stuck)
				if err := b.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// opensLate is a source whose Open calls the function.
type opensLate func() iter.Seq2[reindex.Product, error]

func (o opensLate) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	seq := o()
	src := reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] { return seq })
	return src.Open(ctx, tenant)
}

// When Shutdown returns, the runs that it cancelled have removed their indexes.
func TestShutdownWaitsForTheCleanUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newGated(1000), nil, slowly(reindextest.OpAbort, 10*time.Second))
		mustStart(t, b.Engine, tenant)
		synctest.Wait()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.Shutdown(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("shutdown: error %v, want context.Canceled", err)
		}
		b.assertOldLive(t) // also checks that no generation is open
		if job := b.lastJob(t); !job.Status.Ended() {
			t.Errorf("the job is %s, want an ended one", job.Status)
		}
	})
}

// If a server asks for a wait of a day, the run waits for MaxRetryAfter.
func TestRetryAfterIsCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for limit, want := range map[time.Duration]time.Duration{
			0:           5 * time.Minute,
			time.Hour:   time.Hour,
			time.Second: time.Second,
		} {
			cfg := &reindex.Config{Retry: reindex.Retry{MinDelay: time.Millisecond, MaxRetryAfter: limit}}
			b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), cfg,
				func(c reindextest.Call) reindextest.Fault {
					if c.Op == reindextest.OpWrite && c.N == 1 {
						return reindextest.Fault{Err: &reindex.TemporaryError{Err: errBusy, RetryAfter: 24 * time.Hour}}
					}
					return reindextest.Fault{}
				})
			start := time.Now()
			if _, err := b.Run(t.Context(), tenant); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took != want {
				t.Errorf("the run took %v, want %v", took, want)
			}
		}
	})
}

// The size of a batch includes the ids.
func TestBatchesCountIDs(t *testing.T) {
	var products []reindex.Product
	for i := range 1000 {
		id := fmt.Sprintf("%04d", i) + strings.Repeat("x", 4000)
		products = append(products, reindex.Product{ID: id, Body: json.RawMessage(`{"rev":"new"}`)})
	}
	largest, writes := 0, 0
	b := newBench(t, reindextest.Slice(products), &reindex.Config{BatchBytes: 100_000, Workers: 1},
		onWrite(func(c reindextest.Call) reindextest.Fault {
			size := 0
			for _, p := range c.Batch {
				size += len(p.ID) + len(p.Body)
			}
			largest, writes = max(largest, size), writes+1
			return reindextest.Fault{}
		}))
	if _, err := b.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	if largest > 100_000 || writes < 40 || writes > 45 {
		t.Errorf("got %d writes of up to %d bytes, want 40 to 45 of up to 100,000", writes, largest)
	}
}

// Long reasons are shortened, whether they come from the source, the transform or the index.
func TestReasonsAreShort(t *testing.T) {
	long := errors.New(strings.Repeat("ä", 1<<20))
	products := reindextest.Products(40, "new")
	src := then(products, func(yield func(reindex.Product, error) bool) {
		yield(reindex.Product{}, &reindex.RecordError{ID: strings.Repeat("i", 1<<20), Where: long.Error(), Err: long})
	})
	cfg := &reindex.Config{MaxRejected: -1, MinFraction: -1,
		Transform: func(_ context.Context, _ string, p reindex.Product) (json.RawMessage, error) {
			if p.ID == "p1" {
				return nil, long
			}
			return p.Body, nil
		}}
	b := newBench(t, src, cfg, onWrite(func(c reindextest.Call) reindextest.Fault {
		var fault reindextest.Fault
		for _, p := range c.Batch {
			switch p.ID {
			case "p2":
				fault.Items = append(fault.Items, reindex.ItemError{ID: p.ID, Err: long})
			case "p3":
				return reindextest.Fault{Err: reindex.Public(fmt.Errorf("%w: %w", reindex.ErrRefused, long), long.Error())}
			}
		}
		return fault
	}))
	report, err := b.Run(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rejections) != 4 {
		t.Errorf("got %d rejections, want 4", len(report.Rejections))
	}
	for _, r := range report.Rejections {
		if len(r.Reason) > 1000 || len(r.Reason) < 900 || !strings.HasSuffix(r.Reason, "ä…") || len(r.Where) > 1000 ||
			len(r.ID) > 4096 {
			t.Errorf("product %.10q: got a reason of %d bytes and a place of %d, want at most 1000",
				r.ID, len(r.Reason), len(r.Where))
		}
	}
}

// If the source fails, the report counts all products that were read before, including those in unfinished batches.
func TestReadIsCompleteAfterAnError(t *testing.T) {
	products := reindextest.Products(1234, "new")
	products = append(products, products[7], reindextest.NewProduct("p8", nil))
	src := then(products, func(yield func(reindex.Product, error) bool) {
		_ = yield(reindex.Product{}, &reindex.RecordError{ID: "bad", Err: errBusy}) && yield(reindex.Product{}, errSource)
	})
	b := newBench(t, src, &reindex.Config{BatchDocs: 500}, nil)
	report, err := b.Run(t.Context(), tenant)
	if !errors.Is(err, errSource) {
		t.Fatalf("error %v, want %v", err, errSource)
	}
	if report.Read != 1237 || report.Duplicates != 2 || report.Conflicts != 1 || len(report.DuplicateIDs) != 2 ||
		report.Rejected != 1 || len(report.Rejections) != 1 || report.Bytes == 0 {
		t.Errorf("report %+v, want 1237 read, 2 duplicates and 1 rejected", report)
	}
}

// Leftovers of dead runs are removed at the start of each run.
func TestReaps(t *testing.T) {
	index := &reaping{Memory: reindextest.NewMemory()}
	engine, err := reindex.New(reindextest.Slice(reindextest.Products(10, "new")), index, nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 2; n++ {
		if _, err := engine.Run(t.Context(), tenant); err != nil {
			t.Fatal(err)
		}
		if len(index.reaped) != n || index.reaped[n-1] != tenant {
			t.Errorf("Reap was called for %v, want once per run", index.reaped)
		}
	}
}

type reaping struct {
	*reindextest.Memory

	reaped []string
}

func (r *reaping) Reap(_ context.Context, tenant string) (int, error) {
	r.reaped = append(r.reaped, tenant)
	return 0, errIndex // which is logged
}

// A call that fails with an error that is not temporary is not repeated.
func TestPermanentErrorsAreNotRetried(t *testing.T) {
	for _, op := range []reindextest.Op{
		reindextest.OpBegin, reindextest.OpWrite, reindextest.OpFlush, reindextest.OpSeal, reindextest.OpCommit,
		reindextest.OpAbort,
	} {
		index := reindextest.NewMemory()
		calls := map[reindextest.Op]int{}
		faulty := reindextest.NewFaulty(index, func(c reindextest.Call) reindextest.Fault {
			if calls[c.Op]++; c.Op == op {
				return reindextest.Fault{Err: errIndex}
			}
			return reindextest.Fault{}
		})
		engine, err := reindex.New(reindextest.Slice(reindextest.Products(10, "new")), faulty, &reindex.Config{Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := engine.Run(t.Context(), tenant); (err == nil) != (op == reindextest.OpAbort) || calls[op] != 1 {
			t.Errorf("%s was called %d times, error %v, want one call", op, calls[op], err)
		}
	}
}

// A run that was stopped discards its generation with a context that has not ended.
func TestAbortHasAContextOfItsOwn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	index := reindextest.NewMemory()
	publish(t, index, reindextest.Products(100, "old"))
	aborted := false
	src := then(reindextest.Products(10, "new"), func(func(reindex.Product, error) bool) { cancel() })
	engine, err := reindex.New(src, aborting{index, func(ctx context.Context) {
		deadline, ok := ctx.Deadline()
		if aborted = true; ctx.Err() != nil || !ok || time.Until(deadline) > time.Minute {
			t.Errorf("the context of Abort ends at %v, error %v, want within a minute and no error", deadline, ctx.Err())
		}
	}}, &reindex.Config{CleanupTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Run(ctx, tenant); !errors.Is(err, context.Canceled) || !aborted {
		t.Errorf("error %v, aborted %v; want context.Canceled and true", err, aborted)
	}
}

type aborting struct {
	*reindextest.Memory

	look func(ctx context.Context)
}

func (a aborting) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	gen, err := a.Memory.Begin(ctx, tenant)
	return abortingGeneration{gen, a.look}, err
}

type abortingGeneration struct {
	reindex.Generation

	look func(ctx context.Context)
}

func (g abortingGeneration) Abort(ctx context.Context) error {
	g.look(ctx)
	return g.Generation.Abort(ctx)
}

// A snapshot is closed once, at the end of the run, even if the run fails.
func TestSnapshotIsClosed(t *testing.T) {
	for _, bad := range []bool{false, true} {
		closed := 0
		src := closing{reindextest.Products(100, "new"), &closed, bad}
		b := newBench(t, src, nil, nil)
		if _, err := b.Run(t.Context(), tenant); (err != nil) != bad {
			t.Errorf("error %v, want an error: %v", err, bad)
		}
		if closed != 1 {
			t.Errorf("the snapshot was closed %d times, want once", closed)
		}
	}
}

type closing struct {
	reindextest.Slice

	closed *int
	bad    bool
}

func (c closing) Open(context.Context, string) (reindex.Snapshot, error) { return c, nil }

func (c closing) Count(context.Context) (int64, error) {
	if c.bad {
		return 0, errSource
	}
	return 100, nil
}

func (c closing) Close() error {
	*c.closed++
	return errSource // which is logged
}

// The message of a job has the public text of an error, and no other text of it.
func TestPublicMessages(t *testing.T) {
	for _, test := range []struct{ err error }{
		{reindex.Public(errSource, "acme.csv, line 17: 3 cells")},
		{fmt.Errorf("csv: %w", reindex.Public(errSource, "acme.csv, line 17: 3 cells"))},
	} {
		b := newBench(t, then(nil, func(yield func(reindex.Product, error) bool) { yield(reindex.Product{}, test.err) }),
			nil, nil)
		if _, err := b.Run(t.Context(), tenant); !errors.Is(err, errSource) {
			t.Errorf("error %v, want %v", err, errSource)
		}
		if job := b.lastJob(t); job.Message != "reading the products failed: acme.csv, line 17: 3 cells" {
			t.Errorf("the message is %q, want the public text of the error", job.Message)
		}
	}
	if reindex.Public(nil, "x") != nil {
		t.Error("Public(nil) is not nil")
	}
}

// The reason of a rejected product is the public text of the error, or the error's own text if it has no public one.
func TestPublicReasons(t *testing.T) {
	secret := reindex.Public(errors.New("index hunter2: price is text"), "price is text")
	src := then(reindextest.Products(3, "1"), func(yield func(reindex.Product, error) bool) {
		yield(reindex.Product{}, &reindex.RecordError{ID: "record", Err: secret})
	})
	b := newBench(t, src, &reindex.Config{
		MaxRejected: -1, MinFraction: -1,
	}, onWrite(func(reindextest.Call) reindextest.Fault {
		return reindextest.Fault{Items: []reindex.ItemError{
			{ID: "p0", Err: fmt.Errorf("write: %w", secret)}, {ID: "p1", Err: errors.New("no price")},
		}}
	}))
	report, err := b.Run(t.Context(), tenant)
	if err != nil || len(report.Rejections) != 3 {
		t.Fatalf("rejections %v, error %v; want 3", report.Rejections, err)
	}
	for _, r := range report.Rejections {
		want := map[string]string{"record": "price is text", "p0": "price is text", "p1": "no price"}[r.ID]
		if r.Reason != want {
			t.Errorf("product %s: the reason is %q, want %q", r.ID, r.Reason, want)
		}
	}
}
