package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/blevesearch/bleve/v2"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// edited returns a change to a product of this rev with several fields.
func edited(id, rev string) reindex.Change {
	body := fmt.Sprintf(`{"id":%q,"name":"edited %s of %s","rev":%q,"price":%d}`, id, rev, id, rev, len(rev))
	return reindex.Change{ID: id, Body: []byte(body)}
}

// edit changes random products until done is closed, each first in the database and then through the engine. Each
// writer has products of its own, so that the changes of a product have the same order in both. It returns the number
// of changes.
func edit(
	t *testing.T, db *reindextest.Editable, e *reindex.Engine, seed uint64, writer int, done <-chan struct{},
) (edits int) {
	rng := rand.New(rand.NewPCG(seed, uint64(writer)))
	for n := 0; ; n++ {
		select {
		case <-done:
			return n
		default:
		}
		id := fmt.Sprint("p", rng.IntN(60)*4+writer)
		change := deletion(id)
		if rng.IntN(4) > 0 {
			change = edited(id, fmt.Sprint(writer, ".", n))
		}
		db.Edit(change)
		if err := e.Update(t.Context(), "acme", change); err != nil {
			t.Errorf("update: %v", err)
			return n
		}
	}
}

// storedBodies returns the body of each product that a search finds, by id.
func storedBodies(t *testing.T, ix *Index, tenant string) map[string]string {
	t.Helper()
	req := bleve.NewSearchRequestOptions(bleve.NewMatchAllQuery(), 5000, 0, false)
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
	if len(found) != int(result.Total) {
		t.Errorf("a search for all products has %d hits, but a total of %d", len(found), result.Total)
	}
	return found
}

// After changes during reindexes, the live index has exactly the products and bodies of the database, even in the next
// process.
func TestEditsDuringReindexes(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			var db reindextest.Editable
			for i := range 200 {
				db.Edit(edited(fmt.Sprint("p", i), "0"))
			}
			dir := t.TempDir()
			ix := open(t, dir, nil)
			engine, err := reindex.New(&db, ix, &reindex.Config{BatchDocs: 20, MinFraction: -1, CountMargin: -1})
			if err != nil {
				t.Fatal(err)
			}
			mustReindex(t, engine)
			done := make(chan struct{})
			var writers sync.WaitGroup
			for w := range 4 {
				writers.Go(func() {
					if n := edit(t, &db, engine, seed, w, done); n == 0 {
						t.Error("a writer has not edited anything")
					}
				})
			}
			for range 5 {
				mustReindex(t, engine)
			}
			close(done)
			writers.Wait()
			if err := errors.Join(engine.Settle(t.Context(), "acme"), engine.Shutdown(t.Context())); err != nil {
				t.Error(err)
			}
			assertBodies(t, ix, &db)
			mustClose(t, ix)
			assertBodies(t, open(t, dir, nil), &db)
		})
	}
}

func mustReindex(t *testing.T, engine *reindex.Engine) {
	t.Helper()
	if _, err := engine.Run(t.Context(), "acme"); err != nil {
		t.Errorf("reindex: %v", err)
	}
}

func assertBodies(t *testing.T, ix *Index, db *reindextest.Editable) {
	t.Helper()
	want := db.Bodies()
	db.AssertEqual(t, storedBodies(t, ix, "acme"))
	if n, err := ix.DocCount(t.Context(), "acme"); n != int64(len(want)) || err != nil {
		t.Errorf("%d documents are counted, error %v, want %d", n, err, len(want))
	}
}

// A search during updates finds whole products, and all changes of an update or none.
func TestSearchWhileUpdating(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	changes := func(rev string) (all []reindex.Change) {
		for i := range 20 {
			all = append(all, edited(fmt.Sprint("p", i), rev))
		}
		return all
	}
	publish(t, ix, "acme", products(1, "0")...)
	update(t, ix, "acme", append(changes("0"), deletion("p0"))...)
	update(t, ix, "acme", changes("0")...)
	done := make(chan struct{})
	var searchers sync.WaitGroup
	for range 2 {
		searchers.Go(func() {
			for {
				assertOneRev(t, ix)
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 60 {
		update(t, ix, "acme", changes(fmt.Sprint("r", i))...)
	}
	close(done)
	searchers.Wait()
}

// assertOneRev checks that a search finds 20 whole products, all of the same rev.
func assertOneRev(t *testing.T, ix *Index) {
	req := bleve.NewSearchRequestOptions(bleve.NewMatchQuery("edited"), 100, 0, false)
	req.Fields = []string{"rev", "name"}
	req.SortBy([]string{"rev"})
	result, err := ix.Search(context.Background(), "acme", req)
	if err != nil {
		t.Error(err)
		return
	}
	if result.Total != 20 || len(result.Hits) != 20 {
		t.Errorf("%d hits of %d products, want 20", len(result.Hits), result.Total)
		return
	}
	for _, hit := range result.Hits {
		rev := hit.Fields["rev"]
		if hit.Fields["name"] != fmt.Sprintf("edited %s of %s", rev, hit.ID) || rev != result.Hits[0].Fields["rev"] {
			t.Errorf("product %s has the fields %v, and another one the rev %v",
				hit.ID, hit.Fields, result.Hits[0].Fields["rev"])
		}
	}
}
