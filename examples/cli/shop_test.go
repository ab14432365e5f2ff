package main

import (
	"bytes"
	"context"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"productindex/httpapi"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// shop is a server whose connections for events a test can disturb.
type shop struct {
	*httptest.Server

	engine *reindex.Engine
	hold   chan struct{} // products are read after it was closed

	mu      sync.Mutex
	streams []string // the Last-Event-ID of every request for events
	// disturb, if not nil, is called for request n for events, counted from 1. It reports whether it has answered.
	disturb func(n int, w http.ResponseWriter, r *http.Request) (handled bool)
}

// newShop starts a server with 100 products, of which the given number are bad. A run fails if more than one product is
// rejected.
func newShop(t *testing.T, bad int) *shop {
	t.Helper()
	s := &shop{hold: make(chan struct{})}
	products := reindextest.Products(100, "1")
	for i := range bad {
		products[10*i].Body = []byte("[]")
	}
	source := placed{func(ctx context.Context, _ string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			select {
			case <-s.hold:
				reindextest.Slice(products).Products(ctx)(yield)
			case <-ctx.Done():
				yield(reindex.Product{}, ctx.Err())
			}
		}
	}}
	var err error
	index := reindextest.NewMemory()
	index.KeepPrevious = 1
	if s.engine, err = reindex.New(source, index, &reindex.Config{MaxRejected: 1}); err != nil {
		t.Fatal(err)
	}
	authorize := func(r *http.Request, _, _ string) error {
		if r.Header.Get("Authorization") != "Bearer "+token {
			return httpapi.ErrInvalidToken
		}
		return nil
	}
	handler, err := httpapi.NewHandler(s.engine, httpapi.Config{Rollbacks: s.engine, Authorizer: authorize})
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.disturbed(w, r) {
			handler.ServeHTTP(hasty{w}, r)
		}
	}))
	t.Cleanup(func() {
		s.Close()
		_ = s.engine.Shutdown(t.Context()) // the context has ended, so runs are cancelled
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

// placed is a source that knows the place of p0.
type placed struct{ reindex.SourceFunc }

func (p placed) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	snap, err := p.SourceFunc.Open(ctx, tenant)
	return placedSnapshot{snap}, err
}

type placedSnapshot struct{ reindex.Snapshot }

func (placedSnapshot) Locate(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"p0": "acme.jsonl, line 1"}, nil
}

func (s *shop) disturbed(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasSuffix(r.URL.Path, "/events") {
		return false
	}
	s.mu.Lock()
	s.streams = append(s.streams, r.Header.Get("Last-Event-ID"))
	n, disturb := len(s.streams), s.disturb
	s.mu.Unlock()
	return disturb != nil && disturb(n, w, r)
}

// hasty makes clients connect again at once after a stream breaks.
type hasty struct{ http.ResponseWriter }

func (h hasty) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func (h hasty) Write(text []byte) (int, error) {
	_, err := h.ResponseWriter.Write(bytes.Replace(text, []byte("retry: 2000"), []byte("retry: 1"), 1))
	return len(text), err
}

// cli runs a command line and returns what it printed.
func (s *shop) cli(ctx context.Context, args ...string) (out, note string, err error) {
	var outs, notes bytes.Buffer
	err = run(ctx, append([]string{"-url", s.URL, "-tenant", "acme"}, args...), token, &outs, &notes)
	return outs.String(), notes.String(), err
}

// trigger starts a job and returns its id.
func (s *shop) trigger(t *testing.T) string {
	t.Helper()
	out, _, err := s.cli(t.Context(), "trigger")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}
