package emporix_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/source/emporix"
	"productindex/source/internal/sourcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	for name, cursors := range map[string]bool{"Pages": false, "Cursors": true} {
		t.Run(name, func(t *testing.T) {
			reindextest.TestSource(t, func(t *testing.T, products []reindex.Product) reindextest.SourceFixture {
				t.Helper()
				s := newServer(t, products)
				s.Cursors = cursors
				return reindextest.SourceFixture{Source: s.source(t), Tenant: tenant}
			}, nil)
		})
	}
}

// products returns n products. Between two of their ids others can be inserted.
func products(n int) []reindex.Product {
	all := make([]reindex.Product, n)
	for i := range all {
		all[i] = reindextest.NewProduct(
			fmt.Sprintf("p%05d", i*10),
			map[string]any{"name": map[string]any{"en": "Boot", "de": "Stiefel"}},
		)
	}
	return all
}

// read returns the ids of the source's products.
func read(t *testing.T, src reindex.Source) (ids []string, err error) {
	t.Helper()
	products, err := sourcetest.Read(t, src, tenant)
	for _, p := range products {
		ids = append(ids, p.ID)
	}
	return ids, err
}

func open(t *testing.T, src reindex.Source) reindex.Snapshot {
	t.Helper()
	return sourcetest.MustOpen(t, src, tenant)
}

// checkComplete checks that the ids ascend and include those of all wanted products.
func checkComplete(t *testing.T, ids []string, want []reindex.Product) {
	t.Helper()
	got := map[string]bool{}
	for i, id := range ids {
		if i > 0 && id <= ids[i-1] {
			t.Fatalf("product %q comes after %q, want ascending ids", id, ids[i-1])
		}
		got[id] = true
	}
	for _, p := range want {
		if !got[p.ID] {
			t.Fatalf("product %q is missing among %d products", p.ID, len(ids))
		}
	}
}

// Every product comes once, for each number of products and thus for each size of the last page.
func TestSizes(t *testing.T) {
	for n := range 95 {
		s := newServer(t, products(n))
		ids, err := read(t, s.source(t))
		if err != nil || len(ids) != n {
			t.Fatalf("got %d products, error %v, want %d", len(ids), err, n)
		}
		checkComplete(t, ids, s.products)
		if count, err := open(t, s.source(t)).(reindex.Estimator).Estimate(t.Context()); err != nil || count != int64(n) {
			t.Fatalf("estimated %d products, error %v, want %d", count, err, n)
		}
		s.Close()
	}
}

// Overlapping pages cost little: a read makes at most a fifth more requests than the catalogue has pages.
func TestRequests(t *testing.T) {
	const n = 3000
	s := newServer(t, products(n))
	cfg := s.config()
	cfg.PageSize = 100
	src, err := emporix.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := read(t, src); err != nil || len(ids) != n {
		t.Fatalf("got %d products, error %v, want %d", len(ids), err, n)
	}
	if limit := n/100*12/10 + 1; s.requests > limit {
		t.Errorf("got %d requests for %d pages, want at most %d", s.requests, n/100, limit)
	}
	if s.peak > emporix.DefaultConcurrency {
		t.Errorf("got %d requests at the same time, want at most %d", s.peak, emporix.DefaultConcurrency)
	}
}

// If products are added and removed before each request, those that stay come once, in order.
func TestShiftingPages(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		all := products(200 + r.IntN(200))
		s := newServer(t, all)
		s.Cursors = seed%4 == 0
		stay := map[string]bool{}
		var staying, leaving []reindex.Product
		share := r.Float64()
		for _, p := range all {
			if stay[p.ID] = r.Float64() < share; stay[p.ID] {
				staying = append(staying, p)
			} else {
				leaving = append(leaving, p)
			}
		}
		var mu sync.Mutex
		balanced := r.IntN(2) == 0 // the total stays the same
		s.Before = func(int, http.ResponseWriter, *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			for range r.IntN(40) {
				if len(leaving) > 0 {
					i := r.IntN(len(leaving))
					s.remove(leaving[i].ID)
					leaving[i] = leaving[len(leaving)-1]
					leaving = leaving[:len(leaving)-1]
				}
				if balanced || r.IntN(3) == 0 {
					s.insert(reindextest.NewProduct(fmt.Sprintf("p%05d", r.IntN(4000)|1), map[string]any{}))
				}
			}
			return false
		}
		cfg := s.config()
		cfg.Concurrency = 1 + int(seed%5)
		src, err := emporix.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ids, err := read(t, src)
		if err != nil {
			t.Fatalf("seed %d: got error %v, want none", seed, err)
		}
		checkComplete(t, ids, staying)
		s.Close()
	}
}

// The products come in order although later pages are answered first.
func TestSlowPages(t *testing.T) {
	s := newServer(t, products(200))
	others := make(chan struct{}, 100)
	s.Before = func(n int, _ http.ResponseWriter, _ *http.Request) bool {
		if n == 1 {
			for range 3 { // wait for three later requests
				<-others
			}
		} else if n > 1 {
			others <- struct{}{}
		}
		return false
	}
	ids, err := read(t, s.source(t))
	if err != nil {
		t.Fatal(err)
	}
	checkComplete(t, ids, s.products)
}

// A request that is not answered in time is made again.
func TestTimeout(t *testing.T) {
	s := newServer(t, products(100))
	s.Before = func(n int, _ http.ResponseWriter, r *http.Request) bool {
		if n != 2 {
			return false
		}
		<-r.Context().Done() // the client has given up
		return true
	}
	cfg := s.config()
	cfg.Timeout = 2 * time.Second
	src, err := emporix.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := read(t, src)
	if err != nil {
		t.Fatal(err)
	}
	checkComplete(t, ids, s.products)
}

// Pages that never overlap end the read, which would otherwise request pages for ever.
func TestNeverOverlapping(t *testing.T) {
	s := newServer(t, products(1000))
	next := 0
	s.Before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.FormValue("pageNumber") == "1" {
			return false
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		next++
		w.Header().Set("X-Total-Count", "1000")
		fmt.Fprintf(w, `[{"id":"q%d"}]`, next)
		return true
	}
	if _, err := read(t, s.source(t)); !errors.Is(err, emporix.ErrShifting) {
		t.Fatalf("got %v, want ErrShifting", err)
	}
}

func TestCancelled(t *testing.T) {
	s := newServer(t, products(500))
	src := s.source(t)
	for _, when := range []int{1, 30, 31, 200} {
		ctx, cancel := context.WithCancel(t.Context())
		n, failed := 0, error(nil)
		for _, err := range open(t, src).Products(ctx) {
			if err != nil {
				failed = err
				continue
			}
			if n++; n == when {
				cancel()
			}
		}
		cancel()
		if !errors.Is(failed, context.Canceled) {
			t.Errorf("cancelled after product %d: got %d products, error %v, want context.Canceled", when, n, failed)
		}
	}
}

func TestConfig(t *testing.T) {
	_, err := emporix.New(emporix.Config{
		BaseURL:      "api.emporix.io",
		TokenURL:     "https://user:s3cr3t@ho st/",
		PageSize:     29,
		Concurrency:  -1,
		MaxPageBytes: -1,
		Timeout:      -1,
		Retry:        reindex.Retry{Attempts: -1, MinDelay: time.Second, MaxDelay: time.Millisecond},
	})
	for _, want := range []string{
		"BaseURL", "TokenURL", "Credentials", "PageSize is 29; it must be at least 30", "Concurrency", "MaxPageBytes",
		"Timeout",
		"Retry.Attempts", "Retry.MaxDelay",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("the error has a password, want none: %v", err)
	}
}
