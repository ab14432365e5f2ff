package meiliindex

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
)

// beginWith opens a generation with a fencing token.
func beginWith(t *testing.T, ix *Index, token int64) (*generation, error) {
	t.Helper()
	gen, err := ix.Begin(reindex.WithFence(t.Context(), token), "acme")
	if err != nil {
		return nil, err
	}
	return gen.(*generation), nil
}

// sealedWith opens a generation with a fencing token, writes products with these ids, and seals it.
func sealedWith(t *testing.T, ix *Index, token int64, ids ...string) *generation {
	t.Helper()
	gen, err := beginWith(t, ix, token)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		mustWrite(t, gen, product(id, `{}`))
	}
	mustSeal(t, gen)
	return gen
}

// assertLive checks the number of live documents.
func assertLive(t *testing.T, ix *Index, want int64) {
	t.Helper()
	if n, err := ix.DocCount(t.Context(), "acme"); n != want || err != nil {
		t.Errorf("%d documents are live, error %v, want %d", n, err, want)
	}
}

// A run cannot commit once a run with a greater token has begun.
func TestFence(t *testing.T) {
	s := server(t)
	mine, other := newIndex(t, s, nil), newIndex(t, s, nil)
	old := sealedWith(t, mine, 1, "a")
	newer := sealedWith(t, other, 2, "a", "b")
	if err := old.Commit(t.Context()); !errors.Is(err, reindex.ErrFenced) || isTemporary(err) {
		t.Errorf("commit of the older run: error %v, want %v", err, reindex.ErrFenced)
	}
	if err := newer.Commit(t.Context()); err != nil {
		t.Error(err)
	}
	if err := old.Commit(t.Context()); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("commit of the older run after the newer one: error %v, want %v", err, reindex.ErrFenced)
	}
	if err := old.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	assertLive(t, mine, 2)
	assertIndexes(t, s, "products_acme")
	if got := len(s.Indexes()); got != 2 {
		t.Errorf("the server has %d indexes, want the live one and one mark", got)
	}
}

// Begin refuses a token that is not greater than those of all other generations, whether these are open, aborted or
// live.
func TestTokensOnlyGrow(t *testing.T) {
	for name, end := range map[string]func(g *generation) error{
		"open":    func(*generation) error { return nil },
		"aborted": func(g *generation) error { return g.Abort(context.Background()) },
		"live":    func(g *generation) error { return g.Commit(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t)
			mine, other := newIndex(t, s, nil), newIndex(t, s, nil)
			gen := sealedWith(t, mine, 7, "a")
			if err := end(gen); err != nil {
				t.Fatal(err)
			}
			_, before := s.Task(0)
			for _, token := range []int64{0, 6, 7} {
				_, err := beginWith(t, other, token)
				if !errors.Is(err, reindex.ErrFenced) || isTemporary(err) || !strings.HasPrefix(err.Error(), "meiliindex: ") {
					t.Errorf("begin with token %d: error %v, want %v", token, err, reindex.ErrFenced)
				}
			}
			if _, after := s.Task(0); after != before {
				t.Errorf("the refused calls have enqueued %d tasks, want none", after-before)
			}
			if _, err := beginWith(t, mine, 7); name != "aborted" && !errors.Is(err, reindex.ErrFenced) {
				t.Errorf("begin of the same process with the same token: error %v, want %v", err, reindex.ErrFenced)
			}
			next := sealedWith(t, other, 8, "a", "b")
			mustCommit(t, next)
			if err := gen.Commit(t.Context()); name != "live" && !errors.Is(err, reindex.ErrFenced) {
				t.Errorf("commit of the older run: error %v, want %v", err, reindex.ErrFenced)
			}
			assertLive(t, mine, 2)
			if err := gen.Abort(t.Context()); err != nil {
				t.Error(err)
			}
			assertIndexes(t, s, "products_acme")
		})
	}
}

// A newer run fences an older one even if it fails to delete the older one's index, and with a key that cannot see
// swaps.
func TestFenceWithoutDeletion(t *testing.T) {
	for _, indexes := range []string{"*", "products_*"} {
		t.Run(indexes, func(t *testing.T) {
			s := server(t)
			mine, err := New(connect(t, s.URL, newKey(t, s, indexes, leastActions...)), withFastPolls(nil))
			if err != nil {
				t.Fatal(err)
			}
			other := newIndex(t, s, nil)
			publish(t, mine, product("live", `{}`))
			old := sealedWith(t, mine, 1, "a", "b")
			s.SetFault(on(http.MethodDelete, "/indexes/"+old.uid, meilitest.Fault{Status: http.StatusForbidden,
				Body: `{"code":"invalid_api_key"}`}))
			if _, err := beginWith(t, other, 2); !errors.Is(err, errForbidden) {
				t.Fatalf("begin of the newer run: error %v, want %v", err, errForbidden)
			}
			if err := old.checkIdentity(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := old.Commit(t.Context()); !errors.Is(err, reindex.ErrFenced) || isTemporary(err) {
				t.Errorf("commit of the older run: error %v, want %v", err, reindex.ErrFenced)
			}
			assertLive(t, mine, 1)
			if err := old.Abort(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A run can begin again with its token after a failed Begin, which has left an index or the mark, and after an Abort.
func TestBeginAgainWithTheSameToken(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	for lost := range 2 {
		posts := 0
		s.SetFault(func(r *http.Request) *meilitest.Fault {
			if r.Method == http.MethodPost && r.URL.Path == "/indexes" {
				if posts++; posts > lost {
					return &meilitest.Fault{After: true}
				}
			}
			return nil
		})
		if _, err := beginWith(t, ix, 3); !isTemporary(err) {
			t.Fatalf("begin with a lost answer: error %v, want a temporary one", err)
		}
		s.SetFault(nil)
		gen := sealedWith(t, ix, 3, "a")
		if err := gen.Abort(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := sealedWith(t, ix, 3, "a").Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertIndexes(t, s, "products_acme")
}

// If other runs cannot be listed, Begin fails.
func TestBeginWithoutTheList(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	for fails := range 2 { // before the generation has its index, and after
		lists := -1
		s.SetFault(func(r *http.Request) *meilitest.Fault {
			if r.Method == http.MethodGet && r.URL.Path == "/indexes" {
				if lists++; lists == fails {
					return &meilitest.Fault{Status: http.StatusForbidden}
				}
			}
			return nil
		})
		if _, err := beginWith(t, ix, int64(fails+1)); !errors.Is(err, errForbidden) {
			t.Errorf("begin without list %d: error %v, want %v", fails, err, errForbidden)
		}
	}
	s.SetFault(nil)
	assertIndexes(t, s)
}

// Of two runs that begin at the same time, the one with the smaller token is refused, even if it saw no other run
// before it created its index. Of two with the same token, the later one is refused.
func TestBeginAtTheSameTime(t *testing.T) {
	for _, token := range []int64{4, 5} {
		s := server(t)
		mine, other := newIndex(t, s, nil), newIndex(t, s, nil)
		var begun atomic.Bool
		s.SetFault(func(r *http.Request) *meilitest.Fault {
			if r.Method == http.MethodPost && r.URL.Path == "/indexes" && !begun.Swap(true) {
				if _, err := beginWith(t, other, 5); err != nil {
					t.Errorf("begin of the other run: %v", err)
				}
			}
			return nil
		})
		if _, err := beginWith(t, mine, token); !errors.Is(err, reindex.ErrFenced) || !begun.Load() {
			t.Errorf("begin with token %d during that with token 5: error %v, want %v", token, err, reindex.ErrFenced)
		}
	}
}

// A run is fenced even if it renames its mark while a newer run deletes the mark.
func TestFenceWhileTheMarkMoves(t *testing.T) {
	for name, overtake := range map[string]func(ctx context.Context, ix *Index, generation string) error{
		"begin": func(ctx context.Context, ix *Index, _ string) error {
			_, err := ix.Begin(ctx, "acme")
			return err
		},
		"resume": func(ctx context.Context, ix *Index, generation string) error {
			return reindex.Retry{}.Do(ctx, func() error { // the mark has been renamed meanwhile
				_, err := ix.Resume(ctx, "acme", generation)
				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t)
			mine, other := newIndex(t, s, nil), newIndex(t, s, nil)
			publish(t, mine, product("live", `{}`))
			old, err := beginWith(t, mine, 1)
			if err != nil {
				t.Fatal(err)
			}
			mustWrite(t, old, product("a", `{}`), product("b", `{}`))
			mark := old.mark
			var moved atomic.Bool
			s.SetFault(func(r *http.Request) *meilitest.Fault {
				if r.Method == http.MethodDelete && r.URL.Path == "/indexes/"+mark && !moved.Swap(true) {
					mustSeal(t, old)
				}
				return nil
			})
			if err := overtake(reindex.WithFence(t.Context(), 2), other, old.Name()); err != nil {
				t.Fatal(err)
			}
			if !moved.Load() || old.mark == mark {
				t.Fatal("the older run has not renamed its mark")
			}
			if err := old.Commit(t.Context()); !errors.Is(err, reindex.ErrFenced) {
				t.Errorf("commit of the older run: error %v, want %v", err, reindex.ErrFenced)
			}
			assertLive(t, mine, 1)
		})
	}
}
