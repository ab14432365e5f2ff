package testmodule_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/blevesearch/bleve/v2"

	"productindex/backends/bleveindex"
	"productindex/httpapi"
	"productindex/httpapi/console"
	"productindex/reindex"
	"productindex/reindex/throttle"
	"productindex/source/jsonl"
)

const (
	manager = "manager-token" // may do everything
	viewer  = "viewer-token"  // may look
)

// hostile is an id that would run a script if a page made markup out of it.
const hostile = `<img src=x onerror="document.title='owned'">`

// shop is a server with the console, the endpoints, an index in bleve, and catalogues in files that are read as slowly
// as a test wants.
type shop struct {
	t         *testing.T
	engine    *reindex.Engine
	handler   http.Handler
	catalogue string
	throttle  *throttle.Throttle

	mu      sync.Mutex
	server  *http.Server
	address string
}

// newShop starts a server. tenants have so many products each.
func newShop(t *testing.T, tenants map[string]int) *shop {
	t.Helper()
	s := &shop{t: t, catalogue: t.TempDir(), address: "127.0.0.1:0"}
	for tenant, products := range tenants {
		s.fill(tenant, products)
	}
	files, err := jsonl.New(s.catalogue, nil)
	check(t, err)
	index, err := bleveindex.Open(t.TempDir(), nil)
	check(t, err)
	s.throttle, err = throttle.New(throttle.Config{})
	check(t, err)
	s.engine, err = reindex.New(s.throttle.Source(files), index, &reindex.Config{MaxRejected: 100, BatchDocs: 200})
	check(t, err)
	t.Cleanup(func() {
		s.stop()
		ended, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.engine.Shutdown(ended); err != nil {
			t.Log(err)
		}
		check(t, index.Close())
	})
	mux := http.NewServeMux()
	check(t, httpapi.Mount(mux, s.engine, httpapi.Config{Authorizer: authorize, Throttle: s.throttle}))
	page, err := console.New(&console.Config{Search: search(index), Authorizer: authorize})
	check(t, err)
	mux.Handle("/console/", http.StripPrefix("/console", page))
	s.handler = mux
	s.start()
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func authorize(r *http.Request, _, scope string) error {
	switch r.Header.Get("Authorization") {
	case "Bearer " + manager:
		return nil
	case "Bearer " + viewer:
		if scope == httpapi.ScopeView {
			return nil
		}
		return &httpapi.ScopeError{}
	default:
		return httpapi.ErrInvalidToken
	}
}

// fill writes a catalogue of so many products, some of which cannot be indexed.
func (s *shop) fill(tenant string, products int) {
	s.t.Helper()
	kinds := []string{"Wool blanket", "Oak table", "Linen shirt", "Desk lamp", "Rain jacket", "Trail boot", "Copper pan"}
	var lines strings.Builder
	for i := range products {
		fmt.Fprintf(&lines, `{"id":"P-%05d","name":"%s %d","price":%d.90}`+"\n", i, kinds[i%len(kinds)], i, 10+i%90)
		switch {
		case i%700 == 350:
			fmt.Fprintf(&lines, `{"id":"P-%05d","name":"Cut off, price":`+"\n", i+100_000)
		case i == products/2:
			fmt.Fprintf(&lines, `{"id":%q,"name":[1,2`+"\n", hostile)
		}
	}
	check(s.t, os.WriteFile(filepath.Join(s.catalogue, tenant+".jsonl"), []byte(lines.String()), 0o600))
}

// start listens, at the same address as before.
func (s *shop) start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	listener, err := new(net.ListenConfig).Listen(s.t.Context(), "tcp", s.address)
	check(s.t, err)
	s.address = listener.Addr().String()
	s.server = &http.Server{Handler: s.handler, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.server.Serve(listener) }() // ends with Close
}

// stop breaks every connection, and takes no new ones.
func (s *shop) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.server.Close()
}

// url is the address of a view.
func (s *shop) url(view string) string { return "http://" + s.address + "/console/" + view }

// slow lets so many products a second be read of a tenant; 0: any number.
func (s *shop) slow(tenant string, speed float64) {
	s.t.Helper()
	check(s.t, s.throttle.SetLimits(tenant, throttle.Limits{Documents: speed}))
}

// reindex carries out a run.
func (s *shop) reindex(tenant string) {
	s.t.Helper()
	if _, err := s.engine.Run(s.t.Context(), tenant); err != nil {
		s.t.Fatal(err)
	}
}

func search(index *bleveindex.Index) func(context.Context, string, string) (console.Found, error) {
	return func(ctx context.Context, tenant, text string) (console.Found, error) {
		request := bleve.NewSearchRequest(bleveindex.Query(text, &bleveindex.QueryOptions{Prefix: true}))
		request.Fields = []string{"name", bleveindex.BodyField}
		result, err := index.Search(ctx, tenant, request)
		if err != nil {
			return console.Found{}, err
		}
		found := console.Found{Total: int64(result.Total)}
		for _, hit := range result.Hits {
			body, _ := bleveindex.Body(hit)
			found.Hits = append(found.Hits, console.Hit{ID: hit.ID, Name: fmt.Sprint(hit.Fields["name"]), Product: body})
		}
		return found, nil
	}
}
