package meiliindex

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// leastActions are the documented actions of a key.
var leastActions = strings.Fields("indexes.create indexes.get indexes.delete indexes.swap documents.add " +
	"documents.delete documents.get settings.get settings.update stats.get tasks.get tasks.cancel")

func newKey(t *testing.T, s *meilitest.Server, indexes string, actions ...string) string {
	t.Helper()
	key, err := connect(t, s.URL, meilitest.MasterKey).CreateKeyWithContext(t.Context(),
		&meilisearch.Key{Actions: actions, Indexes: []string{indexes}, ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return key.Key
}

// The documented actions are enough, for all indexes and for those of the prefix, and each is needed.
func TestLeastRights(t *testing.T) {
	reindexWith := func(t *testing.T, s *meilitest.Server, key string) error {
		ix, err := New(connect(t, s.URL, key), withFastPolls(nil))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{30, 50, 40} {
			engine, err := reindex.New(reindextest.Slice(reindextest.Products(n, "1")), ix, &reindex.Config{BatchDocs: 10})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := engine.RunWith(t.Context(), "acme", reindex.Options{Difference: true}); err != nil {
				return err
			}
			if err := engine.Update(t.Context(), "acme", deletion("p1"), upsert("p2", "2"), upsert("added", "2")); err != nil {
				return err
			}
			if got, err := ix.DocCount(t.Context(), "acme"); err != nil || got != int64(n) {
				t.Errorf("%d documents are live, error %v, want %d", got, err, n)
			}
		}
		return nil
	}
	for _, indexes := range []string{"*", "products_*"} {
		s := server(t)
		if err := reindexWith(t, s, newKey(t, s, indexes, leastActions...)); err != nil {
			t.Errorf("a key for the indexes %s: %v", indexes, err)
		}
		assertIndexes(t, s, "products_acme")
	}
	for i, action := range leastActions {
		if action == "tasks.cancel" || action == "indexes.delete" {
			continue // a run succeeds without these, but its old index stays, and a cancelled one ends later
		}
		s := server(t)
		others := append(append([]string{}, leastActions[:i]...), leastActions[i+1:]...)
		err := reindexWith(t, s, newKey(t, s, "*", others...))
		if err == nil || !strings.Contains(err.Error(), errForbidden.Error()) || !strings.Contains(err.Error(), action) {
			t.Errorf("a key without %s: error %v, want one with the action", action, err)
		}
	}
	s := server(t)
	if err := reindexWith(t, s, newKey(t, s, "orders_*", leastActions...)); !errors.Is(err, errForbidden) {
		t.Errorf("a key for other indexes: error %v, want %v", err, errForbidden)
	}
	if err := reindexWith(t, s, "wrong"); !errors.Is(err, errForbidden) {
		t.Errorf("a wrong key: error %v, want %v", err, errForbidden)
	}
}

// Commit returns the error of a failed swap, even with a key that cannot see swaps.
func TestFailedSwapUnseen(t *testing.T) {
	s := server(t)
	ix, err := New(connect(t, s.URL, newKey(t, s, "products_*", leastActions...)), withFastPolls(nil))
	if err != nil {
		t.Fatal(err)
	}
	publish(t, ix, product("old", `{}`))
	gen := begin(t, ix)
	mustWrite(t, gen, product("a", `{}`), product("b", `{}`))
	mustSeal(t, gen)
	s.SetTaskFault(func(kind, _ string) *meilitest.TaskError {
		if kind != "indexSwap" {
			return nil
		}
		return &meilitest.TaskError{Message: "broken", Code: "internal", Type: "internal"}
	})
	if err := gen.Commit(t.Context()); err == nil || isTemporary(err) || !strings.Contains(err.Error(), "failed") {
		t.Errorf("commit: error %v, want a lasting one with %q", err, "failed")
	}
	if err := gen.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	assertLive(t, ix, 1)
}
