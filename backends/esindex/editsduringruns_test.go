package esindex

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// database is a source that is edited while it is read.
type database struct {
	mu       sync.Mutex
	products map[string]json.RawMessage
}

func (d *database) Open(context.Context, string) (reindex.Snapshot, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var products reindextest.Slice
	for id, body := range d.products {
		products = append(products, reindex.Product{ID: id, Body: body})
	}
	return products, nil
}

// change edits the database.
func (d *database) change(c reindex.Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.Delete {
		delete(d.products, c.ID)
	} else {
		d.products[c.ID] = c.Body
	}
}

// edit changes products at random, first in the database and then through the engine, until done is closed. Each writer
// has products of its own, so that the order of their changes is the same in both.
func (d *database) edit(t *testing.T, e *reindex.Engine, seed uint64, writer int, done <-chan struct{}) {
	rng := rand.New(rand.NewPCG(seed, uint64(writer)))
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		default:
		}
		id := fmt.Sprint("p", rng.IntN(150)*4+writer)
		change := upsert(id, fmt.Sprint(writer, ".", n))
		if rng.IntN(4) == 0 {
			change = deletion(id)
		}
		d.change(change)
		if err := e.Update(t.Context(), acme, change); err != nil {
			t.Errorf("update: %v", err)
			return
		}
	}
}

// documents returns the live documents as they are kept.
func documents(t *testing.T, ix *Index) map[string]json.RawMessage {
	t.Helper()
	var answer struct {
		Hits struct {
			Hits []struct {
				ID     string          `json:"_id"`
				Source json.RawMessage `json:"_source"`
			}
		}
	}
	size := 10_000
	if err := call(t.Context(), ix.transport, "searching",
		esapi.SearchRequest{Index: []string{ix.Alias(acme)}, Size: &size}, &answer); err != nil {
		t.Fatal(err)
	}
	found := map[string]json.RawMessage{}
	for _, hit := range answer.Hits.Hits {
		found[hit.ID] = hit.Source
	}
	return found
}

// While writers edit, insert and delete products, several runs become live, and the live index ends equal to the
// database.
func TestEditsDuringRuns(t *testing.T) {
	for seed := range uint64(reindextest.Seeds(2, 5)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			ix := openOn(t, estest.Plain(t).Transport(t), nil)
			db := &database{products: map[string]json.RawMessage{}}
			for i := range 400 {
				db.change(upsert(fmt.Sprint("p", i), "first"))
			}
			engine, err := reindex.New(db, ix, &reindex.Config{BatchDocs: 50, Workers: 4, CountMargin: -1, MinFraction: -1})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := engine.Run(t.Context(), acme); err != nil {
				t.Fatal(err)
			}
			var writers sync.WaitGroup
			done := make(chan struct{})
			for w := range 4 {
				writers.Go(func() { db.edit(t, engine, seed, w, done) })
			}
			var applied int64
			for range 5 {
				report, err := engine.Run(t.Context(), acme)
				if err != nil {
					t.Error(err)
				}
				applied += report.ChangesApplied
			}
			close(done)
			writers.Wait()
			if err := errors.Join(engine.Settle(t.Context(), acme), engine.Shutdown(t.Context())); err != nil {
				t.Error(err)
			}
			if applied == 0 {
				t.Error("no change was replayed: the runs were not edited")
			}
			found := documents(t, ix)
			if !maps.EqualFunc(found, db.products, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
				t.Errorf("the index holds %d products, the database %d, or other ones", len(found), len(db.products))
				for id, body := range db.products {
					if !bytes.Equal(found[id], body) {
						t.Errorf("%s is %s in the index, %s in the database", id, found[id], body)
					}
				}
			}
			t.Logf("%d products, %d changes replayed", len(db.products), applied)
		})
	}
}
