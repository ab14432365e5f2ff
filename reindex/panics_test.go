package reindex_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// A panic of anything that a host provides ends the run as a failure, not the program.
func TestPanics(t *testing.T) {
	products := reindextest.Products(1000, "new")
	panics := func(op reindextest.Op) func(reindextest.Call) reindextest.Fault {
		return faultAt(op, reindextest.Fault{Panic: errSource})
	}
	for _, test := range []struct {
		name  string
		src   reindex.Source
		cfg   reindex.Config
		fault func(reindextest.Call) reindextest.Fault
		phase reindex.Phase
	}{
		{name: "in Count", src: counted{n: -7}, phase: reindex.PhaseOpen},
		{
			name: "in the sequence", src: then(products, func(func(reindex.Product, error) bool) { panic(errSource) }),
			phase: reindex.PhaseRead,
		},
		{
			name:  "in Products",
			src:   reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] { panic(errSource) }),
			phase: reindex.PhaseRead,
		},
		{name: "in Transform", src: reindextest.Slice(products), phase: reindex.PhaseWrite, cfg: reindex.Config{
			Transform: func(context.Context, string, reindex.Product) (json.RawMessage, error) { panic(errSource) },
		}},
		{name: "in Begin", src: reindextest.Slice(products), fault: panics(reindextest.OpBegin), phase: reindex.PhaseBegin},
		{name: "in Write", src: reindextest.Slice(products), fault: panics(reindextest.OpWrite), phase: reindex.PhaseWrite},
		{name: "in Seal", src: reindextest.Slice(products), fault: panics(reindextest.OpSeal), phase: reindex.PhaseSeal},
		{
			name: "in Commit", src: reindextest.Slice(products), fault: panics(reindextest.OpCommit),
			phase: reindex.PhaseCommit,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, test.src, &test.cfg, test.fault)
			_, err := b.Run(t.Context(), tenant)
			panicked, ok := errors.AsType[*reindex.PanicError](err)
			if !ok || !errors.Is(err, errSource) || len(panicked.Stack) == 0 {
				t.Fatalf("error %v, want a PanicError with the value and a stack", err)
			}
			if failed, ok := errors.AsType[*reindex.RunError](err); !ok || failed.Phase != test.phase {
				t.Errorf("error %v, want a RunError of phase %s", err, test.phase)
			}
			b.assertOldLive(t)
			if m := b.lastJob(t).Message; strings.Contains(m, "10.1.2.3") || !strings.Contains(m, "defect") {
				t.Errorf("message %q, want one that says it was a defect, without the address", m)
			}
		})
	}
	t.Run("in Abort", func(t *testing.T) {
		b := newBench(t, reindextest.Slice(products), nil, panics(reindextest.OpAbort))
		if _, err := b.Run(t.Context(), tenant); err != nil {
			t.Errorf("the index is live, but the run fails: %v", err)
		}
		b.assertLive(t, products, "new")
	})
	t.Run("in Trace", func(t *testing.T) {
		trace := &reindex.Trace{
			JobStarted:   func(context.Context, reindex.Job) context.Context { panic("trace") },
			JobChanged:   func(context.Context, reindex.Job, reindex.Status) { panic("trace") },
			JobEnded:     func(context.Context, reindex.Job, error) { panic("trace") },
			PhaseStarted: func(context.Context, reindex.JobInfo, reindex.Phase) context.Context { panic("trace") },
			PhaseEnded:   func(context.Context, reindex.JobInfo, reindex.Phase, error) { panic("trace") },
			WriteStarted: func(context.Context, reindex.JobInfo, reindex.BatchWrite) context.Context { panic("trace") },
			WriteEnded:   func(context.Context, reindex.JobInfo, reindex.BatchWrite) { panic("trace") },
		}
		b := newBench(t, reindextest.Slice(products), &reindex.Config{Trace: trace}, nil)
		if _, err := b.Run(t.Context(), tenant); err != nil {
			t.Error(err)
		}
		b.assertLive(t, products, "new")
	})
}

// nothing is an error type whose methods panic on a nil pointer.
type nothing struct{ text string }

func (n *nothing) Error() string { return n.text }

// An error that is a nil pointer fails the run, and does not panic.
func TestTypedNilErrors(t *testing.T) {
	products := reindextest.Products(100, "new")
	var (
		none        *nothing
		noGate      *reindex.GateError
		noBatch     *reindex.BatchError
		noRecord    *reindex.RecordError
		noTemporary *reindex.TemporaryError
	)
	for i, bad := range []error{
		none, noGate, noBatch, noRecord, noTemporary, fmt.Errorf("reading: %w", noGate), errors.Join(errSource, none),
	} {
		b := newBench(t, then(products, func(yield func(reindex.Product, error) bool) { yield(reindex.Product{}, bad) }),
			nil, nil)
		if _, err := b.Run(t.Context(), tenant); !errors.As(err, new(*reindex.RunError)) || err.Error() == "" {
			t.Errorf("error %d of the source: the run returns %v, want a RunError with a text", i, err)
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
				t.Errorf("error %d of %s: the run returns %v; want one with a text, but none after Abort", i, op, err)
			}
		}
	}
	b := newBench(t, reindextest.Slice(products), &reindex.Config{
		MaxRejected: -1,
		Transform:   func(context.Context, string, reindex.Product) (json.RawMessage, error) { return nil, none },
	}, nil)
	if report, err := b.Run(t.Context(), tenant); err == nil || report.Rejected != 100 {
		t.Errorf("Transform: report %+v, error %v; want 100 rejected and an error", report, err)
	}
}

// A run fails if code of the host ends a goroutine of the run with runtime.Goexit.
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
				t.Errorf("error %v, want one that names runtime.Goexit", err)
			}
			if job := b.lastJob(t); !strings.Contains(job.Message, "because of a defect") {
				t.Errorf("message %q, want one that says it was a defect", job.Message)
			}
			b.assertOldLive(t)
		})
	}
	b := newBench(t, reindextest.Slice(products), nil, exits(reindextest.OpAbort))
	if _, err := b.Run(t.Context(), tenant); err != nil {
		t.Errorf("Goexit in Abort, after the switch-over, fails the run: %v", err)
	}
}
