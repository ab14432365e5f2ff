package bleveindex

import (
	"context"
	"sync"
	"testing"

	"github.com/blevesearch/bleve/v2"

	"productindex/reindex"
)

// A searcher that asks for a product which was deleted before the switch-over began never sees it again, although the
// run had read it before.
func TestDeletedProductStaysAway(t *testing.T) {
	d := &truth{products: map[string]string{}}
	for _, id := range []string{"p1", "p2", "p3"} {
		d.set(id, "0")
	}
	ix := open(t, t.TempDir(), nil)
	var engine *reindex.Engine
	var searcher sync.WaitGroup
	done, deleted := make(chan struct{}), false
	engine, err := reindex.New(d, ix, &reindex.Config{MinFraction: -1, Trace: &reindex.Trace{
		PhaseStarted: func(ctx context.Context, _ reindex.JobInfo, phase reindex.Phase) context.Context {
			if phase != reindex.PhaseCommit || deleted {
				return ctx
			}
			deleted = true
			if err := engine.Update(context.Background(), "acme", deletion("p2")); err != nil {
				t.Error(err)
			}
			searcher.Go(func() { neverFind(t, ix, "p2", done) })
			return ctx
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	deleted = true
	mustReindex(t, engine)
	deleted = false
	mustReindex(t, engine)
	close(done)
	searcher.Wait()
	delete(d.products, "p2")
	assertBodies(t, ix, d.products)
	if err := engine.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// neverFind searches for a product until done is closed, and once more.
func neverFind(t *testing.T, ix *Index, id string, done <-chan struct{}) {
	for last := false; !last; {
		select {
		case <-done:
			last = true
		default:
		}
		result, err := ix.Search(context.Background(), "acme", bleve.NewSearchRequest(bleve.NewDocIDQuery([]string{id})))
		if err != nil || result.Total != 0 {
			t.Errorf("%v products are found, error %v", result, err)
			return
		}
	}
}
