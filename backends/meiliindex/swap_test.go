package meiliindex

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"productindex/backends/meiliindex/internal/meilitest"
)

// When the answer to the swap is lost, Commit finds out what became of it.
func TestLostAnswerOfTheSwap(t *testing.T) {
	for name, lost := range map[string]meilitest.Fault{
		"the key sees no swaps": {After: true, Status: 502},
		"cut":                   {After: true}, "a proxy's answer": {After: true, Status: 504,
			Body: "<html>"}, "an internal error": {After: true, Status: 500},
		"said to be overloaded": {After: true, Status: 503}, "said to be too much": {After: true, Status: 429},
	} {
		for _, rename := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, rename %v", name, rename), func(t *testing.T) {
				s := server(t)
				ix := newIndex(t, s, nil)
				if strings.HasPrefix(name, "the key") {
					ix.client = connect(t, s.URL, newKey(t, s, "products_*", leastActions...))
				}
				if !rename {
					publish(t, ix, product("old", `{}`))
				}
				gen := begin(t, ix)
				mustWrite(t, gen, product("new", `{}`), product("newer", `{}`))
				mustSeal(t, gen)
				s.SetFault(on(http.MethodPost, "/swap-indexes", lost))
				if err := gen.Commit(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n, err := ix.DocCount(t.Context(), "acme"); n != 2 || err != nil {
					t.Errorf("%d documents are live, %v", n, err)
				}
				assertIndexes(t, s, "products_acme")
			})
		}
	}
}

// A swap that never arrived, and one that certainly did not.
func TestSwapNeverArrives(t *testing.T) {
	for name, test := range map[string]struct {
		fault     meilitest.Fault
		temporary bool
	}{
		"cut":        {meilitest.Fault{}, false},
		"overloaded": {meilitest.Fault{Status: 503}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t)
			ix := newIndex(t, s, nil)
			publish(t, ix, product("old", `{}`))
			gen := begin(t, ix)
			mustWrite(t, gen, product("new", `{}`), product("newer", `{}`))
			mustSeal(t, gen)
			s.SetFault(on(http.MethodPost, "/swap-indexes", test.fault))
			err := gen.Commit(t.Context())
			if err == nil || isTemporary(err) != test.temporary {
				t.Fatalf("commit: %v", err)
			}
			want := int64(1)
			if again := gen.Commit; !test.temporary {
				if err := again(t.Context()); err == nil || isTemporary(err) {
					t.Errorf("commit once more: %v", err)
				}
			}
			if test.temporary {
				if err := gen.Commit(t.Context()); err != nil {
					t.Fatal(err)
				}
				want = 2
			}
			if err := gen.Abort(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n, err := ix.DocCount(t.Context(), "acme"); n != want || err != nil {
				t.Errorf("%d documents are live, %v, want %d", n, err, want)
			}
			assertIndexes(t, s, "products_acme")
		})
	}
}

// While the server restarts, Commit goes on looking for the outcome of its swap.
func TestRestartDuringTheSwap(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	gen := begin(t, ix)
	mustWrite(t, gen, product("new", `{}`))
	mustSeal(t, gen)
	_, swap := s.Task(0)
	s.Hold(swap)
	var looks atomic.Int64
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		if r.URL.Path != fmt.Sprintf("/tasks/%d", swap) {
			return nil
		}
		switch looks.Add(1) {
		case 1:
			return &meilitest.Fault{}
		case 2:
			return &meilitest.Fault{Status: 503}
		case 3:
			go s.Restart()
		case 4:
			s.Release(swap)
		}
		return nil
	})
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertIndexes(t, s, "products_acme")
}

// A server that does not come back leaves it unknown whether the swap took place, and Commit says so in the end.
func TestServerGoneDuringTheSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("connection refused")
		})}
		ix, err := New(meilisearch.New("http://gone", meilisearch.WithCustomClient(gone), meilisearch.DisableRetries()), nil)
		if err != nil {
			t.Fatal(err)
		}
		g := &generation{ix: ix, uid: "a", live: "b", sealed: true, swap: swapState{asked: true, task: 7}}
		start := time.Now()
		err = g.confirm(t.Context())
		if err == nil || isTemporary(err) || !strings.Contains(err.Error(), "not known") || time.Since(start) < confirmFor {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// The live index comes or goes between the question and the swap: Commit may be called again.
func TestLiveIndexChangesMeanwhile(t *testing.T) {
	for _, goes := range []bool{true, false} {
		t.Run(fmt.Sprint(goes), func(t *testing.T) {
			s := server(t)
			ix := newIndex(t, s, nil)
			if goes {
				publish(t, ix, product("old", `{}`))
			}
			gen := begin(t, ix)
			mustWrite(t, gen, product("new", `{}`))
			mustSeal(t, gen)
			meanwhile := on(http.MethodPost, "/swap-indexes", meilitest.Fault{})
			admin := connect(t, s.URL, meilitest.MasterKey)
			s.SetFault(func(r *http.Request) *meilitest.Fault {
				if meanwhile(r) != nil {
					if goes {
						_, _ = admin.DeleteIndexWithContext(t.Context(), gen.live)
					} else {
						_, _ = admin.CreateIndexWithContext(t.Context(), &meilisearch.IndexConfig{Uid: gen.live})
					}
				}
				return nil
			})
			if err := gen.Commit(t.Context()); !isTemporary(err) {
				t.Fatalf("commit: %v", err)
			}
			if err := gen.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n, err := ix.DocCount(t.Context(), "acme"); n != 1 || err != nil {
				t.Errorf("%d documents are live, %v", n, err)
			}
		})
	}
}

// A task that bears the uid of the swap proves nothing if it is another one, as after a restore from a snapshot.
func TestSwapWhoseUIDAnotherTaskHas(t *testing.T) {
	for name, other := range map[string]string{
		"another type with the same details": `{"uid":%d,"type":"indexUpdate","status":%q,"details":{"swaps":[{"indexes":["UID","products_acme"]}]},` +
			`"error":{"code":"internal"}}`,
		"another type":    `{"uid":%d,"indexUid":"a","type":"documentAdditionOrUpdate","status":%q,"error":{"code":"internal"}}`,
		"other indexes":   `{"uid":%d,"type":"indexSwap","status":%q,"details":{"swaps":[{"indexes":["a","b"]}]},"error":{"code":"internal"}}`,
		"without details": `{"uid":%d,"type":"indexSwap","status":%q,"error":{"code":"internal"}}`,
	} {
		for _, applied := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, applied %v", name, applied), func(t *testing.T) {
				s := server(t)
				ix := newIndex(t, s, nil)
				publish(t, ix, product("old", `{}`))
				gen := begin(t, ix)
				mustWrite(t, gen, product("new", `{}`), product("newer", `{}`))
				mustSeal(t, gen)
				status, want := meilitest.Failed, int64(2)
				if !applied {
					status, want = meilitest.Succeeded, 1
					s.SetTaskFault(func(kind, _ string) *meilitest.TaskError {
						if kind != "indexSwap" {
							return nil
						}
						return &meilitest.TaskError{Message: "broken", Code: "internal", Type: "internal"}
					})
				}
				_, swap := s.Task(0)
				s.SetFault(func(r *http.Request) *meilitest.Fault {
					if r.URL.Path != fmt.Sprintf("/tasks/%d", swap) {
						return nil
					}
					return &meilitest.Fault{Status: http.StatusOK, Body: strings.ReplaceAll(fmt.Sprintf(other, swap, status), "UID",
						gen.uid)}
				})
				if err := gen.Commit(t.Context()); (err == nil) != applied || isTemporary(err) {
					t.Errorf("commit: %v", err)
				}
				if n, err := ix.DocCount(t.Context(), "acme"); n != want || err != nil {
					t.Errorf("%d documents are live, %v, want %d", n, err, want)
				}
			})
		}
	}
}

// An index that is neither live nor where it was filled leaves it unknown what happened.
func TestSwapOfALostIndex(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	publish(t, ix, product("old", `{}`))
	gen := begin(t, ix)
	mustWrite(t, gen, product("new", `{}`), product("newer", `{}`))
	mustSeal(t, gen)
	admin := connect(t, s.URL, meilitest.MasterKey)
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		if r.URL.Path == "/swap-indexes" {
			_, _ = admin.DeleteIndexWithContext(t.Context(), gen.uid)
			return &meilitest.Fault{Status: http.StatusBadGateway}
		}
		return nil
	})
	if err := gen.Commit(t.Context()); err == nil || isTemporary(err) || !strings.Contains(err.Error(), "not known") {
		t.Errorf("commit: %v", err)
	}
}

// A key that does not see swaps, and another swap right after: whether the generation was live for a moment is not
// known.
func TestSwapUndoneUnseen(t *testing.T) {
	s := server(t)
	ix, err := New(connect(t, s.URL, newKey(t, s, "products_*", leastActions...)), withFastPolls(nil))
	if err != nil {
		t.Fatal(err)
	}
	publish(t, ix, product("old", `{}`))
	gen := begin(t, ix)
	mustWrite(t, gen, product("new", `{}`))
	mustSeal(t, gen)
	_, swap := s.Task(0)
	admin := connect(t, s.URL, meilitest.MasterKey)
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		if r.URL.Path == fmt.Sprintf("/tasks/%d", swap) {
			_, _ = admin.CreateIndexWithContext(t.Context(), &meilisearch.IndexConfig{Uid: "x"})
			_, _ = admin.SwapIndexesWithContext(t.Context(), []*meilisearch.SwapIndexesParams{{Indexes: []string{"x",
				gen.live}}})
		}
		return nil
	})
	if err := gen.Commit(t.Context()); err == nil || isTemporary(err) || !strings.Contains(err.Error(), "not known") {
		t.Errorf("commit: %v", err)
	}
}

// A leftover of Commit without an error is in the log.
func TestRetireLogs(t *testing.T) {
	s := server(t)
	var logged bytes.Buffer
	ix := newIndex(t, s, &Config{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	publish(t, ix, product("old", `{}`))
	gen := begin(t, ix)
	mustWrite(t, gen, product("new", `{}`))
	mustSeal(t, gen)
	s.SetFault(on(http.MethodDelete, "/indexes/"+gen.uid, meilitest.Fault{Status: 503}))
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text := logged.String(); !strings.Contains(text, gen.uid) || !strings.Contains(text, "level=WARN") ||
		!strings.Contains(text, "503") {
		t.Errorf("the log has %q", text)
	}
	s.SetFault(nil)
	if n, err := ix.Reap(t.Context(), "acme"); n != 1 || err != nil {
		t.Errorf("reaped %d, %v, want 1", n, err)
	}
}

// A failure that no call returns is in the log.
func TestFailuresAreLogged(t *testing.T) {
	down := meilitest.Fault{Status: http.StatusServiceUnavailable}
	for _, test := range []struct {
		text string
		fail func(t *testing.T, s *meilitest.Server, ix *Index) error
	}{
		{"tasks", func(t *testing.T, s *meilitest.Server, ix *Index) error {
			gen := begin(t, ix)
			s.SetFault(on(http.MethodPost, "/tasks/cancel", down))
			return gen.Abort(t.Context())
		}},
		{"cannot cancel the swap", func(t *testing.T, s *meilitest.Server, ix *Index) error {
			ix.cfg.KeepPrevious = 0 // so that there is one swap
			gen := begin(t, ix)
			mustWrite(t, gen, product("new", `{}`))
			mustSeal(t, gen)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var asked atomic.Bool
			refuse := on(http.MethodPost, "/tasks/cancel", down)
			s.SetFault(func(r *http.Request) *meilitest.Fault {
				switch {
				case r.URL.Path == "/swap-indexes":
					asked.Store(true)
				case strings.HasPrefix(r.URL.Path, "/tasks/") && asked.CompareAndSwap(true, false):
					cancel()
					return &meilitest.Fault{}
				}
				return refuse(r)
			})
			if err := gen.Commit(ctx); err == nil {
				return errors.New("commit succeeds without the outcome of its swap")
			}
			return gen.Abort(t.Context())
		}},
		{"cannot count", func(t *testing.T, s *meilitest.Server, ix *Index) error {
			gen := begin(t, ix)
			mustWrite(t, gen, product("new", `{}`))
			mustSeal(t, gen)
			s.SetFault(on(http.MethodGet, "/indexes/"+gen.live+"/stats", down))
			return gen.Commit(t.Context())
		}},
		{"cannot delete", func(t *testing.T, s *meilitest.Server, ix *Index) error {
			s.SetFault(func(r *http.Request) *meilitest.Fault {
				if r.Method == http.MethodDelete || r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/settings") {
					return &down
				}
				return nil
			})
			if gen, err := ix.Begin(t.Context(), "acme"); err == nil {
				return errors.Join(errors.New("begin succeeds without its settings"), gen.Abort(t.Context()))
			}
			return nil
		}},
	} {
		t.Run(test.text, func(t *testing.T) {
			s := server(t)
			var logged bytes.Buffer
			ix := newIndex(t, s, &Config{KeepPrevious: 1, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
			publish(t, ix, product("old", `{}`))
			if err := test.fail(t, s, ix); err != nil {
				t.Error(err)
			}
			if text := logged.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, test.text) ||
				!strings.Contains(text, "503") {
				t.Errorf("the log has %q", text)
			}
		})
	}
}
