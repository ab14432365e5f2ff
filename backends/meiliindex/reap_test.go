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

// Reap deletes a generation of another process only if it has been idle for StaleAfter, or if its token is smaller.
func TestReapOfOthers(t *testing.T) {
	s := server(t)
	mine, other := newIndex(t, s, nil), newIndex(t, s, nil)
	plain := begin(t, other)
	fenced, err := other.Begin(reindex.WithFence(t.Context(), 5), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for name, ctx := range map[string]context.Context{
		"no token": t.Context(), "a smaller token": reindex.WithFence(t.Context(), 4),
		"the same token": reindex.WithFence(t.Context(), 5),
	} {
		if n, err := mine.Reap(ctx, "acme"); n != 0 || err != nil {
			t.Errorf("with %s: reaped %d, error %v, want 0", name, n, err)
		}
	}
	if n, err := mine.Reap(t.Context(), "other"); n != 0 || err != nil {
		t.Errorf("another tenant: reaped %d, error %v, want 0", n, err)
	}
	if n, err := mine.Reap(reindex.WithFence(t.Context(), 6), "acme"); n != 1 || err != nil {
		t.Errorf("with a greater token: reaped %d, error %v, want 1", n, err)
	}
	mustWrite(t, fenced, product("a", `{}`))
	if _, err := fenced.Seal(t.Context()); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("seal: error %v, want %v", err, reindex.ErrFenced)
	}
	mine.cfg.StaleAfter = time.Nanosecond
	if n, err := mine.Reap(t.Context(), "acme"); n != 2 || err != nil {
		t.Errorf("idle generations: reaped %d, error %v, want 2", n, err)
	}
	if err := errors.Join(plain.Abort(t.Context()), fenced.Abort(t.Context())); err != nil {
		t.Errorf("abort of reaped generations: %v", err)
	}
	assertIndexes(t, s)
}

// Reap does not delete an idle index that becomes live meanwhile.
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
		runtime.Gosched() // until Reap has enqueued the deletion, which the server processes after the swap
	}
	s.Release(swap)
	if err := errors.Join(<-result, <-reaped); err != nil {
		t.Error(err)
	}
	assertLive(t, mine, 1)
	assertIndexes(t, s, "products_acme")
}

// One Reap deletes all indexes of dead runs, even if the server is slow and tasks of these runs still wait.
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
			// The deletion by its own Abort is the last request of the third run.
			if _, err := admin.DeleteIndexWithContext(t.Context(), gens[2].uid); err != nil {
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
				t.Errorf("the first Reap: reaped %d, error %v, want 2, or 3 by age", n, err)
			}
			if n, err := mine.Reap(t.Context(), "acme"); n != 0 || err != nil {
				t.Errorf("the second Reap: reaped %d, error %v, want 0", n, err)
			}
			assertIndexes(t, s, "products_acme")
		})
	}
}

// Reap does not delete an idle index if a task of its run ends while Reap waits.
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
		t.Errorf("reaped %d, error %v, looked at the tasks: %v; want 0, and true", n, err, landed.Load())
	}
	if sealed := mustSeal(t, gen); sealed.Documents != 1 {
		t.Errorf("sealed %+v, want 1 document", sealed)
	}
}

// Reap finds the indexes of dead runs among many others, even while some of these are deleted.
func TestListAmongMany(t *testing.T) {
	s := server(t)
	admin := connect(t, s.URL, meilitest.MasterKey)
	for i := range 450 {
		config := &meilisearch.IndexConfig{Uid: fmt.Sprintf("a%03d", i)}
		if _, err := admin.CreateIndexWithContext(t.Context(), config); err != nil {
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
		t.Errorf("reaped %d, error %v, want 1", n, err)
	}
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		if r.Method == http.MethodGet && r.URL.Path == "/indexes" {
			return &meilitest.Fault{Status: http.StatusOK, Body: `{"results":[],"offset":0,"limit":20,"total":3}`}
		}
		return nil
	})
	if _, err := ix.Reap(t.Context(), "acme"); err == nil {
		t.Error("Reap with an incomplete list of indexes: no error")
	}
}
