package reindex_test

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// server is an index with the limits of a server. Zero means no limit.
type server struct {
	*reindextest.Memory

	capacity int                                     // writes at the same time; more fail with a temporary error
	memory   int                                     // bytes of writes at the same time; more fail with a temporary error
	payload  int                                     // bytes of one write; more fail with ErrTooLarge
	latency  func(inFlight, bytes int) time.Duration // of one write; nil: a second
	down     func() bool                             // reports whether nothing gets through
	refuse   func(p reindex.Product) error           // the error for any batch that holds the product
	limits   reindex.Limits                          // returned by Limits

	mu              sync.Mutex
	inFlight, bytes int
	late, large     int // writes that were put off, and that were too large
	again           int // writes of products that were sent before
	sent            map[string]bool
	accepted        map[string]int
	writes          []reindex.BatchWrite
	times           []time.Time // when they ended
}

func (s *server) Limits() reindex.Limits { return s.limits }

func (s *server) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	gen, err := s.Memory.Begin(ctx, tenant)
	return serverGeneration{gen, s}, err
}

type serverGeneration struct {
	reindex.Generation

	s *server
}

func (g serverGeneration) Write(ctx context.Context, batch []reindex.Product) error {
	bytes := 0
	for _, p := range batch {
		bytes += len(p.ID) + len(p.Body)
	}
	took, err := g.s.open(batch, bytes)
	defer g.s.close(bytes)
	if err != nil {
		took = 50 * time.Millisecond
	}
	timer := time.NewTimer(took)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	return g.s.accept(ctx, g.Generation, batch)
}

func (s *server) open(batch []reindex.Product, bytes int) (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight++
	s.bytes += bytes
	again := false
	for _, p := range batch {
		again = again || s.sent[p.ID]
		s.sent[p.ID] = true
	}
	if again {
		s.again++
	}
	if s.refuse != nil {
		for _, p := range batch {
			if err := s.refuse(p); err != nil {
				return 0, err
			}
		}
	}
	switch {
	case s.payload > 0 && bytes > s.payload:
		s.large++
		return 0, fmt.Errorf("status 413: %w", reindex.ErrTooLarge)
	case s.capacity > 0 && s.inFlight > s.capacity, s.memory > 0 && s.bytes > s.memory, s.down != nil && s.down():
		s.late++
		return 0, reindex.Temporary(errBusy)
	case s.latency != nil:
		return s.latency(s.inFlight, bytes), nil
	}
	return time.Second, nil
}

func (s *server) close(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
	s.bytes -= bytes
}

func (s *server) accept(ctx context.Context, gen reindex.Generation, batch []reindex.Product) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range batch {
		s.accepted[p.ID]++
	}
	return gen.Write(ctx, batch)
}

const (
	unit    = 200       // bytes of a product and its id
	maxSize = 64 * unit // the largest batch: 64 products, so that the smallest is of one
)

// load indexes n products of a unit each through the server, in batches of up to 64. It checks that each product,
// except for the rejected ones, was accepted once, and returns how long the load took.
func (s *server) load(t *testing.T, n, rejected int) (reindex.Report, time.Duration) {
	t.Helper()
	s.Memory, s.accepted, s.sent = reindextest.NewMemory(), map[string]int{}, map[string]bool{}
	products := make([]reindex.Product, n)
	for i := range products {
		id := fmt.Sprintf("p%06d", i)
		empty := len(id) + len(reindextest.NewProduct(id, map[string]any{"rev": "new", "text": ""}).Body)
		products[i] = reindextest.NewProduct(id, map[string]any{"rev": "new", "text": strings.Repeat("x", unit-empty)})
	}
	if s.limits == (reindex.Limits{}) {
		s.limits.MaxInFlight = 16
	}
	s.limits.MaxBytes = maxSize
	cfg := &reindex.Config{MaxRejected: int64(rejected),
		Trace: &reindex.Trace{WriteEnded: func(_ context.Context, _ reindex.JobInfo, w reindex.BatchWrite) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.writes, s.times = append(s.writes, w), append(s.times, time.Now())
		}}}
	engine, err := reindex.New(reindextest.Slice(products), s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	report, err := engine.Run(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.accepted) != n-rejected || report.Indexed != int64(n-rejected) {
		t.Errorf("accepted %d products, the report has %d, want %d", len(s.accepted), report.Indexed, n-rejected)
	}
	for id, times := range s.accepted {
		if times != 1 {
			t.Errorf("%s was accepted %d times, want once", id, times)
		}
	}
	return report, report.Durations.Load
}

func (s *server) last() reindex.BatchWrite { return s.writes[len(s.writes)-1] }

// An index that accepts n writes at the same time gets n nearly all the time. It refuses few writes: at first those
// that find out how many it accepts, and later one in 16 × n, to find out whether it accepts more.
func TestPaceFindsTheCapacity(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 6, 11, 16} {
		t.Run(fmt.Sprint(capacity), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const batches = 400
				s := &server{capacity: capacity}
				_, took := s.load(t, batches*64, 0)
				best := batches * time.Second / time.Duration(capacity)
				t.Logf("%d writes were refused, %.3f of the best time", s.late, took.Seconds()/best.Seconds())
				if took > best*115/100 {
					t.Errorf("took %v, want at most 1.15 × %v, the time with %d writes at the same time", took, best, capacity)
				}
				if most := 2*16 + batches/(16*capacity); s.late > most {
					t.Errorf("%d writes were refused, want at most %d", s.late, most)
				}
			})
		})
	}
}

// An index that accepts everything gets as many writes at the same time as allowed, in the largest batches, from first
// to last.
func TestPaceLeavesAQuickIndexAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{latency: func(int, int) time.Duration { return 5 * time.Second }}
		report, took := s.load(t, 64*64, 0)
		if report.Batches != 64 || took != 64/16*5*time.Second {
			t.Errorf("%d batches in %v, want 64 in 20 s", report.Batches, took)
		}
		for _, w := range s.writes {
			if w.InFlight != 16 || w.MaxBytes != maxSize || w.Bytes != maxSize {
				t.Fatalf("write %+v, want 16 at the same time, each of %d bytes", w, maxSize)
			}
		}
	})
}

// The largest payload that an index accepts is found by halving, and no batch after that is larger. Up to 16 writers
// find it at the same time, each with a refused write for every halving. One more is refused when the size grows again.
func TestPaceFindsThePayload(t *testing.T) {
	for _, payload := range []int{63 * unit, 48 * unit, 33 * unit, 20 * unit, 5 * unit, unit} {
		t.Run(fmt.Sprint(payload), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{payload: payload}
				const fewest = 1000
				s.load(t, fewest*payload/unit, 0)
				halvings := bits.Len(uint(maxSize / payload))
				t.Logf("%d of %d writes were too large, the last of %d bytes", s.large, len(s.writes), s.last().MaxBytes)
				if most := 16 * (halvings + 1); s.large > most {
					t.Errorf("%d writes were too large, want at most %d", s.large, most)
				}
				if most := fewest*5/4 + s.large; len(s.writes) > most {
					t.Errorf("%d writes, want at most %d", len(s.writes), most)
				}
				if got := s.last().MaxBytes; got > payload || got < payload-2*unit {
					t.Errorf("the last batch may have %d bytes, want %d to %d", got, payload-2*unit, payload)
				}
			})
		})
	}
}

// If a single product is refused, for whatever reason, batches stay as large as they were.
func TestPaceIsNotShrunkByABadProduct(t *testing.T) {
	for _, reason := range []error{reindex.ErrTooLarge, reindex.ErrRefused} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{refuse: func(p reindex.Product) error {
				if strings.HasSuffix(p.ID, "0077") {
					return reason
				}
				return nil
			}}
			report, _ := s.load(t, 30_000, 3)
			if w := s.last(); w.InFlight != 16 || w.MaxBytes != maxSize {
				t.Errorf("the last write is %+v, want 16 at the same time, of up to %d bytes", w, maxSize)
			}
			if most := int64(30_000/64 + 1 + 3*2*6); report.Batches > most {
				t.Errorf("%d batches, want at most %d", report.Batches, most)
			}
		})
	}
	// Batches stay as large as they were if one is refused for another reason than its size, and its parts are accepted.
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := &server{refuse: func(reindex.Product) error {
			if n++; n == 1 {
				return reindex.ErrRefused
			}
			return nil
		}}
		if s.load(t, 3000, 0); s.last().MaxBytes != maxSize {
			t.Errorf("the last write is %+v, want one of up to %d bytes", s.last(), maxSize)
		}
	})
}

// If a write takes longer the larger it is and the more writes are in flight, batches shrink until a write is quick
// enough. If the smallest batches still take too long, fewer of them are written at the same time.
func TestPaceKeepsWritesQuick(t *testing.T) {
	for _, test := range []struct {
		name               string
		each               time.Duration // of a unit, for each write in flight
		slow               time.Duration
		bytesMin, bytesMax int
		windowMin          int
		windowMax          int
	}{
		{"quick", 4 * time.Millisecond, 0, maxSize, maxSize, 16, 16},
		{"too large", 50 * time.Millisecond, 0, 5 * unit, 13 * unit, 16, 16},
		{"too many", time.Second, 0, unit, 2 * unit, 4, 11},
		{"too many, without a bound", time.Second, -1, maxSize, maxSize, 16, 16},
		{"too large for an impatient index", 4 * time.Millisecond, 2 * time.Second, 14 * unit, 32 * unit, 16, 16},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{
					latency: func(inFlight, bytes int) time.Duration { return test.each * time.Duration(inFlight*bytes/unit) },
				}
				s.limits = reindex.Limits{MaxInFlight: 16, SlowWrite: test.slow}
				s.load(t, 6000, 0)
				slow := 0
				for _, w := range s.writes[len(s.writes)/2:] {
					if w.MaxBytes < test.bytesMin || w.MaxBytes > test.bytesMax || w.InFlight < test.windowMin ||
						w.InFlight > test.windowMax {
						t.Fatalf("a write of the second half is %+v, want %d to %d bytes, %d to %d at the same time",
							w, test.bytesMin, test.bytesMax, test.windowMin, test.windowMax)
					}
					if limit := cmp.Or(test.slow, 10*time.Second); limit > 0 && w.Duration > limit {
						slow++
					}
				}
				if slow > len(s.writes)/2/20 {
					t.Errorf("%d of %d writes were slow, want at most one in 20", slow, len(s.writes)/2)
				}
			})
		})
	}
}

// A server whose memory for writes is smaller than one batch gets smaller batches. If the refused batches were sent
// again unchanged, the run would never end.
func TestPaceFitsIntoLittleMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{memory: 40 * unit}
		report, _ := s.load(t, 6000, 0)
		if report.Retries != int64(s.again) {
			t.Errorf("the report has %d retries, want %d", report.Retries, s.again)
		}
		if s.late > 2*16+len(s.writes)/8 {
			t.Errorf("%d of %d writes were refused, want at most 32 and one in 8", s.late, len(s.writes))
		}
	})
}

// Within some twenty writes of each worker after an outage, a server gets nearly as much as before. Later it gets as
// much as before.
func TestPaceRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := &server{down: func() bool { return time.Since(start) > 10*time.Second && time.Since(start) < 20*time.Second }}
		s.load(t, 60_000, 0)
		first := 0
		for i, w := range s.writes {
			if w.Err != nil {
				first = i + 1
			}
		}
		if w := s.writes[first]; w.InFlight > 2 || w.MaxBytes > maxSize/4 {
			t.Errorf("after the outage: %+v, want at most 2 writes at the same time, of up to %d bytes", w, maxSize/4)
		}
		soon := first
		for s.times[soon].Sub(s.times[first]) < 20*time.Second {
			soon++
		}
		if w := s.writes[soon]; w.InFlight < 14 || w.MaxBytes < maxSize/2 {
			t.Errorf("20 s later: %+v, want at least 14 writes at the same time, of up to %d bytes or more", w, maxSize/2)
		}
		if w := s.last(); w.InFlight != 16 || w.MaxBytes != maxSize {
			t.Errorf("the last write is %+v, want 16 at the same time, of up to %d bytes", w, maxSize)
		}
	})
}
