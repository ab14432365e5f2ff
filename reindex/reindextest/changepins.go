package reindextest

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
)

func testPins(t *testing.T, l reindex.ChangeLog) {
	mustAppend(t, l, "a", "b")
	pin := func(name string, position, want int64) {
		t.Helper()
		if got, err := l.Pin(t.Context(), logTenant, name, position, 0); got != want || err != nil {
			t.Errorf("pin %s is at %d, error %v; want %d", name, got, err, want)
		}
	}
	pin("run", -1, 2)
	mustAppend(t, l, "c", "d")
	pin("run", -1, 2)
	pin("kept", 1, 1)
	mustApply(t, l, 4)
	assertAfter(t, l, 1, "b", "c", "d")
	assertPins(t, l, map[string]int64{"run": 2, "kept": 1})
	for range 2 {
		if err := l.Unpin(t.Context(), logTenant, "kept"); err != nil {
			t.Error(err)
		}
	}
	assertAfter(t, l, 2, "c", "d")
	_, err := l.Pin(t.Context(), logTenant, "late", 1, 0)
	assertLost(t, err)
	assertPins(t, l, map[string]int64{"run": 2})
	if err := l.Unpin(t.Context(), logTenant, "run"); err != nil {
		t.Error(err)
	}
	assertPins(t, l, map[string]int64{})
	assertAfter(t, l, 4)
	_, _, err = l.After(t.Context(), logTenant, 3, 10, 1000)
	assertLost(t, err)
}

func assertPins(t *testing.T, l reindex.ChangeLog, want map[string]int64) {
	t.Helper()
	if pins, err := l.Pins(t.Context(), logTenant); err != nil || !maps.Equal(pins, want) {
		t.Errorf("pins %v, error %v; want %v", pins, err, want)
	}
}

func testPinsRunOut(t *testing.T, l reindex.ChangeLog) {
	mustAppend(t, l, "a")
	for name, lasting := range map[string]time.Duration{"short": time.Millisecond, "long": time.Hour} {
		if _, err := l.Pin(t.Context(), logTenant, name, 0, lasting); err != nil {
			t.Fatal(err)
		}
	}
	mustApply(t, l, 1)
	assertAfter(t, l, 0, "a")
	if err := l.Unpin(t.Context(), logTenant, "long"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		mustApply(t, l, 1)
		if _, _, err := l.After(t.Context(), logTenant, 0, 10, 1000); errors.Is(err, reindex.ErrChangesLost) {
			assertPins(t, l, map[string]int64{})
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a minute after a pin has run out, its entries are still kept")
		}
	}
}

// large is a change of 3,000 bytes.
func large(id string) []reindex.Change {
	return []reindex.Change{{ID: id, Body: json.RawMessage(`"` + strings.Repeat("x", 2998-len(id)) + `"`)}}
}

func testFull(t *testing.T, l reindex.ChangeLog) {
	for _, id := range []string{"a", "b", "c"} {
		if _, err := l.Append(t.Context(), logTenant, large(id)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := l.Append(t.Context(), logTenant, large("d")); !errors.Is(err, reindex.ErrChangesFull) {
			t.Errorf("error %v, want ErrChangesFull", err)
		}
	}
	if state := assertState(t, l, 3, 0); state.Bytes != 9000 {
		t.Errorf("state %+v, want 9,000 bytes", state)
	}
	mustApply(t, l, 1)
	if last, err := l.Append(t.Context(), logTenant, large("d")); last != 4 || err != nil {
		t.Errorf("the last position is %d, error %v; want 4", last, err)
	}
}

// A full log deletes applied changes even if a pin still needs them.
func testGivenUp(t *testing.T, l reindex.ChangeLog) {
	if _, err := l.Pin(t.Context(), logTenant, "run", -1, 0); err != nil {
		t.Fatal(err)
	}
	for i, id := range []string{"a", "b", "c", "d"} {
		if _, err := l.Append(t.Context(), logTenant, large(id)); err != nil {
			t.Fatal(err)
		}
		mustApply(t, l, int64(i+1))
	}
	_, _, err := l.After(t.Context(), logTenant, 0, 10, 1<<20)
	assertLost(t, err)
	if entries, _, err := l.After(t.Context(), logTenant, 1, 10, 1<<20); len(entries) != 3 || err != nil {
		t.Errorf("%d entries are kept, error %v; want 3", len(entries), err)
	}
}
