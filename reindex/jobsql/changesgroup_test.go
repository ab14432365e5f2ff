package jobsql

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
)

// lockLogs locks the table of logs, so that every other transaction waits until unlock is called.
func lockLogs(t *testing.T, d database) (unlock func()) {
	t.Helper()
	tx, err := d.open(t).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "UPDATE reindex_logs SET head = head"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

// of returns the number of calls that wait for a transaction of the tenant. It also reports whether a transaction is
// running.
func (g *groups) of(tenant string) (waiting int, busy bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	calls, busy := g.waiting[tenant]
	return len(calls), busy
}

// Changes that come while a transaction is running are committed together. Each call has its own result: a call whose
// changes do not fit into the log, or whose context ends, does not affect the others.
func testGroupedAppends(t *testing.T, d database) {
	c := d.changes(t, time.Hour, 10_000)
	mustAppend(t, c, upsert("first", "1"))
	unlock := lockLogs(t, d)
	type result struct {
		last int64
		err  error
	}
	n := -1
	start := func(ctx context.Context, changes ...reindex.Change) <-chan result {
		done := make(chan result, 1)
		go func() {
			last, err := c.Append(ctx, "acme", changes)
			done <- result{last, err}
		}()
		n++
		awaitThat(t, "the call waits", func() bool {
			waiting, busy := c.groups.of("acme")
			return busy && waiting == n
		})
		return done
	}
	ahead := start(t.Context(), upsert("ahead", "1"))
	ctx, cancel := context.WithCancel(t.Context())
	gone := start(ctx, upsert("gone", "1"))
	large := start(t.Context(), reindex.Change{ID: "large", Body: json.RawMessage(strings.Repeat("x", 20_000))})
	two := start(t.Context(), upsert("a", "1"), upsert("b", "1"))
	one := start(t.Context(), upsert("c", "1"))
	cancel()
	if r := <-gone; !errors.Is(r.err, context.Canceled) {
		t.Errorf("a call whose context has ended: got %+v, want context.Canceled", r)
	}
	unlock()
	for _, test := range []struct {
		of   string
		done <-chan result
		want int64
	}{{"ahead", ahead, 2}, {"two", two, 4}, {"one", one, 5}} {
		if r := <-test.done; r.last != test.want || r.err != nil {
			t.Errorf("call %s: got %+v, want position %d", test.of, r, test.want)
		}
	}
	if r := <-large; !errors.Is(r.err, reindex.ErrChangesFull) {
		t.Errorf("a change that is too large: got %+v, want ErrChangesFull", r)
	}
	awaitThat(t, "nothing is left", func() bool {
		_, busy := c.groups.of("acme")
		return !busy
	})
	entries, _, err := c.After(t.Context(), "acme", 0, 100, 1<<20)
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.Change.ID
	}
	if got := strings.Join(ids, " "); got != "first ahead a b c" || err != nil {
		t.Errorf("the log has the changes %q, error %v, want first ahead a b c", got, err)
	}
}

// If the contexts of all calls of a group end, their transaction ends.
func TestAwaitedEndsWithItsCallers(t *testing.T) {
	a, cancelA := context.WithCancel(t.Context())
	b, cancelB := context.WithCancel(t.Context())
	ctx, stop := awaited([]*waitingCall{{ctx: a}, {ctx: b}})
	defer stop()
	cancelA()
	if err := ctx.Err(); err != nil {
		t.Errorf("the transaction has ended with %v, although one call still waits", err)
	}
	cancelB()
	<-ctx.Done()
}
