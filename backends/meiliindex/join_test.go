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

// A process that has joined and sends documents at the very end of the load, when it has seen that it goes on, learns
// that they are not accepted, and leaves no index of them.
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
				t.Errorf("sealed %+v, %v", sealed, err)
			}
		}
		return nil
	})
	if err := w.Write(ctx, []reindex.Product{product("late", `{}`)}); err != nil || !ended.Load() {
		t.Errorf("a write that the server has accepted: %v", err)
	}
	if _, err := w.Flush(ctx); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("flush: %v, want ErrFenced", err)
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

// Edits of a process whose generation another one has resumed after its load do not come into it, nor into the live
// index.
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
		t.Errorf("edit of the process before: %v", err)
	}
	if err := dead.Commit(t.Context()); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("commit of the process before: %v, want ErrFenced", err)
	}
	if sealed, err := seal(ctx, gen); err != nil || sealed.Documents != 2 {
		t.Errorf("sealed %+v, %v", sealed, err)
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

// A bad product does not take those of another process with it, although the server works on both tasks at once, and
// they are not refused.
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
				t.Errorf("%s: %v", body, err)
			}
		}
		if len(failed[0]) != 1 || failed[0][0].ID != "bad" || len(failed[1]) != 0 {
			t.Errorf("%s: refused %v and %v, want the bad one alone", body, failed[0], failed[1])
		}
		if sealed, err := seal(ctx, gen); err != nil || sealed.Documents != 3 {
			t.Errorf("%s: sealed %+v, %v", body, sealed, err)
		}
	}
}

// A good product that is sent again, as a bad one of another process has shared its batch, and shares that of another
// bad one, is not refused.
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
		t.Errorf("refused %v, %v; sent again: %v", refused, err, again.Load())
	}
	if sealed, err := seal(ctx, gen); err != nil || sealed.Documents != 1 {
		t.Errorf("sealed %+v, %v", sealed, err)
	}
}
