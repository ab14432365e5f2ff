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

func beginWith(t *testing.T, ix *Index, token int64) (*generation, error) {
	t.Helper()
	gen, err := ix.Begin(reindex.WithFence(t.Context(), token), "acme")
	if err != nil {
		return nil, err
	}
	return gen.(*generation), nil
}

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

func assertLive(t *testing.T, ix *Index, want int64) {
	t.Helper()
	if n, err := ix.DocCount(t.Context(), "acme"); n != want || err != nil {
		t.Errorf("%d documents are live, %v, want %d", n, err, want)
	}
}

// A run cannot make its generation live once a run with a greater token has begun.
func TestFence(t *testing.T) {
	s := server(t)
	mine, other := newIndex(t, s, nil), newIndex(t, s, nil)
	old := sealedWith(t, mine, 1, "a")
	newer := sealedWith(t, other, 2, "a", "b")
	if err := old.Commit(t.Context()); !errors.Is(err, reindex.ErrFenced) || isTemporary(err) {
		t.Errorf("the older one's commit: %v", err)
	}
	if err := newer.Commit(t.Context()); err != nil {
		t.Error(err)
	}
	if err := old.Commit(t.Context()); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("the older one's commit, late: %v", err)
	}
	if err := old.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	assertLive(t, mine, 2)
	assertIndexes(t, s, "products_acme")
	if got := len(s.Indexes()); got != 2 {
		t.Errorf("%d indexes, want the live one and one mark", got)
	}
}

// A token has to be greater than every one that another generation was begun with, whether that is open, was aborted or
// is live.
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
					t.Errorf("begin with token %d: %v", token, err)
				}
			}
			if _, after := s.Task(0); after != before {
				t.Errorf("%d tasks for what was refused", after-before)
			}
			if _, err := beginWith(t, mine, 7); name != "aborted" && !errors.Is(err, reindex.ErrFenced) {
				t.Errorf("begin of the same process with the same token: %v", err)
			}
			next := sealedWith(t, other, 8, "a", "b")
			if err := next.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := gen.Commit(t.Context()); name != "live" && !errors.Is(err, reindex.ErrFenced) {
				t.Errorf("the older one's commit: %v", err)
			}
			assertLive(t, mine, 2)
			if err := gen.Abort(t.Context()); err != nil {
				t.Error(err)
			}
			assertIndexes(t, s, "products_acme")
		})
	}
}

// A run that has taken over without having got to delete what the older one has filled fences it all the same. A key
// that does not see swaps changes nothing about that.
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
				t.Fatalf("begin: %v", err)
			}
			if err := old.checkIdentity(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := old.Commit(t.Context()); !errors.Is(err, reindex.ErrFenced) || isTemporary(err) {
				t.Errorf("commit: %v", err)
			}
			assertLive(t, mine, 1)
			if err := old.Abort(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// The same run may begin again with its token: its first try failed, after the server had made an index or the mark, or
// what it had filled was aborted.
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
			t.Fatalf("begin: %v", err)
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
			t.Errorf("begin without list %d: %v", fails, err)
		}
	}
	s.SetFault(nil)
	assertIndexes(t, s)
}

// Of two runs that begin at the same time the one with the smaller token is refused, also if it saw nobody before it
// made its own index, and so is the later one of two with the same token.
func TestBeginAtTheSameTime(t *testing.T) {
	for _, token := range []int64{4, 5} {
		s := server(t)
		mine, other := newIndex(t, s, nil), newIndex(t, s, nil)
		var begun atomic.Bool
		s.SetFault(func(r *http.Request) *meilitest.Fault {
			if r.Method == http.MethodPost && r.URL.Path == "/indexes" && !begun.Swap(true) {
				if _, err := beginWith(t, other, 5); err != nil {
					t.Errorf("the other one's begin: %v", err)
				}
			}
			return nil
		})
		if _, err := beginWith(t, mine, token); !errors.Is(err, reindex.ErrFenced) || !begun.Load() {
			t.Errorf("begin with token %d: %v", token, err)
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
				t.Fatal("the mark has not moved")
			}
			if err := old.Commit(t.Context()); !errors.Is(err, reindex.ErrFenced) {
				t.Errorf("commit: %v", err)
			}
			assertLive(t, mine, 1)
		})
	}
}
