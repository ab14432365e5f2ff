package esindex

import (
	"context"
	"errors"
	"sync"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// Elasticsearch forgets the version of a deleted document after index.gc_deletes. A deletion still wins over repeated
// writes and repeated earlier changes of the product, in the live index and in a generation.
func TestForgottenVersionsOfDeletions(t *testing.T) {
	ix := open(t, func(c *Config) { c.Settings = []byte(`{"index.gc_deletes":"0s","index.number_of_replicas":0}`) })
	products := reindextest.Products(60, "1")
	var engine *reindex.Engine
	var once sync.Once
	lost := errors.New("the answer was lost")
	update := func(changes ...reindex.Change) {
		ctx := context.WithoutCancel(t.Context())
		if err := errors.Join(engine.Update(ctx, acme, changes...), engine.Settle(ctx, acme)); err != nil {
			t.Error(err)
		}
	}
	deleted := false
	faulty := reindextest.NewFaulty(ix, func(c reindextest.Call) reindextest.Fault {
		switch {
		case deleted && c.Op == reindextest.OpWrite:
			once.Do(func() {
				update(upsert("p3", "2"), upsert("new", "2"))
				update(deletion("p3"), deletion("p40"), deletion("new"))
			})
			fallthrough
		case c.Op == reindextest.OpEdit, c.Op == reindextest.OpUpdate:
			if c.N%2 == 1 {
				return reindextest.Fault{Lost: reindex.Temporary(lost)}
			}
		}
		return reindextest.Fault{}
	})
	engine, err := reindex.New(reindextest.Slice(products), faulty, &reindex.Config{
		BatchDocs: 20, Workers: 1, Retry: reindex.Retry{MinDelay: 1, MaxDelay: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, deleted = range []bool{false, true} {
		if _, err := engine.Run(t.Context(), acme); err != nil {
			t.Fatal(err)
		}
	}
	want := revs(60, "1")
	delete(want, "p3")
	delete(want, "p40")
	assertFound(t, ix, want)
	update(upsert("p3", "3"), deletion("p4"))
	update(deletion("p3"))
	delete(want, "p4")
	assertFound(t, ix, want)
	if err := engine.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
