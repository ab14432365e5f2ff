package emporix_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"productindex/reindex"
	"productindex/source/emporix"
	"productindex/source/internal/public"
)

// answer returns a Before that answers requests from the given number on. It does so the given number of times, or
// always if times is negative.
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

// The source fetches another token when the service no longer accepts the last one.
func TestExpiringTokens(t *testing.T) {
	s := newServer(t, products(1000))
	s.TokenUses = 7
	ids, err := read(t, s.source(t))
	if err != nil {
		t.Fatal(err)
	}
	checkComplete(t, ids, s.products)
	if s.tokens < 5 || s.tokens > 40 {
		t.Errorf("got %d tokens for %d requests, want 5 to 40", s.tokens, s.requests)
	}
}

// The reads of one tenant share a token.
func TestTokensAreShared(t *testing.T) {
	s := newServer(t, products(300))
	src := s.source(t)
	for range 3 {
		if _, err := read(t, src); err != nil {
			t.Fatal(err)
		}
	}
	if s.tokens != 1 {
		t.Errorf("the source fetched %d tokens, want 1", s.tokens)
	}
}

// An answer that cannot be used ends the read with an error that gives the reason and holds no secret.
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
			want:   "2 products of a total of 100, but 30 were requested",
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
				t.Fatalf("got error %v, want one with the tenant and %q", err, test.want)
			}
			text, ok := public.Text(err)
			if seen := test.want[strings.LastIndex(test.want, ": ")+1:]; ok != (name != "no secret") ||
				ok && !strings.Contains(text, seen) {
				t.Errorf("callers see %q of %v, want %q", text, err, seen)
			}
			for _, secret := range []string{clientSecret, "s3cr3t", "wr0ng", "t0k3n"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error has %q, want it nowhere: %v", secret, err)
				}
			}
			if strings.Contains(text, s.Listener.Addr().String()) {
				t.Errorf("callers see the address of the service, want only public text: %s", text)
			}
		})
	}
}

// If the service cannot be reached, callers see this, but not its address.
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
			t.Errorf("callers see %q of %v, want only that the service cannot be reached", text, err)
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
			t.Errorf("got %v, want ErrUnknownTenant", err)
		}
	}
	if _, err := src.Open(t.Context(), "../shop"); !errors.Is(err, emporix.ErrUnknownTenant) ||
		!errors.Is(err, reindex.ErrTenant) {
		t.Errorf("got %v, want ErrUnknownTenant and ErrTenant", err)
	}
}
