package reindex_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

var errBusy = errors.New("queue is full")

// onWrite applies the faults that f returns to writes only.
func onWrite(f func(c reindextest.Call) reindextest.Fault) func(reindextest.Call) reindextest.Fault {
	return func(c reindextest.Call) reindextest.Fault {
		if c.Op == reindextest.OpWrite {
			return f(c)
		}
		return reindextest.Fault{}
	}
}

// Only those products of a batch that had a temporary error are sent again.
func TestRetriesFailedItemsAlone(t *testing.T) {
	products := reindextest.Products(300, "new")
	var mu sync.Mutex
	sent := map[string]int{}
	b := newBench(t, reindextest.Slice(products), &reindex.Config{BatchDocs: 100, MaxRejected: 1},
		onWrite(func(c reindextest.Call) reindextest.Fault {
			mu.Lock()
			defer mu.Unlock()
			var fault reindextest.Fault
			for _, p := range c.Batch {
				sent[p.ID]++
				if p.ID == "p150" {
					fault.Items = append(fault.Items, reindex.ItemError{ID: p.ID, Err: errors.New("bad price")})
				} else if strings.HasSuffix(p.ID, "7") && sent[p.ID] <= 2 {
					fault.Items = append(fault.Items, reindex.ItemError{ID: p.ID, Retryable: true, Err: errBusy})
				}
			}
			return fault
		}))
	report, err := b.Run(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	b.assertLive(t, slices.Delete(slices.Clone(products), 150, 151), "new")
	if len(report.Rejections) != 1 || report.Rejections[0] != (reindex.Rejection{ID: "p150", Reason: "bad price"}) {
		t.Errorf("rejections %v, want p150 for its bad price", report.Rejections)
	}
	if report.Batches != 9 || report.Retries != 6 {
		t.Errorf("%d batches, %d retries; want 9 and 6", report.Batches, report.Retries)
	}
	for _, p := range products {
		want := 1
		if strings.HasSuffix(p.ID, "7") {
			want = 3
		}
		if sent[p.ID] != want {
			t.Errorf("%s was sent %d times, want %d", p.ID, sent[p.ID], want)
		}
	}
}

// If an index refuses a whole batch for one product, halving finds it, and only it is rejected.
func TestIsolatesPoisonProducts(t *testing.T) {
	for _, reason := range []error{reindex.ErrRefused, reindex.ErrTooLarge} {
		products := reindextest.Products(10_000, "new")
		poison := []string{"p0", "p1234", "p9999"}
		b := newBench(t, reindextest.Slice(products), &reindex.Config{MaxRejected: 3},
			onWrite(func(c reindextest.Call) reindextest.Fault {
				if slices.ContainsFunc(c.Batch, func(p reindex.Product) bool { return slices.Contains(poison, p.ID) }) {
					return reindextest.Fault{Err: fmt.Errorf("status 400: %w", reason)}
				}
				return reindextest.Fault{}
			}))
		report, err := b.Run(t.Context(), tenant)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, r := range report.Rejections {
			found = append(found, r.ID)
		}
		slices.Sort(found)
		if !slices.Equal(found, poison) {
			t.Errorf("rejected %v, want %v", found, poison)
		}
		if extra := report.Batches - 10; extra > 3*20 {
			t.Errorf("%d extra calls to find 3 products in batches of 1,000, want at most 60", extra)
		}
		want := slices.DeleteFunc(products, func(p reindex.Product) bool { return slices.Contains(poison, p.ID) })
		b.assertLive(t, want, "new")
	}
}

// The waits grow up to a limit. Each is a random time between half of its full length and the whole, and never shorter
// than the server asks for.
func TestWaitsBetweenTries(t *testing.T) {
	for _, test := range []struct {
		name        string
		retryAfter  time.Duration
		least, most []time.Duration
	}{
		{"backoff", 0, ms(50, 100, 200, 250), ms(100, 200, 400, 500)},
		{"Retry-After", 300 * time.Millisecond, ms(300, 300, 300, 300), ms(300, 300, 400, 500)},
	} {
		for _, kind := range []string{"call", "item"} {
			t.Run(test.name+" of a "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var times []time.Time
					cfg := &reindex.Config{
						MinFraction: -1,
						Retry:       reindex.Retry{Attempts: 5, MinDelay: 100 * time.Millisecond, MaxDelay: 500 * time.Millisecond},
					}
					b := newBench(t, reindextest.Slice(reindextest.Products(10, "new")), cfg,
						onWrite(func(c reindextest.Call) reindextest.Fault {
							times = append(times, time.Now())
							switch {
							case c.N == 5:
								return reindextest.Fault{}
							case kind == "call":
								return reindextest.Fault{Err: &reindex.TemporaryError{Err: errBusy, RetryAfter: test.retryAfter}}
							}
							failed := &reindex.BatchError{RetryAfter: test.retryAfter}
							for _, p := range c.Batch {
								failed.Items = append(failed.Items, reindex.ItemError{ID: p.ID, Retryable: true, Err: errBusy})
							}
							return reindextest.Fault{Err: failed}
						}))
					if _, err := b.Run(t.Context(), tenant); err != nil {
						t.Fatal(err)
					}
					for i := range test.least {
						if wait := times[i+1].Sub(times[i]); wait < test.least[i] || wait > test.most[i] {
							t.Errorf("wait %d was %v, want %v to %v", i+1, wait, test.least[i], test.most[i])
						}
					}
				})
			})
		}
	}
}

func ms(values ...int) []time.Duration {
	var out []time.Duration
	for _, v := range values {
		out = append(out, time.Duration(v)*time.Millisecond)
	}
	return out
}

// Begin, Seal and Commit are tried again after temporary errors; so is a write whose answer was lost.
func TestRetriesEveryCall(t *testing.T) {
	products := reindextest.Products(300, "new")
	b := newBench(t, reindextest.Slice(products), nil, func(c reindextest.Call) reindextest.Fault {
		switch {
		case c.N > 2 || c.Op == reindextest.OpAbort:
			return reindextest.Fault{}
		case c.Op == reindextest.OpWrite && c.N == 1:
			return reindextest.Fault{Lost: reindex.Temporary(errBusy)}
		}
		return reindextest.Fault{Err: reindex.Temporary(errBusy)}
	})
	report, err := b.Run(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	if report.Indexed != 300 || report.Batches != 3 || report.Retries != 2 {
		t.Errorf("report %+v, want 300 indexed, 3 batches, 2 retries", report)
	}
	b.assertLive(t, products, "new")
}

// A try after which fewer products of the batch are left does not count towards the limit of tries.
func TestProgressRenewsTheTries(t *testing.T) {
	products := reindextest.Products(64, "new")
	b := newBench(t, reindextest.Slice(products), &reindex.Config{
		Retry: reindex.Retry{Attempts: 2, MinDelay: time.Microsecond},
	}, onWrite(func(c reindextest.Call) reindextest.Fault {
		var fault reindextest.Fault
		for _, p := range c.Batch[:len(c.Batch)/2] {
			fault.Items = append(fault.Items, reindex.ItemError{ID: p.ID, Retryable: true, Err: errBusy})
		}
		return fault
	}))
	if _, err := b.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	b.assertLive(t, products, "new")
}

// A BatchError that names a product twice, or one that was not in the batch, or none, ends the run as a defect of the
// Indexer.
func TestReportsOfStrangersEndTheRun(t *testing.T) {
	for name, items := range map[string][]reindex.ItemError{
		"stranger": {{ID: "stranger", Err: errBusy}},
		"twice":    {{ID: "p1", Err: errBusy}, {ID: "p1", Err: errBusy}},
		"none":     {},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{MaxRejected: -1},
				onWrite(func(reindextest.Call) reindextest.Fault {
					return reindextest.Fault{Err: &reindex.BatchError{Items: items}}
				}))
			if _, err := b.Run(t.Context(), tenant); err == nil || !strings.Contains(err.Error(), "defect of the Indexer") {
				t.Errorf("error %v, want one that names a defect of the Indexer", err)
			}
			b.assertOldLive(t)
		})
	}
}

// outcome holds the results of Seal and Flush.
type outcome struct {
	reindex.Sealed

	late []reindex.ItemError
}

// sealing is an index that changes the results of its Flush and Seal.
type sealing struct {
	*reindextest.Memory

	change func(*outcome)
}

func (s sealing) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	gen, err := s.Memory.Begin(ctx, tenant)
	return sealingGeneration{gen, s.change}, err
}

type sealingGeneration struct {
	reindex.Generation

	change func(*outcome)
}

func (g sealingGeneration) Flush(ctx context.Context) ([]reindex.ItemError, error) {
	var o outcome
	g.change(&o)
	return o.late, ctx.Err()
}

func (g sealingGeneration) Seal(ctx context.Context) (reindex.Sealed, error) {
	sealed, err := g.Generation.Seal(ctx)
	o := outcome{Sealed: sealed}
	g.change(&o)
	return o.Sealed, err
}

// A run fails if its sealed generation does not hold as many products as were accepted.
func TestAccounting(t *testing.T) {
	products := reindextest.Products(100, "new")
	late := func(ids ...string) func(*outcome) {
		return func(s *outcome) {
			s.Documents -= int64(len(ids))
			for _, id := range ids {
				s.late = append(s.late, reindex.ItemError{ID: id, Err: errBusy})
			}
		}
	}
	for _, test := range []struct {
		name     string
		change   func(*outcome)
		rejected int64
		err      string
	}{
		{"one document too few", func(s *outcome) { s.Documents-- }, 0, "accepted 100 products, but holds 99"},
		{"one too many", func(s *outcome) { s.Documents++ }, 0, "accepted 100 products, but holds 101"},
		{"refused late", late("p1", "p2"), 2, ""},
		{
			"refused late, counted nevertheless", func(s *outcome) { late("p1")(s); s.Documents++ }, 1,
			"accepted 99 products, but holds 100",
		},
		{"a stranger refused late", late("stranger"), 0, "defect of the Indexer"},
		{"refused twice", late("p1", "p1"), 0, "defect of the Indexer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, reindextest.Slice(nil), nil, nil)
			engine, err := reindex.New(reindextest.Slice(products), sealing{b.index, test.change},
				&reindex.Config{MaxRejected: 2})
			if err != nil {
				t.Fatal(err)
			}
			report, err := engine.Run(t.Context(), tenant)
			if test.err == "" {
				if err != nil || report.Rejected != test.rejected || len(report.Rejections) != int(test.rejected) ||
					report.Indexed != 100-test.rejected {
					t.Errorf("report %+v, error %v; want %d rejected", report, err, test.rejected)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q in it", err, test.err)
			}
			b.assertOldLive(t)
		})
	}
}

// limited is an index that states limits.
type limited struct {
	*reindextest.Memory

	limits reindex.Limits
}

func (l limited) Limits() reindex.Limits { return l.limits }

// The sizes of the batches, and the number of writes at the same time, are within the limits of the config and the
// index.
func TestLimits(t *testing.T) {
	for _, test := range []struct {
		name   string
		cfg    reindex.Config
		limits reindex.Limits
	}{
		{"of the config", reindex.Config{BatchDocs: 30, BatchBytes: 1500, Workers: 3}, reindex.Limits{}},
		{"of the index", reindex.Config{Workers: 16}, reindex.Limits{MaxDocs: 30, MaxBytes: 1500, MaxInFlight: 3}},
		{
			"of the config, with higher ones of the index", reindex.Config{BatchDocs: 30, BatchBytes: 1500, Workers: 3},
			reindex.Limits{MaxDocs: 99, MaxBytes: 9999, MaxInFlight: 9},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testLimits(t, test.cfg, test.limits) })
		})
	}
}

func testLimits(t *testing.T, cfg reindex.Config, limits reindex.Limits) {
	products := reindextest.Products(2000, "new")
	products[700] = reindextest.NewProduct("large", map[string]any{"rev": "new", "text": strings.Repeat("x", 5000)})
	var (
		mu             sync.Mutex
		inFlight, most int
	)
	ix := reindextest.NewFaulty(limited{reindextest.NewMemory(), limits},
		onWrite(func(c reindextest.Call) reindextest.Fault {
			mu.Lock()
			defer mu.Unlock()
			inFlight++
			most = max(most, inFlight)
			bytes := 0
			for _, p := range c.Batch {
				bytes += len(p.Body)
			}
			if len(c.Batch) > 30 || bytes > 1500 && len(c.Batch) > 1 {
				t.Errorf("a batch of %d products and %d bytes, want at most 30 and 1,500", len(c.Batch), bytes)
			}
			return reindextest.Fault{Delay: time.Second} // long enough for every worker to have one
		}))
	cfg.Trace = &reindex.Trace{WriteEnded: func(context.Context, reindex.JobInfo, reindex.BatchWrite) {
		mu.Lock()
		defer mu.Unlock()
		inFlight--
	}}
	engine, err := reindex.New(reindextest.Slice(products), ix, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	if most != 3 {
		t.Errorf("%d writes at the same time, want 3", most)
	}
}
