package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/blevesearch/bleve/v2"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

func upsert(id, rev string) reindex.Change {
	p := reindextest.NewProduct(id, map[string]any{"name": "Product " + id, "rev": rev})
	return reindex.Change{ID: id, Body: p.Body}
}

// bodies returns the bodies of all live products by id.
func bodies(t *testing.T, ix *Index, tenant string) map[string]string {
	t.Helper()
	req := bleve.NewSearchRequestOptions(bleve.NewMatchAllQuery(), 10_000, 0, false)
	req.Fields = []string{BodyField}
	result, err := ix.Search(t.Context(), tenant, req)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, hit := range result.Hits {
		body, _ := Body(hit)
		found[hit.ID] = string(body)
	}
	return found
}

// A product that cannot be mapped is reported, and the others are changed.
func TestUpdateRefusesOne(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", products(3, "1")...)
	err := ix.Update(t.Context(), "acme", []reindex.Change{upsert("a", "2"), {ID: "bad", Body: []byte(`[]`)}, {ID: "p0", Delete: true}})
	if failed, ok := errors.AsType[*reindex.BatchError](err); !ok || len(failed.Items) != 1 || failed.Items[0].ID != "bad" {
		t.Errorf("error %v", err)
	}
	if found := bodies(t, ix, "acme"); len(found) != 3 || found["a"] == "" || found["p0"] != "" {
		t.Errorf("found %v", found)
	}
}

// An index that was updated opens again, and damage to it is found as to any other.
func TestUpdatedIndexOpensAgain(t *testing.T) {
	dir := t.TempDir()
	ix, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, ix, "acme", products(100, "1")...)
	for i := range 50 {
		if err := ix.Update(t.Context(), "acme", []reindex.Change{upsert(fmt.Sprint("new", i), "2"), deleteOrReplace(i)}); err != nil {
			t.Fatal(err)
		}
	}
	want := bodies(t, ix, "acme")
	if len(want) != 110 {
		t.Errorf("%d products, want 110", len(want))
	}
	backup := filepath.Join(t.TempDir(), "backup")
	if err := errors.Join(ix.Backup(t.Context(), backup), ix.Close()); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{dir, backup} {
		ix := open(t, dir, nil)
		got := bodies(t, ix, "acme")
		for id, body := range want {
			if got[id] != body {
				t.Errorf("%s: product %q is %q, want %q", dir, id, got[id], body)
			}
		}
		if err := ix.Update(t.Context(), "acme", []reindex.Change{upsert("later", "4")}); err != nil {
			t.Error(err)
		}
		if n, err := ix.DocCount(t.Context(), "acme"); n != 111 || err != nil {
			t.Errorf("%s: %d documents, error %v", dir, n, err)
		}
	}
}

// A read-only Index changes nothing.
func TestUpdateReadOnly(t *testing.T) {
	dir := t.TempDir()
	publish(t, open(t, dir, nil), "acme", products(3, "1")...)
	reader := open(t, dir, &Config{ReadOnly: true})
	if err := reader.Update(t.Context(), "acme", []reindex.Change{upsert("a", "2")}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("error %v", err)
	}
}

// Hundreds of single updates do not leave hundreds of segments.
func TestUpdatesAreMerged(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", products(1000, "1")...)
	for i := range 300 {
		if err := ix.Update(t.Context(), "acme", []reindex.Change{upsert(fmt.Sprint("p", i%200), fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(time.Minute); ; {
		l, err := ix.acquire(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		segments, _ := l.index.StatsMap()["index"].(map[string]any)["TotFileSegmentsAtRoot"].(uint64)
		l.done()
		if segments <= 60 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d segments are left", segments)
		}
	}
}

// What is written while reindexes go on is in the index in the end: every product, every body, and nothing more.
func TestEditsAreNeverLost(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { testEdits(t, seed) })
	}
}

func testEdits(t *testing.T, seed uint64) {
	ix := open(t, t.TempDir(), nil)
	db := &database{products: map[string]string{}}
	for i := range 300 {
		db.set(fmt.Sprint("p", i), "0")
	}
	engine, err := reindex.New(db, ix, &reindex.Config{MinFraction: -1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Run(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(w)))
			for n := range 100 {
				id := fmt.Sprint("p", rng.IntN(100)*4+w)
				change := reindex.Change{ID: id, Delete: true}
				if rng.IntN(4) > 0 {
					change = upsert(id, fmt.Sprint(w, ".", n))
				}
				db.apply(change)
				if err := engine.Update(t.Context(), "acme", change); err != nil {
					t.Errorf("update: %v", err)
				}
			}
		})
	}
	for range 5 {
		if _, err := engine.Run(t.Context(), "acme"); err != nil {
			t.Errorf("run: %v", err)
		}
	}
	writers.Wait()
	if err := engine.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	got := bodies(t, ix, "acme")
	if len(got) != len(db.products) {
		t.Errorf("%d products are live, want %d", len(got), len(db.products))
	}
	for id, body := range db.products {
		if got[id] != body {
			t.Errorf("product %q is %q, want %q", id, got[id], body)
		}
	}
}

// database is the truth, and a source.
type database struct {
	mu       sync.Mutex
	products map[string]string // id to body
}

func (d *database) set(id, rev string) { d.apply(upsert(id, rev)) }

func (d *database) apply(c reindex.Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.Delete {
		delete(d.products, c.ID)
	} else {
		d.products[c.ID] = string(c.Body)
	}
}

func (d *database) Open(context.Context, string) (reindex.Snapshot, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all reindextest.Slice
	for id, body := range d.products {
		all = append(all, object(id, body))
	}
	return all, nil
}

// deleteOrReplace replaces every fifth product, and deletes the others.
func deleteOrReplace(i int) reindex.Change {
	if id := fmt.Sprint("p", i); i%5 == 0 {
		return upsert(id, "3")
	}
	return reindex.Change{ID: fmt.Sprint("p", i), Delete: true}
}
