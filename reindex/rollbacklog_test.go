package reindex_test

import (
	"errors"
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// A rollback is refused if the log of changes no longer has all edits that the generation lacks.
func TestRollbackWithoutItsChanges(t *testing.T) {
	edit := func(t *testing.T, e *reindex.Engine) {
		t.Helper()
		if err := e.Update(t.Context(), tenant, upsert("p1", "2")); err != nil {
			t.Fatal(err)
		}
	}
	another := func(t *testing.T, k keeping, log reindex.ChangeLog) keeping {
		t.Helper()
		engine, err := reindex.New(reindextest.Slice(nil), k.index, &reindex.Config{Changes: log})
		if err != nil {
			t.Fatal(err)
		}
		return keeping{bench{engine, k.index}, log}
	}
	t.Run("EditedBeforeRestart", func(t *testing.T) {
		k := newKeeping(t, reindex.Config{}, nil)
		edit(t, k.Engine)
		next := another(t, k, reindex.NewChanges(0))
		_, err := next.Rollback(t.Context(), tenant)
		next.assertRefused(t, err, "2")
	})
	t.Run("EditedAfterRestart", func(t *testing.T) {
		k := newKeeping(t, reindex.Config{}, nil)
		next := another(t, k, reindex.NewChanges(0))
		edit(t, next.Engine)
		_, err := next.Rollback(t.Context(), tenant)
		next.assertRefused(t, err, "2")
	})
	t.Run("GivenUp", func(t *testing.T) {
		k := newKeeping(t, reindex.Config{Changes: reindex.NewChanges(100)}, nil)
		for range 20 {
			edit(t, k.Engine)
		}
		_, err := k.Rollback(t.Context(), tenant)
		k.assertRefused(t, err, "2")
	})
	t.Run("NeverEdited", func(t *testing.T) {
		k := newKeeping(t, reindex.Config{}, nil)
		next := another(t, k, reindex.NewChanges(0))
		if _, err := next.Rollback(t.Context(), tenant); err != nil {
			t.Fatal(err)
		}
		next.assertLive(t, reindextest.Products(100, "1"), "1")
	})
	t.Run("SameLog", func(t *testing.T) {
		k := newKeeping(t, reindex.Config{}, nil)
		edit(t, k.Engine)
		next := another(t, k, k.log)
		if _, err := next.Rollback(t.Context(), tenant); err != nil {
			t.Fatal(err)
		}
		want := revsOf(100, "1")
		want["p1"] = "2"
		next.assertRevs(t, want)
	})
}

// Changes are kept as long as a kept generation may need them.
func TestKeptChangesAreReleased(t *testing.T) {
	fails := false
	k := newKeeping(t, reindex.Config{}, func(c reindextest.Call) reindextest.Fault {
		if fails && c.Op == reindextest.OpCommit {
			return reindextest.Fault{Err: errors.New("no")}
		}
		return reindextest.Fault{}
	})
	assertPins := func(generations ...string) {
		t.Helper()
		pins, err := k.log.Pins(t.Context(), tenant)
		if err != nil || len(pins) != len(generations) {
			t.Errorf("pins %v, error %v; want one for each of %v", pins, err, generations)
		}
		for _, name := range generations {
			if _, ok := pins["kept-"+name]; !ok {
				t.Errorf("pins %v, want one for %s", pins, name)
			}
		}
	}
	run := func() {
		t.Helper()
		if _, err := k.Run(t.Context(), tenant); err != nil {
			t.Fatal(err)
		}
	}
	assertPins(k.generations(t)[1:]...)
	for range 3 {
		run()
		assertPins(k.generations(t)[1:]...)
	}
	if _, err := k.Rollback(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	assertPins(k.generations(t)[1:]...)
	fails = true
	if _, err := k.Run(t.Context(), tenant); err == nil {
		t.Error("the commit fails, but the run succeeds")
	}
	assertPins(k.generations(t)...) // also the live one, which it may have replaced
	fails = false
	run()
	assertPins(k.generations(t)[1:]...)
	k.index.KeepPrevious = 0
	run()
	assertPins()
}

// When it is unknown whether a rollback succeeded, a second one leads to the same generation, and not back.
func TestRollbackAgain(t *testing.T) {
	for _, applied := range []bool{false, true} {
		failed := false
		k := newKeeping(t, reindex.Config{}, func(c reindextest.Call) reindextest.Fault {
			if c.Op != reindextest.OpCommit || failed {
				return reindextest.Fault{}
			}
			failed = true
			if applied {
				return reindextest.Fault{Lost: errors.New("no answer")}
			}
			return reindextest.Fault{Err: errors.New("no answer")}
		})
		_, err := k.Rollback(t.Context(), tenant)
		failure, ok := errors.AsType[*reindex.RunError](err)
		if !ok || !failure.MayBeLive || !strings.Contains(err.Error(), "it is not known whether the previous index is live") {
			t.Errorf("error %v, want one that says the previous index may be live", err)
		}
		if _, err := k.Rollback(t.Context(), tenant); err != nil {
			t.Error(err)
		}
		k.assertLive(t, reindextest.Products(100, "1"), "1")
		if _, err := k.Rollback(t.Context(), tenant); err != nil { // now it is known, so this one leads back
			t.Error(err)
		}
		k.assertLive(t, reindextest.Products(100, "2"), "2")
	}
}
