package emporix_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	"productindex/source/internal/public"
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

// products returns n products with ids that leave room for others between them.
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

// read returns the ids that the source yields.
func read(t *testing.T, src reindex.Source) (ids []string, err error) {
	t.Helper()
	products, err := sourcetest.Read(t, src, tenant)
	for _, p := range products {
		ids = append(ids, p.ID)
	}
	return ids, err
}

// open returns a snapshot of the tenant.
func open(t *testing.T, src reindex.Source) reindex.Snapshot {
	t.Helper()
	return sourcetest.MustOpen(t, src, tenant)
}

// checkComplete checks that the ids ascend, and that all the wanted ones are there.
func checkComplete(t *testing.T, ids []string, want []reindex.Product) {
	t.Helper()
	got := map[string]bool{}
	for i, id := range ids {
		if i > 0 && id <= ids[i-1] {
			t.Fatalf("product %q comes after %q", id, ids[i-1])
		}
		got[id] = true
	}
	for _, p := range want {
		if !got[p.ID] {
			t.Fatalf("product %q is lost; %d products came", p.ID, len(ids))
		}
	}
}

// However the pages end, every product comes once, whatever the number of products.
func TestSizes(t *testing.T) {
	for n := range 95 {
		s := newServer(t, products(n))
		ids, err := read(t, s.source(t))
		if err != nil || len(ids) != n {
			t.Fatalf("%d products: %d came, error %v", n, len(ids), err)
		}
		checkComplete(t, ids, s.products)
		if count, err := open(t, s.source(t)).(reindex.Estimator).Estimate(t.Context()); err != nil || count != int64(n) {
			t.Fatalf("%d products: the estimate is %d, error %v", n, count, err)
		}
		s.Close()
	}
}

// Overlapping pages cost little: a catalogue takes hardly more requests than its pages.
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
		t.Fatalf("%d products, error %v", len(ids), err)
	}
	if limit := n/100*12/10 + 1; s.requests > limit {
		t.Errorf("%d requests for %d pages, want at most %d", s.requests, n/100, limit)
	}
	if s.peak > emporix.DefaultConcurrency {
		t.Errorf("%d requests at the same time", s.peak)
	}
}

// While products are added and removed before any request, those that stay come once, in order.
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
			t.Fatalf("seed %d: %v", seed, err)
		}
		checkComplete(t, ids, staying)
		s.Close()
	}
}

// Pages come in order although later ones are answered first.
func TestSlowPages(t *testing.T) {
	s := newServer(t, products(200))
	others := make(chan struct{}, 100)
	s.Before = func(n int, _ http.ResponseWriter, _ *http.Request) bool {
		if n == 1 {
			for range 3 { // waits for three later requests
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

// answer returns a Before that answers the requests from one on, the given number of times.
func answer(
	from, times, status int,
	header http.Header,
	body string,
) func(int, http.ResponseWriter, *http.Request) bool {
	var mu sync.Mutex
	return func(n int, w http.ResponseWriter, _ *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if n < from || times == 0 {
			return false
		}
		times--
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
		return true
	}
}

func TestRetries(t *testing.T) {
	total := http.Header{"X-Total-Count": {"100"}}
	cut := http.Header{"X-Total-Count": {"100"}, "Content-Length": {"1000"}}
	for name, before := range map[string]func(int, http.ResponseWriter, *http.Request) bool{
		"429": answer(1, 5, http.StatusTooManyRequests,
			http.Header{"Retry-After": {"Mon, 02 Jan 2006 15:04:05 GMT"}}, ""),
		"503":           answer(0, 3, http.StatusServiceUnavailable, http.Header{"Retry-After": {"0"}}, ""),
		"500":           answer(2, 1, http.StatusInternalServerError, nil, "oops"),
		"408":           answer(2, 1, http.StatusRequestTimeout, nil, ""),
		"half an array": answer(1, 1, http.StatusOK, total, `[{"id":"p00300"},`),
		"broken off":    answer(1, 2, http.StatusOK, cut, `[{"id":"p00300"},`),
		"lost connection": func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if n != 1 {
				return false
			}
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return false
			}
			conn.Close()
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, products(100))
			s.Before = before
			ids, err := read(t, s.source(t))
			if err != nil {
				t.Fatal(err)
			}
			checkComplete(t, ids, s.products)
		})
	}
}

// Each token is accepted seven times only, then another one is fetched.
func TestExpiringTokens(t *testing.T) {
	s := newServer(t, products(1000))
	s.TokenUses = 7
	ids, err := read(t, s.source(t))
	if err != nil {
		t.Fatal(err)
	}
	checkComplete(t, ids, s.products)
	if s.tokens < 5 || s.tokens > 40 {
		t.Errorf("%d tokens for %d requests", s.tokens, s.requests)
	}
}

// Readers of one tenant share a token.
func TestTokensAreShared(t *testing.T) {
	s := newServer(t, products(300))
	src := s.source(t)
	for range 3 {
		if _, err := read(t, src); err != nil {
			t.Fatal(err)
		}
	}
	if s.tokens != 1 {
		t.Errorf("%d tokens were fetched", s.tokens)
	}
}

// An answer that cannot be read ends the sequence with an error that has the reason, and no secrets.
func TestErrors(t *testing.T) {
	total := http.Header{"X-Total-Count": {"100"}}
	for name, test := range map[string]struct {
		before func(int, http.ResponseWriter, *http.Request) bool
		config func(*emporix.Config)
		want   string
	}{
		"bad secret": {
			config: func(c *emporix.Config) { c.Credentials = emporix.Static(clientID, "wr0ng") },
			want:   "asking for a token: HTTP status 401",
		},
		"no secret": {config: failingCredentials, want: "vault is sealed"},
		"no token": {
			config: func(c *emporix.Config) { c.TokenURL = c.BaseURL + "/none" }, want: "asking for a token: HTTP status 404",
		},
		"refused":   {before: answer(0, -1, 401, nil, "t0k3n"), want: "the token is not accepted"},
		"forbidden": {before: answer(0, -1, 403, nil, "t0k3n"), want: "product.product_read"},
		"always 500": {
			before: answer(1, -1, 500, nil, "s3cr3t"),
			want:   "failed 3 times in a row, the last time with: asking for products: HTTP status 500",
		},
		"bad request": {before: answer(0, -1, 400, nil, "t0k3n"), want: "HTTP status 400 Bad Request"},
		"redirect": {
			before: answer(0, -1, 302, http.Header{"Location": {"/elsewhere"}}, ""), want: "redirects are not followed",
		},
		"long wait": {before: answer(0, -1, 429, http.Header{"Retry-After": {"3600"}}, ""), want: "HTTP status 429"},
		"no array":  {before: answer(0, -1, 200, total, `{"id":"t0k3n"}`), want: "not a JSON array"},
		"no JSON":   {before: answer(0, -1, 200, total, `[{"id":"t0k3n"}`), want: "not a JSON array"},
		"nothing":   {before: answer(0, -1, 200, total, ``), want: "not a JSON array"},
		"twice": {
			before: answer(0, -1, 200, total, `[{"id":"a"},{"id":"a"}]`), want: `product "a" comes after product "a"`,
		},
		"out of order": {before: answer(0, -1, 200, total, `[{"id":"b"},{"id":"B"}]`), want: "does not sort by id"},
		"no total":     {before: answer(0, -1, 200, nil, `[]`), want: "X-Total-Count"},
		"bad total":    {before: answer(0, -1, 200, http.Header{"X-Total-Count": {"many"}}, `[]`), want: "X-Total-Count"},
		"smaller pages": {
			before: answer(0, -1, 200, total, `[{"id":"a"},{"id":"b"}]`),
			want:   "2 products of a total of 100, and 30 were asked for",
		},
		"cursor back": {
			before: answer(0, -1, 200, http.Header{"X-Total-Count": {"100"}, "X-Next-Cursor": {"c"}}, `[{"id":"b"}]`),
			want:   `from product "b" back to product "b"`,
		},
		"cursor nowhere": {
			before: answer(0, -1, 200, http.Header{"X-Total-Count": {"100"}, "X-Next-Cursor": {"c"}}, `[]`),
			want:   "led to no product",
		},
		"too large": {config: func(c *emporix.Config) { c.MaxPageBytes = 100 }, want: "larger than Config.MaxPageBytes, 100"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, products(100))
			s.Before = test.before
			cfg := s.config()
			cfg.Retry.Attempts = 3
			if test.config != nil {
				test.config(&cfg)
			}
			src, err := emporix.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, err = read(t, src)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), `tenant "shop"`) {
				t.Fatalf("error %v, want one with %q", err, test.want)
			}
			text, ok := public.Text(err)
			if seen := test.want[strings.LastIndex(test.want, ": ")+1:]; ok != (name != "no secret") ||
				ok && !strings.Contains(text, seen) {
				t.Errorf("callers see %q of %v, want %q", text, err, seen)
			}
			for _, secret := range []string{clientSecret, "s3cr3t", "wr0ng", "t0k3n"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error holds %q: %v", secret, err)
				}
			}
			if strings.Contains(text, s.Listener.Addr().String()) {
				t.Errorf("callers see where the service is: %s", text)
			}
		})
	}
}

// Callers see that the service is not there, and not where it should be.
func TestUnreachable(t *testing.T) {
	s := newServer(t, products(1))
	cfg := s.config()
	cfg.Retry.Attempts = 2
	for _, tokens := range []string{"", s.URL + "/oauth/token"} {
		cfg.BaseURL, cfg.TokenURL = "http://127.0.0.1:1", tokens
		src, err := emporix.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = read(t, src)
		if text, _ := public.Text(err); text != "the product service cannot be reached" {
			t.Errorf("callers see %q of %v", text, err)
		}
	}
}

func failingCredentials(c *emporix.Config) {
	c.Credentials = func(context.Context, string) (string, string, error) { return "", "", errors.New("vault is sealed") }
}

func TestUnknownTenant(t *testing.T) {
	src := newServer(t, nil).source(t)
	snap, err := src.Open(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range snap.Products(t.Context()) {
		if !errors.Is(err, emporix.ErrUnknownTenant) {
			t.Error(err)
		}
	}
	if _, err := src.Open(t.Context(), "../shop"); !errors.Is(err, emporix.ErrUnknownTenant) ||
		!errors.Is(err, reindex.ErrTenant) {
		t.Error(err)
	}
}

// A catalogue whose pages never meet ends the read instead of keeping it busy for ever.
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
		t.Fatal(err)
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
			t.Errorf("cancelled after %d: %d products, error %v", when, n, failed)
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
		"BaseURL", "TokenURL", "Credentials", "PageSize is 29, it must be at least 30", "Concurrency", "MaxPageBytes",
		"Timeout",
		"Retry.Attempts", "Retry.MaxDelay",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("the error holds a password: %v", err)
	}
}
