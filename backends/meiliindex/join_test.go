package meiliindex

import (
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/meilisearch/meilisearch-go"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
)

// If a joined process sends documents while the load ends, its Flush returns ErrFenced, and the documents leave no
// index behind.
func TestWriteAtTheEndOfTheLoad(t *testing.T) {
	s := server(t)
	mine, other := newIndex(t, s, nil), newIndex(t, s, nil)
	gen, err := beginWith(t, mine, 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx := reindex.WithFence(t.Context(), 1)
	w, err := other.Join(ctx, "acme", gen.Name())
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, gen, product("a", `{}`))
	var ended atomic.Bool
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		if addsDocuments(r) && ended.CompareAndSwap(false, true) {
			if sealed, err := seal(ctx, gen); err != nil || sealed.Documents != 1 {
				t.Errorf("sealed %+v, error %v, want 1 document", sealed, err)
			}
		}
		return nil
	})
	if err := w.Write(ctx, []reindex.Product{product("late", `{}`)}); err != nil || !ended.Load() {
		t.Errorf("write during the end of the load: error %v; the load has ended: %v", err, ended.Load())
	}
	if _, err := w.Flush(ctx); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("flush: error %v, want %v", err, reindex.ErrFenced)
	}
	assertIndexes(t, s, gen.uid)
	if err := gen.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	assertLive(t, mine, 1)
}

func addsDocuments(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/documents")
}

// After another process has resumed a loaded generation, edits of the first process reach neither that generation nor
// the live index.
func TestResumeAfterTheLoad(t *testing.T) {
	s := server(t)
	mine, other := newIndex(t, s, nil), newIndex(t, s, nil)
	dead := sealedWith(t, mine, 1, "a", "b")
	ctx := reindex.WithFence(t.Context(), 2)
	gen, err := other.Resume(ctx, "acme", dead.Name())
	if err != nil {
		t.Fatal(err)
	}
	late := []reindex.Change{upsert("late", "1")}
	if err := dead.Edit(t.Context(), late); err != nil && !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("edit by the first process: error %v, want none or %v", err, reindex.ErrFenced)
	}
	if err := dead.Commit(t.Context()); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("commit by the first process: error %v, want %v", err, reindex.ErrFenced)
	}
	if sealed, err := seal(ctx, gen); err != nil || sealed.Documents != 2 {
		t.Errorf("sealed %+v, error %v, want 2 documents", sealed, err)
	}
	if err := gen.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := dead.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	assertLive(t, mine, 2)
	assertIndexes(t, s, "products_acme")
}

// A bad product does not affect the products of another process, even if the server processes both tasks in one batch.
func TestJoinedShareABatch(t *testing.T) {
	for body := range badBodies {
		s := server(t)
		gen, err := beginWith(t, newIndex(t, s, nil), 1)
		if err != nil {
			t.Fatal(err)
		}
		ctx := reindex.WithFence(t.Context(), 1)
		writers, failed := make([]reindex.Writer, 2), make([][]reindex.ItemError, 2)
		for i := range writers {
			if writers[i], err = newIndex(t, s, nil).Join(ctx, "acme", gen.Name()); err != nil {
				t.Fatal(err)
			}
		}
		products := [][]reindex.Product{
			{product("a", `{}`), product("bad", body), product("b", `{}`)}, {product("c", `{}`)},
		}
		ended := make(chan error)
		for i, w := range writers {
			go func() {
				err := w.Write(ctx, products[i])
				if err == nil {
					failed[i], err = w.Flush(ctx)
				}
				ended <- err
			}()
		}
		for range writers {
			if err := <-ended; err != nil {
				t.Errorf("bad product %s: %v", body, err)
			}
		}
		if len(failed[0]) != 1 || failed[0][0].ID != "bad" || len(failed[1]) != 0 {
			t.Errorf("bad product %s: refused %v and %v, want only the bad one", body, failed[0], failed[1])
		}
		if sealed, err := seal(ctx, gen); err != nil || sealed.Documents != 3 {
			t.Errorf("bad product %s: sealed %+v, error %v, want 3 documents", body, sealed, err)
		}
	}
}

// A good product is not refused if it shares a batch with a bad one of another process twice in a row.
func TestIsolationSharesABatch(t *testing.T) {
	s := server(t)
	gen, err := beginWith(t, newIndex(t, s, nil), 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx := reindex.WithFence(t.Context(), 1)
	w, err := newIndex(t, s, nil).Join(ctx, "acme", gen.Name())
	if err != nil {
		t.Fatal(err)
	}
	client := connect(t, s.URL, meilitest.MasterKey)
	other := client.Index(gen.uid)
	refuse := func() {
		key := DefaultKeyAttribute
		_, err := other.AddDocumentsNdjson([]byte(`{"reindex_key":"bad","_vectors":1}`),
			&meilisearch.DocumentOptions{PrimaryKey: &key})
		if err != nil {
			t.Error(err)
		}
	}
	s.Pause()
	if err := w.Write(ctx, []reindex.Product{product("good", `{}`)}); err != nil {
		t.Fatal(err)
	}
	refuse()
	var again atomic.Bool
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		if addsDocuments(r) && again.CompareAndSwap(false, true) {
			s.Pause()
			refuse()
			_, before := s.Task(0)
			go func() {
				for after := before; after == before; _, after = s.Task(0) {
					runtime.Gosched()
				}
				s.Resume()
			}()
		}
		return nil
	})
	s.Resume()
	if refused, err := w.Flush(ctx); err != nil || len(refused) > 0 || !again.Load() {
		t.Errorf("refused %v, error %v, sent again: %v; want none, and true", refused, err, again.Load())
	}
	if sealed, err := seal(ctx, gen); err != nil || sealed.Documents != 1 {
		t.Errorf("sealed %+v, error %v, want 1 document", sealed, err)
	}
}
