package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/mapping"

	"productindex/reindex"
)

// While many changes are written to a live index, a run writes one batch fewer at a time, but at least one.
func TestShare(t *testing.T) {
	const all = 9
	for _, test := range []struct{ writers, changes, want int }{
		{4, 0, all},
		{4, manyForShare - 1, all},
		{4, manyForShare, 3},
		{2, manyForShare, 1},
		{1, manyForShare, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newShare(test.writers)
			defer s.change(test.changes)()
			begun := make(chan error, all)
			for range all {
				go func() { begun <- s.batch(t.Context()) }()
			}
			synctest.Wait()
			for want := test.want; ; want++ {
				if n := len(begun); n != min(want, all) {
					t.Fatalf("%+v: %d batches have begun, want %d", test, n, want)
				}
				if want >= all {
					break
				}
				s.batchEnded()
				synctest.Wait()
			}
		})
	}
}

// A batch that waits begins when another one ends, and not when the changes are written. It does not begin if its
// context ends.
func TestShareWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShare(2)
		end := s.change(manyForShare)
		if err := s.batch(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		begun, cancelled := make(chan error, 1), make(chan error, 1)
		go func() { begun <- s.batch(t.Context()) }()
		go func() { cancelled <- s.batch(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-cancelled; !errors.Is(err, context.Canceled) {
			t.Errorf("batch: error %v, want %v", err, context.Canceled)
		}
		end()
		synctest.Wait()
		if len(begun) > 0 {
			t.Error("the batch began when the changes were written, want it to wait for the other batch")
		}
		s.batchEnded()
		if err := <-begun; err != nil {
			t.Error(err)
		}
		s.batchEnded()
		if s.batches != 0 || s.calls != 0 || s.ended != nil {
			t.Errorf("in the end %d batches and %d calls are in progress, want none", s.batches, s.calls)
		}
	})
}

// watching is a host's mapping. It calls mapped for each document.
type watching struct {
	*mapping.IndexMappingImpl

	mapped func()
}

func (w *watching) MapDocument(doc *document.Document, data any) error {
	w.mapped()
	return w.IndexMappingImpl.MapDocument(doc, data)
}

// A call of Update with many changes counts while it is in progress, and the batches of a run wait because of it.
func TestUpdateSharesWithRuns(t *testing.T) {
	var calls atomic.Int64
	m := &watching{IndexMappingImpl: bleve.NewIndexMapping(), mapped: func() {}}
	ix := open(t, t.TempDir(), &Config{Mapping: m})
	publish(t, ix, "acme", products(1, "old")...)
	m.mapped = func() {
		ix.share.mu.Lock()
		defer ix.share.mu.Unlock()
		calls.Store(int64(ix.share.calls))
	}
	for _, n := range []int{1, manyForShare} {
		var changes []reindex.Change
		for i := range n {
			changes = append(changes, upsert(fmt.Sprint("n", i), "new"))
		}
		update(t, ix, "acme", changes...)
		if got, want := calls.Load(), int64(n/manyForShare); got != want {
			t.Errorf("during an update of %d products, %d calls count, want %d", n, got, want)
		}
	}
	gen := begin(t, ix, "acme")
	ix.share.most = 0 // so that no batch begins during a call
	end := ix.share.change(manyForShare)
	ctx, cancel := context.WithCancel(t.Context())
	wrote := make(chan error, 1)
	m.mapped = func() { t.Error("the batch began during a call with many changes") }
	go func() { wrote <- gen.Write(ctx, products(10, "new")) }()
	cancel()
	if err := <-wrote; !errors.Is(err, context.Canceled) {
		t.Errorf("write: error %v, want %v", err, context.Canceled)
	}
	end()
	m.mapped = func() {}
	if err := gen.Write(t.Context(), products(10, "new")); err != nil {
		t.Error(err)
	}
	if err := gen.Abort(t.Context()); err != nil || ix.share.batches != 0 || ix.share.calls != 0 {
		t.Errorf("in the end %d batches and %d calls are in progress, want none; abort: error %v",
			ix.share.batches, ix.share.calls, err)
	}
}
