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

// leastActions are the actions that the documentation asks for.
var leastActions = strings.Fields("indexes.create indexes.get indexes.delete indexes.swap documents.add documents.delete documents.get " +
	"settings.get settings.update stats.get tasks.get tasks.cancel")

func newKey(t *testing.T, s *meilitest.Server, indexes string, actions ...string) string {
	t.Helper()
	key, err := connect(t, s.URL, meilitest.MasterKey).CreateKeyWithContext(t.Context(),
		&meilisearch.Key{Actions: actions, Indexes: []string{indexes}, ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return key.Key
}

// The actions that the documentation names are enough, for all indexes and for those of the prefix, and each is needed.
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
				t.Errorf("%d documents are live, %v, want %d", got, err, n)
			}
		}
		return nil
	}
	for _, indexes := range []string{"*", "products_*"} {
		s := server(t)
		if err := reindexWith(t, s, newKey(t, s, indexes, leastActions...)); err != nil {
			t.Errorf("for %s: %v", indexes, err)
		}
		assertIndexes(t, s, "products_acme")
	}
	for i, action := range leastActions {
		if action == "tasks.cancel" || action == "indexes.delete" {
			continue // without them a run succeeds, but a cancelled one takes longer to end, and the old index stays
		}
		s := server(t)
		others := append(append([]string{}, leastActions[:i]...), leastActions[i+1:]...)
		err := reindexWith(t, s, newKey(t, s, "*", others...))
		if err == nil || !strings.Contains(err.Error(), errForbidden.Error()) || !strings.Contains(err.Error(), action) {
			t.Errorf("without %s: %v", action, err)
		}
	}
	s := server(t)
	if err := reindexWith(t, s, newKey(t, s, "orders_*", leastActions...)); !errors.Is(err, errForbidden) {
		t.Errorf("for other indexes: %v", err)
	}
	if err := reindexWith(t, s, "wrong"); !errors.Is(err, errForbidden) {
		t.Errorf("with a wrong key: %v", err)
	}
}

// A key that does not see swaps also learns of a failed one.
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
		t.Errorf("commit: %v", err)
	}
	if err := gen.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	if n, err := ix.DocCount(t.Context(), "acme"); n != 1 || err != nil {
		t.Errorf("%d documents are live, %v", n, err)
	}
}
