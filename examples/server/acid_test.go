//go:build unix

package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

const (
	shopSize    = 1000
	shopWriters = 4
)

// After each reindex, the index of a shop equals its database once all changes are searchable. Writers insert, edit and
// delete products in the database. They announce each change to one of two servers, which share a PostgreSQL and an
// Elasticsearch. During each reindex, one server is stopped for longer than its leases. It is resumed after the other
// server has seen the end of the job.
func TestAcidProcesses(t *testing.T) {
	t.Parallel()
	rounds := reindextest.Seeds(1, 8)
	s := newShop(t, startElasticsearch(t), startPostgres(t))
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	defer writers.Wait()
	defer cancel()
	for i := range shopWriters {
		writers.Go(func() {
			if err := s.edit(ctx, i); err != nil && ctx.Err() == nil {
				t.Errorf("writer %d: got error %v, want none", i, err)
			}
		})
	}
	for range rounds {
		s.reindexAndStop(t, mathrand.IntN(2), mathrand.IntN(2), mathrand.IntN(30))
		s.assertEqual(t)
	}
	cancel()
	writers.Wait()
	s.stop(t)
	t.Logf("%d edits", s.edits)
	if s.edits < rounds {
		t.Errorf("got %d edits in %d rounds, want at least one per round", s.edits, rounds)
	}
}

// shop is a database with two servers that index it.
type shop struct {
	*cluster

	db    *sql.DB
	index reindex.LiveScanner

	still sync.RWMutex // locked for reading during an edit, for writing while index and database are compared
	mu    sync.Mutex
	edits int
}

func newShop(t *testing.T, elasticsearchURL, jobs string) *shop {
	t.Helper()
	file := filepath.Join(t.TempDir(), "shop.db")
	db, err := sql.Open("sqlite", "file:"+file+"?"+ownFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	exec := func(query string, args ...any) {
		if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE products (id TEXT PRIMARY KEY, name TEXT NOT NULL)")
	for i := range shopSize {
		exec("INSERT INTO products VALUES (?, ?)", productID(i), "first")
	}
	prefix := "acid" + strings.ToLower(rand.Text())
	backend, err := openElasticsearch(config{Elasticsearch: elasticsearch{URL: elasticsearchURL, Prefix: prefix}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.close() })
	s := &shop{db: db, cluster: &cluster{tenant: "acme"}}
	s.index, _ = reindex.As[reindex.LiveScanner](backend.indexer)
	s.env = []string{
		"PRODUCTINDEX_DATABASE=sqlite:" + file, "PRODUCTINDEX_QUERY=SELECT id, name FROM products WHERE ? = 'acme'",
		"PRODUCTINDEX_QUERY_TENANTS=SELECT 1 WHERE ? = 'acme'", "PRODUCTINDEX_CHANGES=true",
		"PRODUCTINDEX_BACKEND=elasticsearch", "ELASTICSEARCH_PREFIX=" + prefix,
		"PRODUCTINDEX_JOBS=" + jobs, "PRODUCTINDEX_JOBS_LEASE=" + sharedLease.String(), "PRODUCTINDEX_TRIGGERS_PER_MINUTE=0",
	}
	for i := range s.servers {
		s.wires[i] = newWire(t, elasticsearchURL)
		s.start(t, i)
	}
	j, _ := s.servers[0].trigger(t, s.tenant)
	if end := s.servers[0].awaitEnd(t, s.tenant, j.ID); end.Status != "SUCCESS" {
		t.Fatalf("the first job is %+v, want SUCCESS", end)
	}
	return s
}

func productID(i int) string { return fmt.Sprintf("p-%04d", i) }

// edit changes one product after another until ctx ends. No other writer changes the same products.
func (s *shop) edit(ctx context.Context, writer int) error {
	for n := 0; ctx.Err() == nil; n++ {
		id := productID(mathrand.IntN(shopSize*5/4)/shopWriters*shopWriters + writer)
		if err := s.editOne(ctx, id, fmt.Sprintf("writer %d, edit %d", writer, n)); err != nil {
			return err
		}
	}
	return nil
}

func (s *shop) editOne(ctx context.Context, id, name string) error {
	s.still.RLock()
	defer s.still.RUnlock()
	query := "INSERT INTO products VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name"
	args := []any{id, name}
	if mathrand.IntN(4) == 0 {
		query, args = "DELETE FROM products WHERE id = ?", []any{id}
	}
	if _, err := s.db.ExecContext(ctx, query, args...); err != nil {
		return err
	}
	if err := s.announce(ctx, id); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.edits++
	return nil
}

// announce announces a changed product to the servers until one of them accepts it. A stopped server may accept an
// announcement late. This is harmless, because the servers read the product from the database.
func (s *shop) announce(ctx context.Context, id string) error {
	for {
		err := s.post(ctx, mathrand.IntN(2), id, "")
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// settle waits until all announced changes are searchable.
func (s *shop) settle(ctx context.Context) error {
	for {
		err := s.post(ctx, 0, productID(0), "applied")
		if err == nil || ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// post announces a changed product to a server, and waits for the response for at most two leases. The response must
// contain want. If want is not empty, the request has settle=true, and the response has the field applied.
func (s *shop) post(ctx context.Context, to int, id, want string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*sharedLease)
	defer cancel()
	address := s.servers[to].address + "/indexing/" + s.tenant + "/changes?settle=" + fmt.Sprint(want != "")
	line := `{"id":"` + id + `"}`
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(line))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	if err == nil && !strings.Contains(string(text), want) {
		err = fmt.Errorf("the response lacks %q: %s", want, text)
	}
	return err
}

// reindexAndStop triggers a reindex on the server runner. It stops the server victim at one of its requests to
// Elasticsearch until the other server has seen the end of the job. It returns after a reindex has succeeded.
func (s *shop) reindexAndStop(t *testing.T, runner, victim, at int) {
	t.Helper()
	stopped, other := s.servers[victim], s.servers[1-victim]
	halt := sync.OnceFunc(func() {
		if err := stopped.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Error(err)
		}
	})
	j := takeOver(t, s.servers[runner], s.tenant)
	var mu sync.Mutex
	n := 0
	s.wires[victim].set(func(event) {
		mu.Lock()
		defer mu.Unlock()
		if n++; n > at {
			halt()
		}
	})
	end := other.awaitEnd(t, s.tenant, j.ID)
	s.wires[victim].set(nil)
	halt() // unless the victim was stopped during the job
	if err := s.announce(t.Context(), productID(0)); err != nil {
		t.Fatal(err)
	}
	if err := stopped.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for end.Status != "SUCCESS" {
		j = takeOver(t, other, s.tenant)
		if end = other.awaitEnd(t, s.tenant, j.ID); end.Status != "SUCCESS" {
			t.Logf("a job during which no server was stopped is %+v", end)
		}
	}
}

// assertEqual compares the whole index with the whole database while no writer edits.
func (s *shop) assertEqual(t *testing.T) {
	t.Helper()
	s.still.Lock()
	defer s.still.Unlock()
	if err := s.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	want, err := s.products(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for product, err := range s.index.ScanLive(t.Context(), s.tenant) {
		var body struct {
			Name string `json:"name"`
		}
		if err = errors.Join(err, json.Unmarshal(product.Body, &body)); err != nil {
			t.Fatal(err)
		}
		got[product.ID] = body.Name
	}
	for id, name := range want {
		if live, ok := got[id]; !ok || live != name {
			t.Errorf("product %s is %q in the index (found: %v), want %q as in the database", id, live, ok, name)
		}
		delete(got, id)
	}
	if len(got) > 0 {
		t.Errorf("the index also has %v, want only the products of the database", got)
	}
}

// products returns the names of all products in the database by their ids.
func (s *shop) products(ctx context.Context) (map[string]string, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id, name FROM products")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var id, name string
		if err := rows.Scan(&id, &name); err != nil {
			return nil, err
		}
		all[id] = name
	}
	return all, rows.Err()
}
