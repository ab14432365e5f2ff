package esindex

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// edit changes random products until done is closed, each first in the database and then through the engine. Each
// writer has products of its own, so that the changes of a product have the same order in both.
func edit(
	t *testing.T, db *reindextest.Editable, e *reindex.Engine, seed uint64, writer int, done <-chan struct{},
) {
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
		db.Edit(change)
		if err := e.Update(t.Context(), acme, change); err != nil {
			t.Errorf("update: %v", err)
			return
		}
	}
}

// After several runs during which products were inserted, changed and deleted, the live index is equal to the database.
func TestEditsDuringRuns(t *testing.T) {
	for seed := range uint64(reindextest.Seeds(2, 5)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			ix := openOn(t, estest.Plain(t).Transport(t), nil)
			var db reindextest.Editable
			for i := range 400 {
				db.Edit(upsert(fmt.Sprint("p", i), "first"))
			}
			engine, err := reindex.New(&db, ix, &reindex.Config{BatchDocs: 50, Workers: 4, CountMargin: -1, MinFraction: -1})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := engine.Run(t.Context(), acme); err != nil {
				t.Fatal(err)
			}
			var writers sync.WaitGroup
			done := make(chan struct{})
			for w := range 4 {
				writers.Go(func() { edit(t, &db, engine, seed, w, done) })
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
				t.Error("the runs have replayed no changes")
			}
			found, err := bodiesOf(t.Context(), ix, acme)
			if err != nil {
				t.Fatal(err)
			}
			db.AssertEqual(t, found)
			t.Logf("%d products, %d changes replayed", len(found), applied)
		})
	}
}
