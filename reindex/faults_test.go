package reindex_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// The tests in this file are about faults of a host's code. Each is named after its fault.

// A write that fails for good ends the context of the read. Therefore the run does not wait for a source that waits for
// its context.
func TestFailedWriteEndsTheRead(t *testing.T) {
	for _, readers := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			waiting := func(ctx context.Context) iter.Seq2[reindex.Product, error] {
				return func(yield func(reindex.Product, error) bool) {
					for _, p := range reindextest.Products(100, "new") {
						if !yield(p, nil) {
							return
						}
					}
					<-ctx.Done()
					yield(reindex.Product{}, ctx.Err())
				}
			}
			b := newBench(t, waits{waiting}, &reindex.Config{BatchDocs: 10, Readers: readers},
				faultAt(reindextest.OpWrite, reindextest.Fault{Err: errIndex}))
			start := time.Now()
			if _, err := b.Run(t.Context(), tenant); !errors.Is(err, errIndex) {
				t.Errorf("error %v, want %v", err, errIndex)
			}
			if took := time.Since(start); took > 0 {
				t.Errorf("the run went on for %v, want it to end at once", took)
			}
			b.assertOldLive(t)
		})
	}
}

// waits is a source that can be read in one sequence or in parts.
type waits struct {
	read func(ctx context.Context) iter.Seq2[reindex.Product, error]
}

func (w waits) Open(context.Context, string) (reindex.Snapshot, error) { return w, nil }

func (w waits) Close() error { return nil }

func (w waits) Products(ctx context.Context) iter.Seq2[reindex.Product, error] { return w.read(ctx) }

func (w waits) Split(_ context.Context, n int) ([]string, error) {
	return []string{"a", "b", "c"}[:n], nil
}

func (w waits) Part(ctx context.Context, _ string) iter.Seq2[reindex.Product, error] {
	return w.read(ctx)
}

// A reader that fails ends the contexts of the other readers.
func TestFailedPartEndsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first atomic.Bool
		b := newBench(t, waits{func(ctx context.Context) iter.Seq2[reindex.Product, error] {
			return func(yield func(reindex.Product, error) bool) {
				if first.CompareAndSwap(false, true) {
					yield(reindex.Product{}, errSource)
					return
				}
				<-ctx.Done()
				yield(reindex.Product{}, ctx.Err())
			}
		}}, &reindex.Config{Readers: 3}, nil)
		if _, err := b.Run(t.Context(), tenant); !errors.Is(err, errSource) {
			t.Errorf("error %v, want %v", err, errSource)
		}
	})
}

// slowly returns faults that delay an operation, which then succeeds.
func slowly(op reindextest.Op, d time.Duration) func(reindextest.Call) reindextest.Fault {
	return func(c reindextest.Call) reindextest.Fault {
		if c.Op == op {
			return reindextest.Fault{Delay: d}
		}
		return reindextest.Fault{}
	}
}

// A run that is cancelled through the store keeps its lease until it has ended, so that no second run begins meanwhile.
func TestCancelledRunKeepsItsLease(t *testing.T) {
	for _, test := range []struct {
		op     reindextest.Op
		status reindex.Status
	}{
		{reindextest.OpCommit, reindex.StatusSuccess}, // the switch-over had begun
		{reindextest.OpAbort, reindex.StatusFailure},
	} {
		t.Run(string(test.op), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, store := newGated(1000), newLeasing()
				if test.op == reindextest.OpCommit {
					close(src.gate)
				}
				b := newBench(t, src, &reindex.Config{Jobs: store, CleanupTimeout: time.Hour}, slowly(test.op, 5*time.Minute))
				job := mustStart(t, b.Engine, tenant)
				time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock jumps
				if err := store.Cancel(t.Context(), tenant, job.ID); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Minute) //nolint:forbidigo // the bubble's clock jumps
				before := store.updates.Load()
				time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock jumps
				if n := store.updates.Load() - before; n < 3 {
					t.Errorf("%d renewals in a minute while the run cleans up, want at least 3", n)
				}
				if job := ended(t, b.Engine, job); job.Status != test.status {
					t.Errorf("the job is %s (%s), want %s", job.Status, job.Message, test.status)
				}
				if err := b.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// lostCommit is an index whose Commit takes effect and then returns the result of answer, which may wait.
type lostCommit struct {
	*reindextest.Memory

	answer func(ctx context.Context) error
}

func (l lostCommit) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	gen, err := l.Memory.Begin(ctx, tenant)
	return lostGeneration{gen, l.answer}, err
}

type lostGeneration struct {
	reindex.Generation

	answer func(ctx context.Context) error
}

func (g lostGeneration) Commit(ctx context.Context) error {
	return errors.Join(g.Generation.Commit(ctx), g.answer(ctx))
}

// If the outcome of a switch-over is not known, the new index may be live. The error and the job say so, whatever ended
// the run.
func TestLostCommitMayBeLive(t *testing.T) {
	never := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for _, test := range []struct {
		name   string
		answer func(ctx context.Context) error
		stop   func(b bench, cancel func())
	}{
		{"cancelled", never, func(b bench, _ func()) {
			jobs, _, _ := b.Jobs(context.Background(), tenant, reindex.JobQuery{})
			_ = b.Cancel(context.Background(), tenant, jobs[0].ID)
		}},
		{"shut down", never, func(b bench, _ func()) {
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			go func() { _ = b.Shutdown(ended) }()
		}},
		{"the caller's context ended", never, func(_ bench, cancel func()) { cancel() }},
		{"an error", func(context.Context) error { return errIndex }, nil},
		{"a panic", func(context.Context) error { panic(errIndex) }, nil},
		{"Goexit", func(context.Context) error { runtime.Goexit(); return nil }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				index := reindextest.NewMemory()
				publish(t, index, reindextest.Products(100, "old"))
				engine, err := reindex.New(reindextest.Slice(reindextest.Products(100, "new")), lostCommit{index, test.answer}, nil)
				if err != nil {
					t.Fatal(err)
				}
				b := bench{engine, index}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				result := make(chan error, 1)
				go func() {
					_, err := b.Run(ctx, tenant)
					result <- err
				}()
				synctest.Wait()
				if test.stop != nil {
					test.stop(b, cancel)
				}
				err = <-result
				failure, ok := errors.AsType[*reindex.RunError](err)
				if !ok || !failure.MayBeLive || !strings.Contains(err.Error(), "it is not known whether the new index is live") {
					t.Errorf("error %v, want one that says the new index may be live", err)
				}
				if job := b.lastJob(t); !strings.Contains(job.Message, "it is not known whether the new index is live") {
					t.Errorf("message %q, want one that says the new index may be live", job.Message)
				}
				b.assertLive(t, reindextest.Products(100, "new"), "new")
				synctest.Wait()
			})
		})
	}
}

// If a switch-over was certainly not applied, neither the error nor the job says that the new index may be live.
func TestRefusedCommitIsNotLive(t *testing.T) {
	for name, refusal := range map[string]error{"temporary": reindex.Temporary(errBusy), "fenced": reindex.ErrFenced} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), nil,
				func(c reindextest.Call) reindextest.Fault {
					if c.Op == reindextest.OpCommit {
						return reindextest.Fault{Err: refusal}
					}
					return reindextest.Fault{}
				})
			_, err := b.Run(t.Context(), tenant)
			failure, ok := errors.AsType[*reindex.RunError](err)
			if !ok || failure.MayBeLive || failure.Phase != reindex.PhaseCommit {
				t.Errorf("error %v, want one of the commit, without MayBeLive", err)
			}
			if job := b.lastJob(t); strings.Contains(job.Message, "not known") {
				t.Errorf("message %q, want one without doubt about the live index", job.Message)
			}
			b.assertOldLive(t)
		})
	}
}

// A record that cannot be read is rejected with its place, and the read continues.
func TestRecordErrors(t *testing.T) {
	products := reindextest.Products(100, "new")
	src := reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			for i, p := range products {
				if i == 50 && !yield(reindex.Product{},
					fmt.Errorf("csv: %w", &reindex.RecordError{ID: "x", Where: "a.csv, line 51", Err: errors.New("3 cells")})) {
					return
				}
				if i == 60 && !yield(reindex.Product{}, &reindex.RecordError{Err: errors.New("no id")}) {
					return
				}
				if !yield(p, nil) {
					return
				}
			}
		}
	})
	b := newBench(t, src, &reindex.Config{MaxRejected: 2}, nil)
	report, err := b.Run(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	want := []reindex.Rejection{{ID: "x", Reason: "3 cells", Where: "a.csv, line 51"}, {Reason: "no id"}}
	if report.Read != 102 || report.Rejected != 2 || fmt.Sprint(report.Rejections) != fmt.Sprint(want) {
		t.Errorf("report %+v, want 102 read, and the rejections %v", report, want)
	}
	b.assertLive(t, products, "new")
}

// opens is a source whose Open calls the function and returns no snapshot.
type opens func()

func (o opens) Open(context.Context, string) (reindex.Snapshot, error) {
	o()
	return nil, nil //nolint:nilnil // the fault under test
}

// If a source returns neither a snapshot nor an error, the run fails.
func TestNoSnapshot(t *testing.T) {
	b := newBench(t, opens(func() {}), nil, nil)
	if _, err := b.Run(t.Context(), tenant); err == nil {
		t.Error("the run succeeded without a snapshot, want an error")
	}
	b.assertOldLive(t)
}

// If a source yields when it must not, its products are not published.
func TestMisusedSequences(t *testing.T) {
	products := reindextest.Products(1000, "new")
	read := make(chan struct{}) // closed when the sequence has ended
	late := make(chan struct{}) // closed when it has yielded again
	for _, test := range []struct {
		name string
		read func(yield func(reindex.Product, error) bool)
		err  string
	}{
		{"from several goroutines", func(yield func(reindex.Product, error) bool) {
			var readers sync.WaitGroup
			for part := range 4 {
				readers.Go(func() {
					for _, p := range products[part*250 : (part+1)*250] {
						yield(p, nil)
					}
				})
			}
			readers.Wait()
		}, "from several goroutines"},
		{"after it was asked to stop", func(yield func(reindex.Product, error) bool) {
			yield(reindex.Product{}, errSource)
			yield(products[0], nil)
		}, errSource.Error()},
		{"after it has ended", func(yield func(reindex.Product, error) bool) {
			for _, p := range products {
				yield(p, nil)
			}
			go func() {
				<-read
				yield(products[0], nil)
				close(late)
			}()
		}, "after its sequence had ended"},
	} {
		t.Run(test.name, func(t *testing.T) {
			fault := func(c reindextest.Call) reindextest.Fault {
				if c.Op == reindextest.OpSeal && test.name == "after it has ended" {
					close(read)
					<-late
				}
				if c.Op == reindextest.OpWrite && test.name == "from several goroutines" {
					return reindextest.Fault{Delay: time.Hour} // so that one yield does not return
				}
				return reindextest.Fault{}
			}
			b := newBench(t, then(nil, test.read), &reindex.Config{Workers: 1, BatchDocs: 10}, fault)
			if _, err := b.Run(t.Context(), tenant); err == nil || !strings.Contains(err.Error(), test.err) ||
				!strings.Contains(err.Error(), "a defect of the Source") {
				t.Errorf("error %v, want one with %q", err, test.err)
			}
			b.assertOldLive(t)
		})
	}
}
