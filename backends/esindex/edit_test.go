package esindex

import (
	"errors"
	"fmt"
	"testing"

	"productindex/reindex"
)

// Edits after Seal are visible from the switch on, even if the index never refreshes by itself. Another Seal counts
// them.
func TestEditsShowAtTheSwitch(t *testing.T) {
	ix := open(t, func(c *Config) { c.Settings = []byte(`{"refresh_interval":"-1"}`) })
	publish(t, ix, 2, "0")
	gen := begin(t, ix)
	fill(t, gen, 3, "1")
	edit := func(changes ...reindex.Change) {
		t.Helper()
		if err := gen.Edit(t.Context(), changes); err != nil {
			t.Fatal(err)
		}
	}
	edit(upsert("a", "2"), upsert("b", "2"), deletion("p0"))
	if sealed, err := gen.Seal(t.Context()); err != nil || sealed.Documents != 4 {
		t.Errorf("sealed %+v, error %v, want 4 documents", sealed, err)
	}
	gen.fences.Store(0)
	if _, certain, err := gen.outcome(t.Context()); !certain || err != nil { // as after a switch that failed
		t.Fatalf("outcome: certain %v, error %v, want a certain one", certain, err)
	}
	edit(deletion("a"), upsert("p1", "3"))
	assertFound(t, ix, revs(2, "0"))
	mustCommit(t, gen)
	assertFound(t, ix, map[string]string{"b": "2", "p1": "3", "p2": "1"})
	if err := gen.Edit(t.Context(), []reindex.Change{upsert("p2", "late")}); err == nil {
		t.Error("an edit after the switch succeeds")
	}
}

// Many edits after Seal are refreshed at once, so that the switch, which holds up updates, does not have to. Another
// Seal counts them.
func TestManyEditsAreRefreshed(t *testing.T) {
	ix := open(t, func(c *Config) { c.Settings = []byte(`{"refresh_interval":"-1"}`) })
	gen := begin(t, ix)
	fill(t, gen, 3, "1")
	if _, err := gen.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		edits int
		want  int64
	}{{editsPerRefresh - 1, 3}, {editsPerRefresh, editsPerRefresh + 3}} {
		changes := make([]reindex.Change, test.edits)
		for i := range changes {
			changes[i] = upsert(fmt.Sprint("e", i), "2")
		}
		if err := gen.Edit(t.Context(), changes); err != nil {
			t.Fatal(err)
		}
		if n, err := ix.count(t.Context(), gen.Name()); n != test.want || err != nil {
			t.Errorf("after %d edits a search finds %d products, error %v, want %d", test.edits, n, err, test.want)
		}
	}
	if sealed, err := gen.Seal(t.Context()); err != nil || sealed.Documents != editsPerRefresh+3 {
		t.Errorf("sealed %+v, error %v, want %d documents", sealed, err, editsPerRefresh+3)
	}
	mustCommit(t, gen)
}

// An edit of a generation fails if a newer run has fenced it.
func TestEditOfAFencedGeneration(t *testing.T) {
	ix := open(t, nil)
	old, err := ix.Begin(reindex.WithFence(t.Context(), 1), acme)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, old, 3, "1")
	next, err := ix.Begin(reindex.WithFence(t.Context(), 2), acme)
	if err != nil {
		t.Fatal(err)
	}
	editor, _ := reindex.As[reindex.Editor](old)
	if err := editor.Edit(t.Context(), []reindex.Change{upsert("p0", "2")}); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("edit: error %v, want %v", err, reindex.ErrFenced)
	}
	if err := errors.Join(old.Abort(t.Context()), next.Abort(t.Context())); err != nil {
		t.Error(err)
	}
	assertIndexes(t, ix)
}
