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

// If the answer to the swap is lost, Commit finds out that the swap was applied.
func TestLostAnswerOfTheSwap(t *testing.T) {
	for name, lost := range map[string]meilitest.Fault{
		"the key sees no swaps": {After: true, Status: http.StatusBadGateway},
		"cut":                   {After: true},
		"answer of a proxy":     {After: true, Status: http.StatusGatewayTimeout, Body: "<html>"},
		"internal error":        {After: true, Status: http.StatusInternalServerError},
		"unavailable":           {After: true, Status: http.StatusServiceUnavailable},
		"too many requests":     {After: true, Status: http.StatusTooManyRequests},
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
				mustCommit(t, gen)
				assertLive(t, ix, 2)
				assertIndexes(t, s, "products_acme")
			})
		}
	}
}

// If the swap does not arrive, Commit changes nothing. It can be called again only if the server has refused the
// request.
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
				t.Fatalf("commit: error %v, want a temporary one: %v", err, test.temporary)
			}
			want := int64(1)
			if test.temporary {
				mustCommit(t, gen)
				want = 2
			} else if err := gen.Commit(t.Context()); err == nil || isTemporary(err) {
				t.Errorf("second commit: error %v, want a lasting one", err)
			}
			if err := gen.Abort(t.Context()); err != nil {
				t.Fatal(err)
			}
			assertLive(t, ix, want)
			assertIndexes(t, s, "products_acme")
		})
	}
}

// Commit finds out the outcome of its swap even if the server restarts meanwhile.
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
	mustCommit(t, gen)
	assertIndexes(t, s, "products_acme")
}

// If the server does not come back after the swap, Commit returns an error that the outcome is not known.
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
			t.Errorf("after %v: error %v, want %q after %v", time.Since(start), err, "not known", confirmFor)
		}
	})
}

// If the live index is created or deleted right before the swap, Commit fails temporarily, and succeeds when it is
// called again.
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
				t.Fatalf("commit: error %v, want a temporary one", err)
			}
			mustCommit(t, gen)
			assertLive(t, ix, 1)
		})
	}
}

// Commit ignores a task that has the uid of its swap, but is another one, as after a restore from a snapshot.
func TestSwapWhoseUIDAnotherTaskHas(t *testing.T) {
	for name, other := range map[string]string{
		"another type with the same details": `{"uid":%d,"type":"indexUpdate","status":%q,` +
			`"details":{"swaps":[{"indexes":["UID","products_acme"]}]},"error":{"code":"internal"}}`,
		"another type": `{"uid":%d,"indexUid":"a","type":"documentAdditionOrUpdate","status":%q,` +
			`"error":{"code":"internal"}}`,
		"other indexes": `{"uid":%d,"type":"indexSwap","status":%q,` +
			`"details":{"swaps":[{"indexes":["a","b"]}]},"error":{"code":"internal"}}`,
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
					body := strings.ReplaceAll(fmt.Sprintf(other, swap, status), "UID", gen.uid)
					return &meilitest.Fault{Status: http.StatusOK, Body: body}
				})
				if err := gen.Commit(t.Context()); (err == nil) != applied || isTemporary(err) {
					t.Errorf("commit: error %v, want success: %v", err, applied)
				}
				assertLive(t, ix, want)
			})
		}
	}
}

// If the sealed index has disappeared, and is not live either, Commit returns an error that the outcome is not known.
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
		t.Errorf("commit: error %v, want a lasting one with %q", err, "not known")
	}
}

// If the key cannot see swaps, and another swap follows at once, Commit returns an error that the outcome is not known.
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
			_, _ = admin.SwapIndexesWithContext(t.Context(),
				[]*meilisearch.SwapIndexesParams{{Indexes: []string{"x", gen.live}}})
		}
		return nil
	})
	if err := gen.Commit(t.Context()); err == nil || isTemporary(err) || !strings.Contains(err.Error(), "not known") {
		t.Errorf("commit: error %v, want a lasting one with %q", err, "not known")
	}
}

// If Commit succeeds but cannot delete the old index, the log has the reason, and Reap deletes that index.
func TestRetireLogs(t *testing.T) {
	s := server(t)
	var logged bytes.Buffer
	ix := newIndex(t, s, &Config{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	publish(t, ix, product("old", `{}`))
	gen := begin(t, ix)
	mustWrite(t, gen, product("new", `{}`))
	mustSeal(t, gen)
	s.SetFault(on(http.MethodDelete, "/indexes/"+gen.uid, meilitest.Fault{Status: 503}))
	mustCommit(t, gen)
	if text := logged.String(); !strings.Contains(text, gen.uid) || !strings.Contains(text, "level=WARN") ||
		!strings.Contains(text, "503") {
		t.Errorf("the log has %q, want a warning with the index and the status 503", text)
	}
	s.SetFault(nil)
	if n, err := ix.Reap(t.Context(), "acme"); n != 1 || err != nil {
		t.Errorf("reaped %d, error %v, want 1", n, err)
	}
}

// abortDuringSwap ends the context of a Commit that waits for its swap, and then aborts the generation, while the
// cancellation of tasks fails with the fault.
func abortDuringSwap(t *testing.T, s *meilitest.Server, ix *Index, down meilitest.Fault) error {
	t.Helper()
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
}

// A failure that no method returns is logged.
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
			return abortDuringSwap(t, s, ix, down)
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
				t.Errorf("the log has %q, want one warning with %q and the status 503", text, test.text)
			}
		})
	}
}
