package testmodule_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/blevesearch/bleve/v2"

	"productindex/backends/bleveindex"
	"productindex/httpapi"
	"productindex/httpapi/console"
	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/schedule"
	"productindex/reindex/throttle"
	"productindex/source/jsonl"
)

const (
	manager = "manager-token" // may do everything
	viewer  = "viewer-token"  // may only view
)

// hostile is an id that would run a script if the page turned texts into markup.
const hostile = `<img src=x onerror="document.title='owned'">`

// shop is a server with the console, the endpoints, an index in bleve, and catalogues in files. Tests set the speed at
// which it reads the files.
type shop struct {
	t         *testing.T
	engine    *reindex.Engine
	handler   http.Handler
	catalogue string
	throttle  *throttle.Throttle
	plans     plans

	stumbles atomic.Bool // whether the next write fails, once
	held     atomic.Bool // whether edits of the live index wait for release
	release  chan struct{}

	mu      sync.Mutex
	server  *http.Server
	address string
}

// refused is the id of a product whose edits the index refuses.
const refused = "P-REFUSED"

// plans has the schedules of tenants.
type plans map[string][]schedule.Status

func (p plans) Of(tenant string) []schedule.Status { return p[tenant] }

// fault returns the fault of a call of the index.
func (s *shop) fault(c reindextest.Call) (fault reindextest.Fault) {
	switch {
	case c.Op == reindextest.OpWrite && s.stumbles.CompareAndSwap(true, false):
		fault.Err = reindex.Temporary(errors.New("the index is busy"))
	case c.Op == reindextest.OpUpdate && s.held.Load():
		select {
		case <-s.release:
		case <-s.t.Context().Done():
		}
	case c.Op == reindextest.OpUpdate && c.Changes[0].ID == refused:
		fault.Items = []reindex.ItemError{{ID: refused, Err: errors.New("field price: a number is expected")}}
	}
	return fault
}

// newShop starts a server. tenants has the number of products of each tenant. jobs may be nil.
func newShop(t *testing.T, tenants map[string]int, jobs reindex.JobStore) *shop {
	t.Helper()
	s := &shop{t: t, catalogue: t.TempDir(), address: "127.0.0.1:0", release: make(chan struct{})}
	for tenant, products := range tenants {
		s.fill(tenant, products)
	}
	files, err := jsonl.New(s.catalogue, nil)
	check(t, err)
	index, err := bleveindex.Open(t.TempDir(), &bleveindex.Config{KeepPrevious: 2})
	check(t, err)
	s.throttle, err = throttle.New(throttle.Config{})
	check(t, err)
	faulty := reindextest.NewFaulty(index, s.fault)
	s.engine, err = reindex.New(s.throttle.Source(files), faulty, &reindex.Config{
		MaxRejected: 100, BatchDocs: 200, Jobs: jobs,
	})
	check(t, err)
	s.plans = schedules(t)
	t.Cleanup(func() {
		s.stop()
		ended, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.engine.Shutdown(ended); err != nil {
			t.Log(err)
		}
		check(t, index.Close())
	})
	mux := http.NewServeMux()
	check(t, httpapi.Mount(mux, s.engine, httpapi.Config{
		Authorizer: authorize, Throttle: s.throttle, Changes: s.engine, Schedule: s.plans, Rollbacks: s.engine,
	}))
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

// fill writes a catalogue with the given number of valid products, and a few that cannot be indexed.
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

// schedules returns the schedule of acme, two of whose times were missed. Other tenants have none.
func schedules(t *testing.T) plans {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	check(t, err)
	next := time.Now().Add(7 * time.Hour)
	return plans{"acme": {{
		Entry: schedule.Entry{Tenant: "acme", Cron: "30 2 * * *", Location: berlin, Jitter: 10 * time.Minute},
		Next:  next, Last: next.AddDate(0, 0, -1), Missed: 2, LastMissed: next.AddDate(0, 0, -4),
	}}}
}

// edit changes a product without waiting for the index.
func (s *shop) edit(tenant, id string) {
	change := reindex.Change{ID: id, Body: json.RawMessage(`{"id":"` + id + `","name":"Edited"}`)}
	go func() { _ = s.engine.Update(s.t.Context(), tenant, change) }() // the page shows the result
}

// start starts the server, at the same address as before.
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

// stop stops the server and breaks all connections.
func (s *shop) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.server.Close()
}

// url returns the address of a view.
func (s *shop) url(view string) string { return "http://" + s.address + "/console/" + view }

// slow limits the number of a tenant's products that are read per second. 0 means no limit.
func (s *shop) slow(tenant string, speed float64) {
	s.t.Helper()
	check(s.t, s.throttle.SetLimits(tenant, throttle.Limits{Documents: speed}))
}

// reindex reindexes a tenant.
func (s *shop) reindex(tenant string) {
	s.t.Helper()
	_, err := s.engine.Run(s.t.Context(), tenant)
	check(s.t, err)
	jobs, _, err := s.engine.Jobs(s.t.Context(), tenant, reindex.JobQuery{Limit: 1})
	check(s.t, err)
	for i := range s.plans[tenant] {
		s.plans[tenant][i].Job = jobs[0].ID
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
