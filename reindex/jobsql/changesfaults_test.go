package jobsql

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// exercise calls every method of a log through call, which repeats a call that fails, and checks the content of the
// log. A repeated Append can add its changes twice.
func exercise(t *testing.T, c *Changes, call func(name string, f func() error)) {
	t.Helper()
	var fence, applied, pinned, head int64
	appendAll := func(changes ...reindex.Change) {
		call("Append", func() (err error) {
			head, err = c.Append(t.Context(), "acme", changes)
			return err
		})
	}
	appendAll(upsert("a", "1"), upsert("b", "1"))
	before := head
	call("Pin", func() (err error) {
		pinned, err = c.Pin(t.Context(), "acme", "run", -1, time.Hour)
		return err
	})
	appendAll(upsert("a", "2"), upsert("c", "1"), reindex.Change{ID: "b", Delete: true})
	if pinned != before {
		t.Errorf("the pin is at %d, want %d", pinned, before)
	}
	call("Claim", func() (err error) {
		fence, applied, err = c.Claim(t.Context(), "acme", "x", false)
		return err
	})
	if applied != 0 {
		t.Errorf("applied is %d, want 0", applied)
	}
	assertLast(t, c, call, 0, head)
	refused := []reindex.RefusedChange{{Position: 2, ID: "b", Reason: "why"}}
	call("Applied", func() error { return c.Applied(t.Context(), "acme", fence, 0, head, refused) })
	assertLast(t, c, call, pinned, head)
	call("Rewind", func() error { return c.Rewind(t.Context(), "acme", pinned) })
	call("Pending", func() error {
		pending, err := c.Pending(t.Context())
		if err == nil && len(pending) != 1 {
			t.Errorf("the pending tenants are %v, want one", pending)
		}
		return err
	})
	call("Applied", func() error { return c.Applied(t.Context(), "acme", fence, pinned, head, nil) })
	call("Pins", func() error {
		pins, err := c.Pins(t.Context(), "acme")
		if err == nil && (len(pins) != 1 || pins["run"] != pinned) {
			t.Errorf("the pins are %v, want only run at %d", pins, pinned)
		}
		return err
	})
	call("Unpin", func() error { return c.Unpin(t.Context(), "acme", "run") })
	call("Release", func() error { return c.Release(t.Context(), "acme", fence) })
	call("State", func() error {
		state, err := c.State(t.Context(), "acme")
		if err == nil && (state.Head != head || state.Applied != head || state.Bytes != 0 || len(state.Refused) != 1) {
			t.Errorf("the state is %+v, want head and applied %d, and one refused change", state, head)
		}
		return err
	})
	call("Claim", func() error {
		_, _, err := c.Claim(t.Context(), "acme", "y", false)
		return err
	})
}

// assertLast checks that no position is missing after a given one, and checks the last change of each product.
func assertLast(t *testing.T, c *Changes, call func(name string, f func() error), position, head int64) {
	t.Helper()
	call("After", func() error {
		entries, left, err := c.After(t.Context(), "acme", position, 100, 1<<20)
		if err != nil {
			return err
		}
		last := map[string]string{}
		for i, e := range entries {
			if last[e.Change.ID] = string(e.Change.Body); e.Position != position+int64(i)+1 {
				t.Errorf("entry %d has the position %d, want %d", i, e.Position, position+int64(i)+1)
			}
		}
		want := map[string]string{"a": string(upsert("a", "2").Body), "b": "", "c": string(upsert("c", "1").Body)}
		if left != 0 || position+int64(len(entries)) != head || !maps.Equal(last, want) {
			t.Errorf("%d entries after position %d, want all up to the head %d; the last changes are %v, want %v",
				len(entries), position, head, last, want)
		}
		return nil
	})
}

// If any statement of a log fails, before or after the database has executed it, the call can be repeated and nothing
// is lost.
func TestFailingStatementsOfChanges(t *testing.T) {
	for _, f := range []faults{{}, {after: true}, {rollback: true}, {after: true, rollback: true}} {
		for failed := true; failed; f.at++ {
			d := newSQLite(t)
			f.armed, f.count, f.connector, f.dsn = false, 0, d.open(t).Driver(), d.dsn
			failed = failingStatementOfChanges(t, &f)
		}
		if f.at < 40 {
			t.Errorf("only %d statements were executed, want at least 40", f.at)
		}
	}
}

func failingStatementOfChanges(t *testing.T, f *faults) (failed bool) {
	t.Helper()
	db := sql.OpenDB(f)
	defer db.Close()
	db.SetMaxOpenConns(1)
	s, err := New(t.Context(), db, &Config{Dialect: SQLite, Lease: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Changes(nil)
	if err != nil {
		t.Fatal(err)
	}
	f.armed = true
	exercise(t, c, func(name string, call func() error) {
		err := call()
		if err == nil {
			return
		}
		if failed || !errors.Is(err, errFault) || !errors.As(err, new(*reindex.TemporaryError)) {
			t.Fatalf("statement %d, %s: %v", f.at, name, err)
		}
		failed = true
		if err := call(); err != nil {
			t.Errorf("statement %d, %s, the second time: %v", f.at, name, err)
		}
	})
	f.armed = false
	return failed
}

// If any request of a log or its answer is lost, the call can be repeated and nothing is lost.
func testLostAnswersOfChanges(t *testing.T, fresh func(tb testing.TB) database) {
	for _, before := range []bool{false, true} {
		for n, lost := 1, true; lost; n++ {
			t.Run(fmt.Sprint(before, n), func(t *testing.T) { lost = lostAnswerOfChanges(t, fresh(t), before, n) })
			if !lost && n < 40 {
				t.Errorf("only %d requests were made, want at least 40", n)
			}
		}
	}
}

// lostAnswerOfChanges loses one request or its answer, and reports whether there was such a request.
func lostAnswerOfChanges(t *testing.T, d database, before bool, n int) (lost bool) {
	t.Helper()
	s, w := openWired(t, d, time.Hour)
	c, err := s.Changes(nil)
	if err != nil {
		t.Fatal(err)
	}
	requests := 0
	w.fail(before, func([]byte) bool {
		requests++
		return requests == n
	})
	exercise(t, c, func(name string, call func() error) {
		err := call()
		if err != nil && !errors.As(err, new(*reindex.TemporaryError)) {
			t.Fatalf("%s: %v", name, err)
		}
		if err != nil {
			err = call()
		}
		if err != nil {
			t.Errorf("%s, the second time: %v", name, err)
		}
	})
	return !w.armed()
}

// If any answer is lost while an engine applies changes and reindexes, the index has all changes at the end.
func testLostAnswersOfUpdates(t *testing.T, d database) {
	s, w := openWired(t, d, time.Hour)
	changes, err := s.Changes(nil)
	if err != nil {
		t.Fatal(err)
	}
	products := reindextest.Products(3, "0")
	index := reindextest.NewMemory()
	e, err := reindex.New(reindextest.Slice(products), index, &reindex.Config{
		Changes: changes, MinFraction: -1, Retry: reindex.Retry{MinDelay: time.Millisecond, MaxDelay: 10 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	for n, lost := 1, true; lost; n++ {
		requests := 0
		w.fail(n%2 == 0, func([]byte) bool {
			requests++
			return requests == (n+1)/2
		})
		rev := fmt.Sprint("r", n)
		mustUpdate(t, e, upsert("a", "older"), upsert("b", rev), upsert("c", rev))
		if _, err := e.Run(t.Context(), "acme"); err != nil {
			t.Fatalf("request %d: %v", n, err)
		}
		mustUpdate(t, e, upsert("a", rev), reindex.Change{ID: "b", Delete: true})
		if err := e.Settle(t.Context(), "acme"); err != nil {
			t.Fatalf("request %d: %v", n, err)
		}
		found := revs(t, index)
		if _, there := found["b"]; there || found["a"] != rev {
			t.Errorf("request %d: the live products are %v, want a with %s and no b", n, found, rev)
		}
		if lost = !w.armed(); !lost && n < 80 {
			t.Errorf("only %d rounds lost a request or its answer, want at least 80", n-1)
		}
	}
	w.lose(nil)
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
