package reindextest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"productindex/reindex"
)

// TestChangeLog checks every promise of [reindex.ChangeLog] except those about the expiry of a lease. At each call open
// returns a new, empty log that keeps 10,000 bytes per tenant.
func TestChangeLog(t *testing.T, open func(t *testing.T) reindex.ChangeLog) {
	for _, test := range []struct {
		name string
		fn   func(t *testing.T, l reindex.ChangeLog)
	}{
		{"AppendAndAfter", testAppendAndAfter},
		{"PagesOfChanges", testPagesOfChanges},
		{"ConcurrentAppends", testConcurrentAppends},
		{"Applied", testApplied},
		{"Claims", testClaims},
		{"Urgent", testUrgent},
		{"Rewind", testRewind},
		{"Pins", testPins},
		{"PinsRunOut", testPinsRunOut},
		{"Full", testFull},
		{"GivenUp", testGivenUp},
		{"Refused", testRefusedChanges},
		{"Pending", testPending},
		{"TenantsOfChanges", testTenantsOfChanges},
	} {
		t.Run(test.name, func(t *testing.T) { test.fn(t, open(t)) })
	}
}

const logTenant = "acme"

// changesOf returns an upsert for each id, or a deletion if the id begins with a minus sign.
func changesOf(ids ...string) (changes []reindex.Change) {
	for _, id := range ids {
		if name, ok := strings.CutPrefix(id, "-"); ok {
			changes = append(changes, reindex.Change{ID: name, Delete: true})
		} else {
			changes = append(changes, reindex.Change{ID: id, Body: json.RawMessage(`{"is":"` + id + `"}`)})
		}
	}
	return changes
}

func mustAppend(t *testing.T, l reindex.ChangeLog, ids ...string) (last int64) {
	t.Helper()
	last, err := l.Append(t.Context(), logTenant, changesOf(ids...))
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// assertAfter checks the changes that follow a position.
func assertAfter(t *testing.T, l reindex.ChangeLog, position int64, want ...string) {
	t.Helper()
	entries, left, err := l.After(t.Context(), logTenant, position, 1000, 1<<20)
	if err != nil || left != 0 || len(entries) != len(want) {
		t.Fatalf("after %d there are %v, %d left, error %v; want %v", position, entries, left, err, want)
	}
	for i, change := range changesOf(want...) {
		e := entries[i]
		if e.Position != position+int64(i)+1 || e.Change.ID != change.ID || e.Change.Delete != change.Delete ||
			string(e.Change.Body) != string(change.Body) {
			t.Errorf("after %d, entry %d is %+v, want %+v", position, i, e, change)
		}
	}
}

func assertState(t *testing.T, l reindex.ChangeLog, head, applied int64) reindex.ChangeState {
	t.Helper()
	state, err := l.State(t.Context(), logTenant)
	if err != nil || state.Head != head || state.Applied != applied || state.Lag() != head-applied ||
		state.Waiting.IsZero() != (head == applied) {
		t.Errorf("state %+v, error %v; want head %d, applied %d", state, err, head, applied)
	}
	return state
}

func mustClaim(t *testing.T, l reindex.ChangeLog, holder string) (fence, applied int64) {
	t.Helper()
	fence, applied, err := l.Claim(t.Context(), logTenant, holder, false)
	if err != nil {
		t.Fatal(err)
	}
	return fence, applied
}

// mustApply records a position as applied, under a claim of its own.
func mustApply(t *testing.T, l reindex.ChangeLog, position int64, refused ...reindex.RefusedChange) {
	t.Helper()
	fence, applied := mustClaim(t, l, "test")
	if err := errors.Join(l.Applied(t.Context(), logTenant, fence, applied, position, refused),
		l.Release(t.Context(), logTenant, fence)); err != nil {
		t.Fatal(err)
	}
}

func assertLost(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, reindex.ErrChangesLost) {
		t.Errorf("error %v, want ErrChangesLost", err)
	}
}

func testAppendAndAfter(t *testing.T, l reindex.ChangeLog) {
	assertState(t, l, 0, 0)
	assertAfter(t, l, 0)
	if last := mustAppend(t, l, "a", "-b"); last != 2 {
		t.Errorf("the last position is %d, want 2", last)
	}
	assertAfter(t, l, 0, "a", "-b")
	changes := append(changesOf("c/ü'x'"), reindex.Change{ID: "lookup"})
	if last, err := l.Append(t.Context(), logTenant, changes); last != 4 || err != nil {
		t.Errorf("the last position is %d, error %v; want 4", last, err)
	}
	entries, left, err := l.After(t.Context(), logTenant, 0, 10, 1000)
	if err != nil || left != 0 || len(entries) != 4 || entries[2].Change.ID != "c/ü'x'" ||
		entries[3].Change.Body != nil || entries[3].Change.Delete {
		t.Errorf("entries %+v, %d left, error %v; want 4, the third of c/ü'x' and the last without a body",
			entries, left, err)
	}
}

func testPagesOfChanges(t *testing.T, l reindex.ChangeLog) {
	for i := range 20 {
		mustAppend(t, l, fmt.Sprintf("p%02d", i))
	}
	size := changesOf("p00")[0].Size()
	for _, test := range []struct{ docs, bytes, want int }{
		{5, 1 << 20, 5}, {1000, 7*size + 1, 7}, {1000, 7 * size, 7}, {1000, 1, 1}, {1000, 1 << 20, 17},
	} {
		entries, left, err := l.After(t.Context(), logTenant, 3, test.docs, test.bytes)
		if err != nil || len(entries) != test.want || left != int64(17-test.want) || entries[0].Position != 4 {
			t.Errorf("%+v: got %v, %d left, error %v; want %d left, and the entries from position 4 on",
				test, entries, left, err, 17-test.want)
		}
	}
}

// A reader that reads from position to position during appends sees every change, and those of one caller in order.
func testConcurrentAppends(t *testing.T, l reindex.ChangeLog) {
	const callers, calls = 8, 15
	var running sync.WaitGroup
	for c := range callers {
		running.Go(func() {
			for i := range calls {
				if _, err := l.Append(t.Context(), logTenant, changesOf(fmt.Sprintf("%d-%d", c, i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen, position := map[string]bool{}, int64(0)
	for len(seen) < callers*calls && !t.Failed() {
		entries, _, err := l.After(t.Context(), logTenant, position, 7, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if position++; e.Position != position {
				t.Fatalf("position %d comes after %d: a change between them became visible late, or never", e.Position, position-1)
			}
			var c, i int
			if _, err := fmt.Sscanf(e.Change.ID, "%d-%d", &c, &i); err != nil || i > 0 && !seen[fmt.Sprintf("%d-%d", c, i-1)] {
				t.Errorf("change %s comes before an earlier change of its caller; %v", e.Change.ID, err)
			}
			seen[e.Change.ID] = true
		}
	}
	running.Wait()
	assertState(t, l, callers*calls, 0)
}

func testApplied(t *testing.T, l reindex.ChangeLog) {
	mustAppend(t, l, "a", "b", "c")
	fence, applied := mustClaim(t, l, "x")
	if applied != 0 {
		t.Errorf("applied is %d, want 0", applied)
	}
	for _, position := range []int64{2, 1, 2} {
		if err := l.Applied(t.Context(), logTenant, fence, 0, position, nil); err != nil {
			t.Error(err)
		}
		assertState(t, l, 3, 2)
	}
	assertAfter(t, l, 2, "c")
	_, _, err := l.After(t.Context(), logTenant, 1, 10, 1000)
	assertLost(t, err)
	if again, applied := mustClaim(t, l, "x"); again != fence || applied != 2 {
		t.Errorf("the repeated claim has fence %d and applied position %d, want %d and 2", again, applied, fence)
	}
	if err := l.Applied(t.Context(), logTenant, fence, 2, 3, nil); err != nil {
		t.Error(err)
	}
	if state := assertState(t, l, 3, 3); state.Bytes != 0 {
		t.Errorf("state %+v, want 0 bytes", state)
	}
	if last := mustAppend(t, l, "d"); last != 4 {
		t.Errorf("the last position is %d, want 4", last)
	}
	assertAfter(t, l, 3, "d")
}

func testClaims(t *testing.T, l reindex.ChangeLog) {
	first, _ := mustClaim(t, l, "x")
	if _, _, err := l.Claim(t.Context(), logTenant, "y", false); !errors.Is(err, reindex.ErrClaimed) {
		t.Errorf("a second claim: %v, want ErrClaimed", err)
	}
	for range 2 {
		if err := l.Release(t.Context(), logTenant, first); err != nil {
			t.Error(err)
		}
	}
	if err := l.Applied(t.Context(), logTenant, first, 0, 0, nil); !errors.Is(err, reindex.ErrClaimLost) {
		t.Errorf("applied after the release: %v, want ErrClaimLost", err)
	}
	second, _ := mustClaim(t, l, "y")
	if second <= first {
		t.Errorf("the second fence is %d, want more than %d", second, first)
	}
	mustAppend(t, l, "a")
	if err := l.Release(t.Context(), logTenant, first); err != nil { // an old fence releases nothing
		t.Error(err)
	}
	if err := l.Applied(t.Context(), logTenant, first, 0, 1, nil); !errors.Is(err, reindex.ErrClaimLost) {
		t.Errorf("applied under an old fence: %v, want ErrClaimLost", err)
	}
	assertState(t, l, 1, 0)
	if err := l.Applied(t.Context(), logTenant, second, 0, 1, nil); err != nil {
		t.Error(err)
	}
}

func testUrgent(t *testing.T, l reindex.ChangeLog) {
	first, _ := mustClaim(t, l, "x")
	if _, _, err := l.Claim(t.Context(), logTenant, "run", true); !errors.Is(err, reindex.ErrClaimed) {
		t.Errorf("a second claim: %v, want ErrClaimed", err)
	}
	if again, _ := mustClaim(t, l, "x"); again != first { // the holder renews
		t.Errorf("the renewal has fence %d, want %d", again, first)
	}
	if err := l.Release(t.Context(), logTenant, first); err != nil {
		t.Error(err)
	}
	if _, _, err := l.Claim(t.Context(), logTenant, "y", false); !errors.Is(err, reindex.ErrClaimed) {
		t.Errorf("a claim that is not urgent, before the urgent one: %v, want ErrClaimed", err)
	}
	fence, _, err := l.Claim(t.Context(), logTenant, "run", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Release(t.Context(), logTenant, fence); err != nil {
		t.Error(err)
	}
	mustClaim(t, l, "y")
}

func testRewind(t *testing.T, l reindex.ChangeLog) {
	mustAppend(t, l, "a", "b", "c", "d")
	if _, err := l.Pin(t.Context(), logTenant, "late", 1, 0); err != nil {
		t.Fatal(err)
	}
	mustApply(t, l, 3)
	fence, applied := mustClaim(t, l, "x")
	if err := errors.Join(l.Rewind(t.Context(), logTenant, 1), l.Rewind(t.Context(), logTenant, 2)); err != nil {
		t.Error(err)
	}
	// The holder does not know of the rewind.
	if err := l.Applied(t.Context(), logTenant, fence, applied, 4, nil); err != nil {
		t.Error(err)
	}
	assertState(t, l, 4, 1)
	assertAfter(t, l, 1, "b", "c", "d")
	if err := l.Applied(t.Context(), logTenant, fence, 1, 4, nil); err != nil {
		t.Error(err)
	}
	if err := l.Unpin(t.Context(), logTenant, "late"); err != nil {
		t.Error(err)
	}
	assertLost(t, l.Rewind(t.Context(), logTenant, 1))
	assertState(t, l, 4, 4)
}

func testRefusedChanges(t *testing.T, l reindex.ChangeLog) {
	for i := range 30 {
		last := mustAppend(t, l, "a", "b", "c", "d")
		var refused []reindex.RefusedChange
		for k := range int64(4) {
			refused = append(refused, reindex.RefusedChange{Position: last - 3 + k, ID: fmt.Sprint(i, "/", k), Reason: "why ü"})
		}
		mustApply(t, l, last, refused...)
	}
	mustApply(t, l, 120, reindex.RefusedChange{Position: 119, ID: "29/2", Reason: "why ü"},
		reindex.RefusedChange{Position: 120, ID: "29/3", Reason: "why ü"}) // a repeated call
	state := assertState(t, l, 120, 120)
	if n := len(state.Refused); n != reindex.MaxRefused {
		t.Fatalf("%d refused changes are kept, want %d", n, reindex.MaxRefused)
	}
	last := state.Refused[len(state.Refused)-1]
	if last != (reindex.RefusedChange{Position: 120, ID: "29/3", Reason: "why ü"}) {
		t.Errorf("the last refused change is %+v, want that at position 120", last)
	}
	if first := state.Refused[0].Position; first != 21 {
		t.Errorf("the first refused change is at position %d, want 21", first)
	}
}

func testPending(t *testing.T, l reindex.ChangeLog) {
	assertPending := func(want ...string) {
		t.Helper()
		tenants, err := l.Pending(t.Context())
		slices.Sort(tenants)
		if err != nil || !slices.Equal(tenants, want) {
			t.Errorf("pending are %v, error %v; want %v", tenants, err, want)
		}
	}
	assertPending()
	mustAppend(t, l, "a", "b")
	if _, err := l.Append(t.Context(), "other", changesOf("x")); err != nil {
		t.Fatal(err)
	}
	assertPending(logTenant, "other")
	mustApply(t, l, 1)
	assertPending(logTenant, "other")
	mustApply(t, l, 2)
	assertPending("other")
}

func testTenantsOfChanges(t *testing.T, l reindex.ChangeLog) {
	mustAppend(t, l, "a")
	for _, tenant := range []string{"Acme", "acme2", "ä/b c", "_"} {
		if last, err := l.Append(t.Context(), tenant, changesOf("x", "y")); last != 2 || err != nil {
			t.Errorf("tenant %q: the last position is %d, error %v; want 2", tenant, last, err)
		}
		if _, _, err := l.Claim(t.Context(), tenant, "h", false); err != nil {
			t.Errorf("tenant %q: %v", tenant, err)
		}
	}
	mustClaim(t, l, "other")
	assertState(t, l, 1, 0)
}
