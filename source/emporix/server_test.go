package emporix_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/source/emporix"
)

const (
	tenant       = "shop"
	clientID     = "client-7"
	clientSecret = "s3cr3t+/="
)

// server is a product service that follows the contract of the product API.
type server struct {
	*httptest.Server

	// Before, if not nil, is called before the server answers request n for products, counted from 0. It reports whether
	// it has answered.
	Before func(n int, w http.ResponseWriter, r *http.Request) bool
	// Cursors selects cursors: each page names the next one.
	Cursors bool
	// TokenUses is the number of requests for which a token is accepted. 0 means no limit.
	TokenUses int

	mu       sync.Mutex
	products []reindex.Product // sorted by id
	uses     map[string]int
	tokens   int // handed out
	requests int // for products
	running  int
	peak     int
}

func newServer(t *testing.T, products []reindex.Product) *server {
	t.Helper()
	s := &server{uses: map[string]int{}}
	for _, p := range products {
		s.insert(p)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/token", s.token)
	mux.HandleFunc("GET /product/{tenant}/products", s.list)
	mux.HandleFunc("GET /product/{tenant}/products/{id}", s.list)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// config returns a Config for the server, with small pages and short waits.
func (s *server) config() emporix.Config {
	return emporix.Config{
		BaseURL:     s.URL,
		Credentials: emporix.Static(clientID, clientSecret),
		PageSize:    30,
		Retry: reindex.Retry{
			MinDelay:      time.Millisecond,
			MaxDelay:      10 * time.Millisecond,
			MaxRetryAfter: 20 * time.Millisecond,
		},
		Client: s.Client(),
	}
}

func (s *server) source(t *testing.T) *emporix.Source {
	t.Helper()
	src, err := emporix.New(s.config())
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func (s *server) insert(p reindex.Product) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, found := s.find(p.ID); !found {
		s.products = slices.Insert(s.products, i, p)
	}
}

func (s *server) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, found := s.find(id); found {
		s.products = slices.Delete(s.products, i, i+1)
	}
}

func (s *server) find(id string) (int, bool) {
	return slices.BinarySearchFunc(s.products, id, func(p reindex.Product, id string) int {
		switch {
		case p.ID < id:
			return -1
		case p.ID > id:
			return 1
		}
		return 0
	})
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("grant_type") != "client_credentials" || r.PostFormValue("client_id") != clientID ||
		r.PostFormValue("client_secret") != clientSecret {
		// Like a careless service, the server repeats the secret.
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"error":"invalid_client","error_description":"bad secret %s"}`, r.PostFormValue("client_secret"))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens++
	token := fmt.Sprintf("t0k3n-%d", s.tokens)
	s.uses[token] = 0
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600,"scope":"product.product_read"}`, token)
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	n := s.requests
	s.requests++
	s.running++
	s.peak = max(s.peak, s.running)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.running--
		s.mu.Unlock()
	}()
	if s.Before != nil && s.Before(n, w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.authorized(w, r) {
		return
	}
	if r.PathValue("tenant") != tenant {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if id := r.PathValue("id"); id != "" {
		i, found := s.find(id)
		if !found {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(s.products[i].Body)
		return
	}
	number, _ := strconv.Atoi(r.FormValue("pageNumber"))
	size, _ := strconv.Atoi(r.FormValue("pageSize"))
	if size < 1 || r.FormValue("sort") != "id:asc" || r.Header.Get("X-Total-Count") != "true" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch next, ids := r.FormValue("next"), r.FormValue("q"); {
	case next != "" && number == 0 && s.Cursors:
		after, _ := cut(next, "after ")
		start, _ := s.find(after + "\x00")
		s.writePage(w, s.products, start, size, false)
	case ids != "":
		s.writePage(w, s.asked(ids), 0, size, true)
	case number >= 1:
		s.writePage(w, s.products, (number-1)*size, size, true)
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

// authorized reports whether the token of a request is accepted. It answers the request if it is not.
func (s *server) authorized(w http.ResponseWriter, r *http.Request) bool {
	token, _ := cut(r.Header.Get("Authorization"), "Bearer ")
	uses, known := s.uses[token]
	if known && (s.TokenUses == 0 || uses < s.TokenUses) {
		s.uses[token]++
		return true
	}
	w.WriteHeader(http.StatusUnauthorized)
	fmt.Fprintf(w, `{"fault":{"faultstring":"Access Token expired %s",`+
		`"detail":{"errorcode":"keymanagement.service.access_token_expired"}}}`, token)
	return false
}

// asked returns the products of a query of the form id:(a,b).
func (s *server) asked(q string) (all []reindex.Product) {
	ids, _ := cut(q, "id:(")
	for id := range strings.SplitSeq(strings.TrimSuffix(ids, ")"), ",") {
		if i, found := s.find(id); found {
			all = append(all, s.products[i])
		}
	}
	slices.SortFunc(all, func(a, b reindex.Product) int { return strings.Compare(a.ID, b.ID) })
	return all
}

func (s *server) writePage(w http.ResponseWriter, products []reindex.Product, start, size int, count bool) {
	start = min(start, len(products))
	end := min(start+size, len(products))
	bodies := []json.RawMessage{}
	for _, p := range products[start:end] {
		bodies = append(bodies, p.Body)
	}
	w.Header().Set("Content-Type", "application/json")
	if count {
		w.Header().Set("X-Total-Count", strconv.Itoa(len(products)))
	}
	if s.Cursors && end < len(products) && end > 0 {
		w.Header().Set("X-Next-Cursor", "after "+products[end-1].ID)
	}
	_ = json.NewEncoder(w).Encode(bodies) //nolint:errchkjson // the reader may have gone
}

func cut(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && s[:len(prefix)] == prefix {
		return s[len(prefix):], true
	}
	return s, false
}
