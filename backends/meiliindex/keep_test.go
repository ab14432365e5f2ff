package meiliindex

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// cutSwap cuts the connection of the swap that makes a generation live, before the server processes it. The returned
// function sends the swap after all.
func cutSwap(t *testing.T, s *meilitest.Server, g *generation) (late func()) {
	t.Helper()
	var body []byte
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		if r.URL.Path != "/swap-indexes" {
			return nil
		}
		sent, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(sent))
		if err != nil || !bytes.Contains(sent, []byte(`"`+g.live+`"`)) {
			return nil
		}
		body = sent
		return &meilitest.Fault{}
	})
	return func() {
		s.SetFault(nil)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/swap-indexes", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+meilitest.MasterKey)
		req.Header.Set("Content-Type", "application/json")
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusAccepted {
			t.Fatalf("the late swap: status %d, error %v, want 202", res.StatusCode, err)
		}
	}
}

// A swap that arrives after the generation was aborted changes neither the live index nor the kept ones.
func TestSwapAfterAbort(t *testing.T) {
	for _, back := range []string{"reindex", "rollback"} {
		t.Run(back, func(t *testing.T) {
			s := server(t)
			ix := newIndex(t, s, &Config{KeepPrevious: 2})
			publish(t, ix, reindextest.Products(1, "1")...)
			publish(t, ix, reindextest.Products(2, "2")...)
			var gen reindex.Generation
			if back == "rollback" {
				var err error
				if gen, err = ix.Rollback(t.Context(), "acme", ""); err != nil {
					t.Fatal(err)
				}
			} else {
				gen = begin(t, ix)
				mustWrite(t, gen, reindextest.Products(3, "3")...)
			}
			mustSeal(t, gen)
			late := cutSwap(t, s, gen.(*generation))
			if err := gen.Commit(t.Context()); err == nil || isTemporary(err) {
				t.Errorf("commit without an answer: error %v, want a lasting one", err)
			}
			if err := gen.Abort(t.Context()); err != nil {
				t.Error(err)
			}
			late()
			assertGenerations(t, s, ix, 2, 1)
		})
	}
}

// A generation whose process dies right before its swap was never live. Generations does not return it, and Reap
// deletes it.
func TestCrashBeforeSwap(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, &Config{KeepPrevious: 2, StaleAfter: -1})
	publish(t, ix, reindextest.Products(1, "1")...)
	publish(t, ix, reindextest.Products(2, "2")...)
	gen := begin(t, ix)
	mustWrite(t, gen, reindextest.Products(3, "3")...)
	mustSeal(t, gen)
	_ = cutSwap(t, s, gen)
	if err := gen.Commit(t.Context()); err == nil {
		t.Error("the commit succeeds, although its swap does not arrive")
	}
	s.SetFault(nil)
	other := newIndex(t, s, &ix.cfg)
	infos, err := other.Generations(t.Context(), "acme")
	if err != nil || len(infos) != 2 {
		t.Errorf("there are %d generations, error %v, want 2", len(infos), err)
	}
	if n, err := other.Reap(t.Context(), "acme"); n != 1 || err != nil {
		t.Errorf("reaped %d, error %v, want 1", n, err)
	}
	assertGenerations(t, s, other, 2, 1)
}

// The order of the kept generations does not depend on the clock.
func TestOrderOfKept(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, &Config{KeepPrevious: 2})
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	ix.now = func() time.Time { return noon }
	for i := range 3 {
		publish(t, ix, reindextest.Products(1+i, "1")...)
	}
	assertGenerations(t, s, ix, 3, 2, 1)
	for _, want := range [][]int64{{1, 3, 2}, {2, 1, 3}, {3, 2, 1}, {1, 3, 2}} {
		infos, err := ix.Generations(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(infos, func(info reindex.GenerationInfo) bool { return info.Documents == want[0] })
		if err := goBack(t.Context(), ix, infos[at].Name); err != nil {
			t.Fatal(err)
		}
		assertGenerations(t, s, ix, want...)
	}
}
