package meiliindex

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/meilisearch/meilisearch-go"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// A cancelled run cancels its own tasks, and no others.
func TestCancelsItsOwnTasks(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, &Config{MaxTasks: 1})
	gen := begin(t, ix)
	_, first := s.Task(0)
	s.Hold(first)
	mustWrite(t, gen, product("a", `{}`))
	if err := s.Wait(t.Context(), first, func(status string) bool { return status == meilitest.Processing }); err != nil {
		t.Fatal(err)
	}
	admin := connect(t, s.URL, meilitest.MasterKey)
	other, err := admin.Index("other").AddDocumentsWithContext(t.Context(), []map[string]any{{"id": 1}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- gen.Write(ctx, []reindex.Product{product("b", `{}`)}) }()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("write: error %v, want %v", err, context.Canceled)
	}
	if err := gen.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertIndexes(t, s, "other")
	if status, _ := s.Task(first); status != meilitest.Canceled {
		t.Errorf("the task of the run is %s, want it canceled", status)
	}
	if status, _ := s.Task(int(other.TaskUID)); status != meilitest.Succeeded {
		t.Errorf("the other task is %s, want succeeded", status)
	}
}

// Documents are sent again if somebody else cancels their task, or deletes it after its end.
func TestTasksThatOthersTouch(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	gen := begin(t, ix)
	admin := connect(t, s.URL, meilitest.MasterKey)
	_, first := s.Task(0)
	s.Hold(first)
	mustWrite(t, gen, product("a", `{}`))
	if _, err := admin.CancelTasksWithContext(t.Context(),
		&meilisearch.CancelTasksQuery{UIDS: []int64{int64(first)}}); err != nil {
		t.Fatal(err)
	}
	waitAll(t, s)
	_, second := s.Task(0)
	mustWrite(t, gen, product("b", `{}`))
	waitAll(t, s)
	if _, err := admin.DeleteTasksWithContext(t.Context(),
		&meilisearch.DeleteTasksQuery{UIDS: []int64{int64(second)}}); err != nil {
		t.Fatal(err)
	}
	waitAll(t, s)
	if sealed := mustSeal(t, gen); sealed.Documents != 2 || len(sealed.Failed) != 0 {
		t.Errorf("sealed %+v, want 2 documents", sealed)
	}
}

// Documents are sent again if another task has the uid of theirs, as after a restore from a snapshot.
func TestDocumentsWhoseUIDAnotherTaskHas(t *testing.T) {
	for name, other := range map[string]string{
		"another type": `{"uid":%d,"indexUid":%q,"type":"settingsUpdate","status":"succeeded",` +
			`"details":{"indexedDocuments":1}}`,
		"another index": `{"uid":%d,"indexUid":"a%s","type":"documentAdditionOrUpdate","status":"succeeded",` +
			`"details":{"indexedDocuments":1}}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t)
			gen := begin(t, newIndex(t, s, nil))
			_, first := s.Task(0)
			var failed atomic.Bool
			s.SetTaskFault(func(string, string) *meilitest.TaskError {
				if failed.Swap(true) {
					return nil
				}
				return &meilitest.TaskError{Message: "lost", Code: "internal", Type: "internal"}
			})
			s.SetFault(func(r *http.Request) *meilitest.Fault {
				if r.URL.Path != fmt.Sprintf("/tasks/%d", first) {
					return nil
				}
				return &meilitest.Fault{Status: http.StatusOK, Body: fmt.Sprintf(other, first, gen.uid)}
			})
			mustWrite(t, gen, product("a", `{}`))
			if sealed := mustSeal(t, gen); sealed.Documents != 1 || len(sealed.Failed) != 0 {
				t.Errorf("sealed %+v, want 1 document and none failed", sealed)
			}
		})
	}
}

// Seal fails if somebody has deleted the index or its documents, although all tasks have succeeded.
func TestIndexDeletedMeanwhile(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	admin := connect(t, s.URL, meilitest.MasterKey)
	gen := begin(t, ix)
	s.Pause()
	mustWrite(t, gen, product("a", `{}`))
	if _, err := admin.DeleteIndexWithContext(t.Context(), gen.uid); err != nil {
		t.Fatal(err)
	}
	s.Resume()
	if _, err := gen.Seal(t.Context()); err == nil || isTemporary(err) || !strings.Contains(err.Error(), "was deleted") {
		t.Errorf("seal: error %v, want a lasting one with %q", err, "was deleted")
	}
	gen = begin(t, ix)
	s.Pause()
	mustWrite(t, gen, product("a", `{}`))
	if _, err := admin.Index(gen.uid).DeleteAllDocumentsWithContext(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	s.Resume()
	if _, err := gen.Seal(t.Context()); err == nil || isTemporary(err) ||
		!strings.Contains(err.Error(), "indexed 0 of 1 documents") {
		t.Errorf("seal after the documents were deleted: error %v, want a lasting one with their number", err)
	}
	gen = begin(t, ix)
	if _, err := admin.DeleteIndexWithContext(t.Context(), gen.uid); err != nil {
		t.Fatal(err)
	}
	waitAll(t, s)
	mustWrite(t, gen, product("a", `{}`)) // creates the index again, without its settings
	if _, err := gen.Seal(t.Context()); err == nil || isTemporary(err) || !strings.Contains(err.Error(), "was deleted") {
		t.Errorf("seal: error %v, want a lasting one with %q", err, "was deleted")
	}
}

// Commit fails if another index has replaced the sealed one.
func TestIndexReplacedAfterSeal(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	publish(t, ix, product("live", `{}`))
	gen := begin(t, ix)
	mustWrite(t, gen, product("a", `{}`), product("b", `{}`))
	mustSeal(t, gen)
	admin := connect(t, s.URL, meilitest.MasterKey)
	if _, err := admin.DeleteIndexWithContext(t.Context(), gen.uid); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateIndexWithContext(t.Context(), &meilisearch.IndexConfig{Uid: gen.uid}); err != nil {
		t.Fatal(err)
	}
	waitAll(t, s)
	if err := gen.Commit(t.Context()); err == nil || isTemporary(err) || !strings.Contains(err.Error(), "was deleted") {
		t.Errorf("commit: error %v, want a lasting one with %q", err, "was deleted")
	}
	assertLive(t, ix, 1)
}

// If the live index cannot be counted, Seal succeeds with a LiveErr, since a reindex is the remedy.
func TestLiveIndexThatCannotBeCounted(t *testing.T) {
	for _, test := range []struct {
		status, times int // the number of failed counts, or -1 for all
		retries       int
		unknown       bool
	}{
		{http.StatusForbidden, -1, 0, true},
		{http.StatusInternalServerError, -1, liveTries - 1, true},
		{http.StatusServiceUnavailable, liveTries - 1, liveTries - 1, false},
	} {
		t.Run(fmt.Sprintf("%d, %d times", test.status, test.times), func(t *testing.T) {
			s := server(t)
			ix := newIndex(t, s, nil)
			publish(t, ix, product("live", `{}`), product("too", `{}`))
			gen := begin(t, ix)
			mustWrite(t, gen, product("a", `{}`))
			counts := 0
			s.SetFault(func(r *http.Request) *meilitest.Fault {
				if r.URL.Path != "/indexes/products_acme/stats" {
					return nil
				}
				if counts++; test.times >= 0 && counts > test.times {
					return nil
				}
				return &meilitest.Fault{Status: test.status}
			})
			var sealed reindex.Sealed
			err := reindex.Temporary(errors.New("not yet tried"))
			retries := -1
			for ; isTemporary(err) && retries < 10; retries++ {
				sealed, err = gen.Seal(t.Context())
			}
			if err != nil || retries != test.retries || (sealed.LiveErr != nil) != test.unknown || !test.unknown &&
				sealed.Live != 2 {
				t.Errorf("after %d retries, sealed %+v, error %v, want %d retries, and LiveErr: %v",
					retries, sealed, err, test.retries, test.unknown)
			}
			if sealed.Documents != 1 {
				t.Errorf("sealed %d documents, want 1", sealed.Documents)
			}
		})
	}
}

// One product does not replace a live index that cannot be counted, unless MinFraction is negative.
func TestUncountedLiveIndexClosesTheGate(t *testing.T) {
	for _, off := range []bool{false, true} {
		s := server(t)
		ix := newIndex(t, s, nil)
		publish(t, ix, reindextest.Products(10, "1")...)
		s.SetFault(func(r *http.Request) *meilitest.Fault {
			if r.URL.Path == "/indexes/products_acme/stats" {
				return &meilitest.Fault{Status: http.StatusForbidden}
			}
			return nil
		})
		cfg := &reindex.Config{}
		if off {
			cfg.MinFraction = -1
		}
		engine, err := reindex.New(reindextest.Slice(reindextest.Products(1, "2")), ix, cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = engine.Run(t.Context(), "acme")
		if gate, closed := errors.AsType[*reindex.GateError](err); closed == off || closed &&
			gate.Rule != reindex.RuleShrunk || off && err != nil {
			t.Errorf("run with the rule off: %v: error %v, want one only if the rule is on", off, err)
		}
		s.SetFault(nil)
		want := int64(10)
		if off {
			want = 1
		}
		assertLive(t, ix, want)
	}
}

// Seal waits for a task whose answer was lost. A bad product of such a task does not make other products refused.
func TestTasksWithoutAnAnswer(t *testing.T) {
	t.Run("counts", func(t *testing.T) {
		s := server(t)
		gen := begin(t, newIndex(t, s, nil))
		_, lost := s.Task(0)
		s.Hold(lost)
		s.SetFault(on(http.MethodPost, "/documents", meilitest.Fault{After: true}))
		if err := gen.Write(t.Context(), []reindex.Product{product("a", `{}`)}); !isTemporary(err) {
			t.Fatalf("write with a lost answer: error %v, want a temporary one", err)
		}
		s.SetFault(func(r *http.Request) *meilitest.Fault {
			if r.URL.Path == "/tasks" {
				s.Release(lost)
			}
			return nil
		})
		if sealed := mustSeal(t, gen); sealed.Documents != 1 {
			t.Errorf("sealed %+v, want 1 document", sealed)
		}
	})
	t.Run("is waited for", func(t *testing.T) {
		s := server(t)
		gen := begin(t, newIndex(t, s, nil))
		_, first := s.Task(0)
		s.Hold(first)
		var failed atomic.Bool
		s.SetTaskFault(func(string, string) *meilitest.TaskError {
			if failed.Swap(true) {
				return nil
			}
			return &meilitest.TaskError{Message: "Index `x`: somebody else is to blame.", Code: "internal", Type: "internal"}
		})
		mustWrite(t, gen, product("a", `{}`), product("b", `{}`), product("c", `{}`))
		if err := s.Wait(t.Context(), first, func(status string) bool { return status == meilitest.Processing }); err != nil {
			t.Fatal(err)
		}
		s.SetFault(on(http.MethodPost, "/documents", meilitest.Fault{After: true}))
		if err := gen.Write(t.Context(), []reindex.Product{product("lost", `{"_vectors":1}`)}); !isTemporary(err) {
			t.Fatalf("write with a lost answer: error %v, want a temporary one", err)
		}
		s.Pause()
		s.Release(first)
		if err := s.Wait(t.Context(), first, meilitest.Ended); err != nil {
			t.Fatal(err)
		}
		s.SetFault(func(r *http.Request) *meilitest.Fault {
			if r.URL.Path == "/tasks" || r.Method == http.MethodGet && r.URL.Path != fmt.Sprintf("/tasks/%d", first) {
				s.Resume()
			}
			return nil
		})
		sealed := mustSeal(t, gen)
		if sealed.Documents != 3 || len(sealed.Failed) != 0 {
			t.Errorf("sealed %+v, want 3 documents and none failed", sealed)
		}
	})
}
