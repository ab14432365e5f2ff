package meiliindex

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// After several reindexes during which four writers insert, change and delete random products, the live index has
// exactly the products and bodies of the database, even if requests fail.
func TestEditsAreNeverLost(t *testing.T) {
	for seed := range uint64(3) {
		for _, faulty := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d, faulty %v", seed, faulty), func(t *testing.T) {
				s := server(t)
				ix := newIndex(t, s, nil)
				var db reindextest.Editable
				for i := range 200 {
					db.Edit(detailed(fmt.Sprint("p/", i), "0"))
				}
				engine, err := reindex.New(&db, ix, &reindex.Config{
					BatchDocs: 40, CountMargin: -1, MinFraction: -1,
					Retry: reindex.Retry{Attempts: 8, MinDelay: time.Microsecond, MaxDelay: time.Millisecond},
				})
				if err != nil {
					t.Fatal(err)
				}
				mustRun(t, engine)
				if faulty {
					s.SetFault(randomFaults(seed))
				}
				var writers sync.WaitGroup
				done := make(chan struct{})
				for w := range 4 {
					rng := rand.New(rand.NewPCG(seed, uint64(w)))
					writers.Go(func() { edit(t, &db, engine, rng, w, done) })
				}
				var carried int64
				for range 5 {
					report, err := engine.Run(t.Context(), tenant)
					if err != nil && !faulty {
						t.Errorf("run: %v", err)
					}
					carried += report.ChangesApplied
				}
				close(done)
				writers.Wait()
				s.SetFault(nil)
				if err := errors.Join(engine.Settle(t.Context(), tenant), engine.Shutdown(t.Context())); err != nil {
					t.Error(err)
				}
				if carried == 0 {
					t.Error("the runs have replayed no changes")
				}
				got, err := bodiesOf(t.Context(), connect(t, s.URL, meilitest.MasterKey), ix, tenant)
				if err != nil {
					t.Fatal(err)
				}
				db.AssertEqual(t, got)
			})
		}
	}
}

func mustRun(t *testing.T, engine *reindex.Engine) {
	t.Helper()
	if _, err := engine.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
}

// detailed returns a change to a product of this rev with several fields.
func detailed(id, rev string) reindex.Change {
	p := reindextest.NewProduct(id, map[string]any{"rev": rev, "name": "Product " + rev, "tags": []string{id, rev}})
	return reindex.Change{ID: id, Body: p.Body}
}

// edit changes random products until done is closed, first in the database and then through the engine, with one to
// three changes in a call. Each writer has products of its own, so that the changes of a product have the same order in
// both.
func edit(
	t *testing.T, db *reindextest.Editable, engine *reindex.Engine, rng *rand.Rand, writer int, done <-chan struct{},
) {
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		default:
		}
		var changes []reindex.Change
		for range 1 + rng.IntN(3) {
			id := fmt.Sprint("p/", rng.IntN(60)*4+writer)
			if rng.IntN(4) == 0 {
				changes = append(changes, deletion(id))
			} else {
				changes = append(changes, detailed(id, fmt.Sprint(writer, ".", n)))
			}
		}
		db.Edit(changes...)
		err := engine.Update(t.Context(), tenant, changes...)
		for isTemporary(err) {
			err = engine.Update(t.Context(), tenant, changes...)
		}
		if err != nil {
			t.Errorf("update: %v", err)
		}
	}
}
