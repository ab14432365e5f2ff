package reindex_test

import (
	"context"
	"encoding/json"
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

// Faults of a host's code, and their effect on the run. Each test is named after the fault.

// A write that fails for good ends the context of the read: a source that waits for that does not hold the run.
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
			b := newBench(t, waits{
				waiting,
			}, &reindex.Config{BatchDocs: 10, Readers: readers}, onWrite(func(reindextest.Call) reindextest.Fault {
				return reindextest.Fault{Err: errIndex}
			}))
			start := time.Now()
			if _, err := b.Run(t.Context(), tenant); !errors.Is(err, errIndex) {
				t.Errorf("error %v", err)
			}
			if took := time.Since(start); took > 0 {
				t.Errorf("the run went on for %v", took)
			}
			b.assertOldLive(t)
		})
	}
}

// waits is a source, in one sequence or in parts.
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

// A reader that fails ends the contexts of the others.
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
			t.Errorf("error %v", err)
		}
	})
}

// slowly lets an operation take a while of the bubble's time, and then succeed.
func slowly(op reindextest.Op, d time.Duration) func(reindextest.Call) reindextest.Fault {
	return func(c reindextest.Call) reindextest.Fault {
		if c.Op == op {
			return reindextest.Fault{Delay: d}
		}
		return reindextest.Fault{}
	}
}

// A run that somebody cancels through the store keeps its lease until it has ended, so that no second one begins
// meanwhile.
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
				time.Sleep(time.Second) //nolint:forbidigo // of the bubble's time
				if err := store.Cancel(t.Context(), tenant, job.ID); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Minute) //nolint:forbidigo // of the bubble's time
				before := store.updates.Load()
				time.Sleep(time.Minute) //nolint:forbidigo // of the bubble's time
				if n := store.updates.Load() - before; n < 3 {
					t.Errorf("%d renewals in the time of a lease, while the run cleans up", n)
				}
				if job := ended(t, b.Engine, job); job.Status != test.status {
					t.Errorf("the job is %s: %s", job.Status, job.Message)
				}
				if err := b.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// lostCommit is an index whose Commit is applied and never answers, or answers in a strange way.
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

// A switch-over of which no answer is known may have been applied: error and job say so, whatever ended the run.
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
		{"its caller gone", never, func(_ bench, cancel func()) { cancel() }},
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
				if !ok || !failure.MayBeLive || !strings.Contains(err.Error(), "whether the new index is live is not known") {
					t.Errorf("error %v", err)
				}
				if job := b.lastJob(t); !strings.Contains(job.Message, "whether the new index is live is not known") {
					t.Errorf("message %q", job.Message)
				}
				b.assertLive(t, reindextest.Products(100, "new"), "new")
				synctest.Wait()
			})
		})
	}
}

// A switch-over that was certainly not applied is not said to be in doubt.
func TestRefusedCommitIsNotLive(t *testing.T) {
	for name, refusal := range map[string]error{"temporary": reindex.Temporary(errBusy), "fenced": reindex.ErrFenced} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, reindextest.Slice(
				reindextest.Products(100, "new"),
			), nil, func(c reindextest.Call) reindextest.Fault {
				if c.Op == reindextest.OpCommit {
					return reindextest.Fault{Err: refusal}
				}
				return reindextest.Fault{}
			})
			_, err := b.Run(t.Context(), tenant)
			failure, ok := errors.AsType[*reindex.RunError](err)
			if !ok || failure.MayBeLive || failure.Phase != reindex.PhaseCommit {
				t.Errorf("error %v", err)
			}
			if job := b.lastJob(t); strings.Contains(job.Message, "not known") {
				t.Errorf("message %q", job.Message)
			}
			b.assertOldLive(t)
		})
	}
}

// Half of the catalogue, read twice, is not the catalogue.
func TestCountIsMetByDifferentProducts(t *testing.T) {
	half := reindextest.Products(500, "new")
	later := reindextest.Products(500, "later")
	for _, test := range []struct {
		name     string
		products []reindex.Product
		cfg      reindex.Config
		rule     reindex.Rule
	}{
		{"the same again", append(half[:500:500], half...), reindex.Config{}, reindex.RuleCount},
		{
			"the same again, duplicates allowed", append(half[:500:500], half...), reindex.Config{MaxDuplicates: -1},
			reindex.RuleCount,
		},
		{"others of the same ids", append(half[:500:500], later...), reindex.Config{}, reindex.RuleDuplicates},
		{"one other of the same id", append(half[:500:500], later[7]), reindex.Config{}, reindex.RuleDuplicates},
		{"one other of the same id, allowed", append(half[:500:500], later[7]), reindex.Config{MaxDuplicates: 1}, ""},
		{"one the same again, not announced", append(half[:500:500], half[7]), reindex.Config{CountMargin: -1}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, reindextest.Slice(test.products), &test.cfg, nil)
			report, err := b.Run(t.Context(), tenant)
			assertRule(t, err, test.rule)
			if report.Duplicates != int64(len(test.products)-500) {
				t.Errorf("report %+v", report)
			}
			if test.rule == "" {
				b.assertLive(t, half, "new")
			} else {
				b.assertOldLive(t)
			}
		})
	}
}

func assertRule(t *testing.T, err error, want reindex.Rule) {
	t.Helper()
	gate, _ := errors.AsType[*reindex.GateError](err)
	if (err == nil) != (want == "") || gate != nil && gate.Rule != want || err != nil && gate == nil {
		t.Errorf("error %v, want rule %q", err, want)
	}
}

// An estimate is shown, and nothing is checked against it.
func TestEstimateIsNotChecked(t *testing.T) {
	for err, want := range map[error]int64{nil: 700, errors.ErrUnsupported: 100} { // the live index has 100
		b := newBench(t, estimated{then(reindextest.Products(100, "new"), func(func(reindex.Product, error) bool) {}), err},
			nil, nil)
		if _, err := b.Run(t.Context(), tenant); err != nil {
			t.Fatal(err)
		}
		if job := b.lastJob(t); job.Expected != want || !job.Estimated || job.Report.Expected != -1 {
			t.Errorf("job %+v", job)
		}
	}
	b := newBench(t, estimated{then(nil, func(func(reindex.Product, error) bool) {}), errSource}, nil, nil)
	if _, err := b.Run(t.Context(), tenant); !errors.Is(err, errSource) {
		t.Errorf("error %v", err)
	}
}

type estimated struct {
	reindex.SourceFunc

	err error
}

func (e estimated) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	snap, err := e.SourceFunc.Open(ctx, tenant)
	return estimatedSnapshot{snap, e.err}, err
}

type estimatedSnapshot struct {
	reindex.Snapshot

	err error
}

func (e estimatedSnapshot) Estimate(context.Context) (int64, error) { return 700, e.err }

// AllowEmpty says nothing about how much smaller the index may become.
func TestAllowEmptyDoesNotAllowShrinking(t *testing.T) {
	b := newBench(t, reindextest.Slice(nil), &reindex.Config{AllowEmpty: true}, nil)
	_, err := b.Run(t.Context(), tenant)
	assertRule(t, err, reindex.RuleShrunk)
	b.assertOldLive(t)
}

// uncountable is an index whose live generation cannot be counted.
type uncountable struct{ *reindextest.Memory }

func (u uncountable) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	gen, err := u.Memory.Begin(ctx, tenant)
	return uncountableGeneration{gen}, err
}

type uncountableGeneration struct{ reindex.Generation }

func (g uncountableGeneration) Seal(ctx context.Context) (reindex.Sealed, error) {
	sealed, err := g.Generation.Seal(ctx)
	sealed.Live, sealed.LiveErr = 0, errIndex
	return sealed, err
}

// "Not known" is not "none": a live index that cannot be counted closes the gate, unless the host has switched the rule
// off.
func TestUncountableLiveIndexClosesTheGate(t *testing.T) {
	for _, test := range []struct {
		fraction float64
		rule     reindex.Rule
	}{{0, reindex.RuleShrunk}, {-1, ""}} {
		engine, err := reindex.New(reindextest.Slice(reindextest.Products(1, "new")), uncountable{reindextest.NewMemory()},
			&reindex.Config{MinFraction: test.fraction})
		if err != nil {
			t.Fatal(err)
		}
		report, err := engine.Run(t.Context(), tenant)
		assertRule(t, err, test.rule)
		if report.Replaced != -1 || err != nil && strings.Contains(err.Error(), errIndex.Error()) {
			t.Errorf("replaced %d, error %v", report.Replaced, err)
		}
	}
}

// nothing is an error type whose methods need a receiver.
type nothing struct{ text string }

func (n *nothing) Error() string { return n.text }

// A nil pointer in the place of an error is an error, and ends the run, not the program.
func TestTypedNilErrors(t *testing.T) {
	products := reindextest.Products(100, "new")
	var (
		none      *nothing
		noGate    *reindex.GateError
		noBatch   *reindex.BatchError
		noRecord  *reindex.RecordError
		noRelease *reindex.TemporaryError
	)
	for i, bad := range []error{
		none, noGate, noBatch, noRecord, noRelease, fmt.Errorf("reading: %w", noGate), errors.Join(errSource, none),
	} {
		b := newBench(t, then(products, func(yield func(reindex.Product, error) bool) { yield(reindex.Product{}, bad) }),
			nil, nil)
		if _, err := b.Run(t.Context(), tenant); !errors.As(err, new(*reindex.RunError)) || err.Error() == "" {
			t.Errorf("%d: error %v", i, err)
		}
		b.assertOldLive(t)
		for _, op := range []reindextest.Op{
			reindextest.OpBegin, reindextest.OpWrite, reindextest.OpFlush, reindextest.OpSeal, reindextest.OpCommit,
			reindextest.OpAbort,
		} {
			b := newBench(t, reindextest.Slice(products), nil, func(c reindextest.Call) reindextest.Fault {
				if c.Op == op {
					return reindextest.Fault{Err: bad}
				}
				return reindextest.Fault{}
			})
			_, err := b.Run(t.Context(), tenant)
			if (err == nil) != (op == reindextest.OpAbort) || err != nil && err.Error() == "" {
				t.Errorf("%d: %s: error %v", i, op, err)
			}
		}
	}
	b := newBench(t, reindextest.Slice(products), &reindex.Config{
		MaxRejected: -1,
		Transform:   func(context.Context, string, reindex.Product) (json.RawMessage, error) { return nil, none },
	}, nil)
	if report, err := b.Run(t.Context(), tenant); err == nil || report.Rejected != 100 {
		t.Errorf("transform: report %+v, error %v", report, err)
	}
}

// A record that cannot be read is rejected, with its place, and the read goes on.
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
		t.Errorf("report %+v", report)
	}
	b.assertLive(t, products, "new")
}

// The goroutine that a host's code ends with runtime.Goexit does not count as one that came to its end.
func TestGoexit(t *testing.T) {
	products := reindextest.Products(1000, "new")
	exits := func(op reindextest.Op) func(reindextest.Call) reindextest.Fault {
		return func(c reindextest.Call) reindextest.Fault {
			if c.Op == op {
				runtime.Goexit()
			}
			return reindextest.Fault{}
		}
	}
	for _, test := range []struct {
		name  string
		src   reindex.Source
		cfg   reindex.Config
		fault func(reindextest.Call) reindextest.Fault
	}{
		{name: "in the sequence", src: then(products, func(func(reindex.Product, error) bool) { runtime.Goexit() })},
		{name: "in Open", src: opens(func() { runtime.Goexit() })},
		{name: "in a Transform", src: reindextest.Slice(products), cfg: reindex.Config{
			Transform: func(context.Context, string, reindex.Product) (json.RawMessage, error) {
				runtime.Goexit()
				return nil, nil
			},
		}},
		{name: "in Begin", src: reindextest.Slice(products), fault: exits(reindextest.OpBegin)},
		{name: "in Write", src: reindextest.Slice(products), fault: exits(reindextest.OpWrite)},
		{name: "in Flush", src: reindextest.Slice(products), fault: exits(reindextest.OpFlush)},
		{name: "in Seal", src: reindextest.Slice(products), fault: exits(reindextest.OpSeal)},
		{name: "in Commit", src: reindextest.Slice(products), fault: exits(reindextest.OpCommit)},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, test.src, &test.cfg, test.fault)
			if _, err := b.Run(t.Context(), tenant); err == nil || !strings.Contains(err.Error(), "runtime.Goexit") {
				t.Errorf("error %v", err)
			}
			if job := b.lastJob(t); !strings.Contains(job.Message, "by a defect") {
				t.Errorf("message %q", job.Message)
			}
			b.assertOldLive(t)
		})
	}
	b := newBench(t, reindextest.Slice(products), nil, exits(reindextest.OpAbort))
	if _, err := b.Run(t.Context(), tenant); err != nil {
		t.Errorf("in Abort, after a switch-over: %v", err)
	}
}

// opens is a source that does something at Open.
type opens func()

func (o opens) Open(context.Context, string) (reindex.Snapshot, error) {
	o()
	return nil, nil //nolint:nilnil // the point
}

// A source that returns neither a snapshot nor an error fails.
func TestNoSnapshot(t *testing.T) {
	b := newBench(t, opens(func() {}), nil, nil)
	if _, err := b.Run(t.Context(), tenant); err == nil {
		t.Error("no error")
	}
	b.assertOldLive(t)
}

// A source that yields when it should not is not published, whatever it yields.
func TestMisusedSequences(t *testing.T) {
	products := reindextest.Products(1000, "new")
	read, late := make(chan struct{}), make(chan struct{}) // the sequence is known to have ended; it has yielded once more
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
			b := newBench(t, then(nil,
				test.read), &reindex.Config{Workers: 1, BatchDocs: 10}, func(c reindextest.Call) reindextest.Fault {
				if c.Op == reindextest.OpSeal && test.name == "after it has ended" {
					close(read)
					<-late
				}
				if c.Op == reindextest.OpWrite && test.name == "from several goroutines" {
					return reindextest.Fault{Delay: time.Hour} // so that one yield does not return
				}
				return reindextest.Fault{}
			})
			if _, err := b.Run(t.Context(), tenant); err == nil || !strings.Contains(err.Error(), test.err) ||
				!strings.Contains(err.Error(), "a defect of the Source") {
				t.Errorf("error %v, want one with %q", err, test.err)
			}
			b.assertOldLive(t)
		})
	}
}
