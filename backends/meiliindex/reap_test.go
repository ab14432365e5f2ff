package meiliindex

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
)

// Reap leaves alone what another process works on, until that has been idle for long, or its token shows that it is
// over.
func TestReapOfOthers(t *testing.T) {
	s := server(t)
	mine, other := newIndex(t, s, nil), newIndex(t, s, nil)
	plain := begin(t, other)
	fenced, err := other.Begin(reindex.WithFence(t.Context(), 5), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for name, ctx := range map[string]context.Context{
		"no token": t.Context(), "an older token": reindex.WithFence(t.Context(),
			4), "the same token": reindex.WithFence(t.Context(), 5),
	} {
		if n, err := mine.Reap(ctx, "acme"); n != 0 || err != nil {
			t.Errorf("with %s: reaped %d, %v, want 0", name, n, err)
		}
	}
	if n, err := mine.Reap(t.Context(), "other"); n != 0 || err != nil {
		t.Errorf("of another tenant: reaped %d, %v", n, err)
	}
	if n, err := mine.Reap(reindex.WithFence(t.Context(), 6), "acme"); n != 1 || err != nil {
		t.Errorf("with a newer token: reaped %d, %v, want 1", n, err)
	}
	mustWrite(t, fenced, product("a", `{}`))
	if _, err := fenced.Seal(t.Context()); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("seal: %v", err)
	}
	mine.cfg.StaleAfter = time.Nanosecond
	if n, err := mine.Reap(t.Context(), "acme"); n != 2 || err != nil {
		t.Errorf("idle ones: reaped %d, %v, want 2", n, err)
	}
	if s.Indexes(); plain.Abort(t.Context()) != nil || fenced.Abort(t.Context()) != nil {
		t.Error("abort of what is gone failed")
	}
	assertIndexes(t, s)
}

// Reap does not delete an index that becomes live meanwhile, however long it has been idle.
func TestReapSparesWhatGoesLive(t *testing.T) {
	s := server(t)
	mine, other := newIndex(t, s, &Config{StaleAfter: -1}), newIndex(t, s, nil)
	gen := begin(t, other)
	mustWrite(t, gen, product("a", `{}`))
	mustSeal(t, gen)
	_, swap := s.Task(0)
	s.Hold(swap)
	result := make(chan error)
	go func() { result <- gen.Commit(t.Context()) }()
	if err := s.Wait(t.Context(), swap, func(status string) bool { return status == meilitest.Processing }); err != nil {
		t.Fatal(err)
	}
	reaped := make(chan error)
	go func() {
		_, err := mine.Reap(t.Context(), "acme")
		reaped <- err
	}()
	for s.Tasks("indexDeletion") == 0 {
		runtime.Gosched() // until Reap has asked for the deletion, which comes after the swap
	}
	s.Release(swap)
	if err := errors.Join(<-result, <-reaped); err != nil {
		t.Error(err)
	}
	if n, err := mine.DocCount(t.Context(), "acme"); n != 1 || err != nil {
		t.Errorf("%d documents are live, %v", n, err)
	}
	assertIndexes(t, s, "products_acme")
}

// One reaping is enough also while the server is slow: what a dead run has sent and asked for waits, and nothing is
// left for a second one.
func TestReapSettlesASlowQueue(t *testing.T) {
	for name, stale := range map[string]time.Duration{"at once": -1, "by age": time.Nanosecond} {
		t.Run(name, func(t *testing.T) {
			s := server(t)
			dead, mine := newIndex(t, s, &Config{MaxTasks: 4}), newIndex(t, s, &Config{StaleAfter: stale})
			publish(t, dead, product("live", `{}`))
			gens := []*generation{begin(t, dead), begin(t, dead), begin(t, dead)}
			_, first := s.Task(0)
			s.Hold(first)
			for _, gen := range gens {
				mustWrite(t, gen, product("a", `{}`))
				mustWrite(t, gen, product("b", `{}`))
			}
			admin := connect(t, s.URL, meilitest.MasterKey)
			if _, err := admin.DeleteIndexWithContext(t.Context(),
				gens[2].uid); err != nil { // by its own Abort, the last thing it did
				t.Fatal(err)
			}
			var looks atomic.Int64
			s.SetFault(func(r *http.Request) *meilitest.Fault {
				if r.Method == http.MethodGet && looks.Add(1) == 30 {
					s.Release(first)
				}
				return nil
			})
			n, err := mine.Reap(t.Context(), "acme")
			if want := 2; n != want && (stale < 0 || n != want+1) || err != nil {
				t.Errorf("the first reaping removed %d, %v", n, err)
			}
			if n, err := mine.Reap(t.Context(), "acme"); n != 0 || err != nil {
				t.Errorf("the second reaping removed %d, %v, want 0", n, err)
			}
			assertIndexes(t, s, "products_acme")
		})
	}
}

// An index is idle no longer once a task of its run has landed while Reap waited.
func TestReapSparesWhatWakesUp(t *testing.T) {
	s := server(t)
	other, mine := newIndex(t, s, nil), newIndex(t, s, &Config{StaleAfter: time.Hour})
	gen := begin(t, other)
	_, first := s.Task(0)
	s.Hold(first)
	mustWrite(t, gen, product("a", `{}`))
	var landed atomic.Bool
	var looks atomic.Int64
	mine.now = func() time.Time {
		if landed.Load() {
			return time.Now()
		}
		return time.Now().Add(2 * time.Hour)
	}
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		if r.URL.Path == "/tasks" && looks.Add(1) == 3 {
			landed.Store(true)
			s.Release(first)
		}
		return nil
	})
	if n, err := mine.Reap(t.Context(), "acme"); n != 0 || err != nil || !landed.Load() {
		t.Errorf("reaped %d, %v; looked at its tasks: %v", n, err, landed.Load())
	}
	if sealed := mustSeal(t, gen); sealed.Documents != 1 {
		t.Errorf("sealed %+v", sealed)
	}
}

// Leftovers are found among many indexes, also while others are deleted.
func TestListAmongMany(t *testing.T) {
	s := server(t)
	admin := connect(t, s.URL, meilitest.MasterKey)
	for i := range 450 {
		if _, err := admin.CreateIndexWithContext(t.Context(), &meilisearch.IndexConfig{Uid: fmt.Sprintf("a%03d",
			i)}); err != nil {
			t.Fatal(err)
		}
	}
	ix := newIndex(t, s, nil)
	gen := begin(t, ix)
	gen.unregister()
	var deleted atomic.Int64
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		if n := deleted.Load(); r.Method == http.MethodGet && r.URL.Path == "/indexes" && r.URL.Query().Get("offset") != "" {
			for i := range 100 {
				_, _ = admin.DeleteIndexWithContext(t.Context(), fmt.Sprintf("a%03d", int(n)+i))
			}
			deleted.Add(100)
			waitAll(t, s)
		}
		return nil
	})
	if n, err := ix.Reap(t.Context(), "acme"); n != 1 || err != nil {
		t.Errorf("reaped %d, %v, want 1", n, err)
	}
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		if r.Method == http.MethodGet && r.URL.Path == "/indexes" {
			return &meilitest.Fault{Status: http.StatusOK, Body: `{"results":[],"offset":0,"limit":20,"total":3}`}
		}
		return nil
	})
	if _, err := ix.Reap(t.Context(), "acme"); err == nil {
		t.Error("a list that was cut counts as a whole one")
	}
}
