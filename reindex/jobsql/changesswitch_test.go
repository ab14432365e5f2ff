package jobsql

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// late is an index that executes calls late, even after their contexts have ended, like a server that receives a
// request late.
type late struct {
	*reindextest.Memory

	update, commit func() // called before an update and before a commit, if not nil
}

func (l late) Update(ctx context.Context, tenant string, changes []reindex.Change) error {
	if l.update != nil {
		l.update()
	}
	return l.Memory.Update(context.WithoutCancel(ctx), tenant, changes)
}

func (l late) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	gen, err := l.Memory.Begin(ctx, tenant)
	return lateGeneration{gen, l.commit}, err
}

type lateGeneration struct {
	reindex.Generation

	commit func()
}

func (g lateGeneration) Edit(ctx context.Context, changes []reindex.Change) error {
	editor, _ := reindex.As[reindex.Editor](g.Generation)
	return editor.Edit(ctx, changes)
}

func (g lateGeneration) Commit(ctx context.Context) error {
	if g.commit != nil {
		g.commit()
	}
	return g.Generation.Commit(context.WithoutCancel(ctx))
}

// An applier that is stopped in a write, and continues after another one has applied newer changes, overwrites a newer
// state with an older one. After that, all later changes are applied again.
func testLateApplier(t *testing.T, d database) {
	const lease = 400 * time.Millisecond
	index, gate := reindextest.NewMemory(), &sync.RWMutex{}
	call, stopped, goOn := stopOnce(gate)
	products := reindextest.Slice(reindextest.Products(1, "0"))
	runFirst(t, d, products, index)
	other := newLogEngine(t, products, index, d.changes(t, lease, 1<<20))
	sleepy := newLogEngine(t, reindextest.Slice(nil), late{index, call, nil}, stopping{d.changes(t, lease, 1<<20), gate})
	mustUpdate(t, sleepy, upsert("a", "older"), upsert("b", "older"))
	<-stopped
	mustUpdate(t, other, upsert("a", "newer"), reindex.Change{ID: "b", Delete: true})
	if err := other.Settle(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{reindextest.Products(1, "0")[0].ID: "0", "a": "newer"}
	assertRevs(t, index, want)
	close(goOn)
	awaitThat(t, "the late writes are replaced", func() bool {
		state, err := other.Changes(t.Context(), "acme")
		return err == nil && state.Lag() == 0 && maps.Equal(revs(t, index), want) && !hasPending(t, d)
	})
	mustUpdate(t, sleepy, upsert("a", "newest"))
	if err := sleepy.Settle(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	want["a"] = "newest"
	assertRevs(t, index, want)
}

// runFirst runs the first reindex of the tenant, with a lease that is long enough for a slow machine.
func runFirst(t *testing.T, d database, src reindex.Source, ix reindex.Indexer) {
	t.Helper()
	e := newLogEngine(t, src, ix, d.changes(t, 0, 1<<20))
	_, err := e.Run(t.Context(), "acme")
	if err := errors.Join(err, e.Shutdown(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// hasPending reports whether the log in the database has changes that are not applied, as it has after a rewind.
func hasPending(t *testing.T, d database) bool {
	var n int
	s := d.store(t, Config{})
	err := s.queryRow(t.Context(), s.db, "SELECT COUNT(*) FROM reindex_logs WHERE applied < head").Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// A run is stopped right before its switch-over, and continues after an applier has applied changes to the index that
// the run replaces. These changes are then applied again to the new index.
func testLateSwitch(t *testing.T, d database) {
	const lease = 400 * time.Millisecond
	index, gate := reindextest.NewMemory(), &sync.RWMutex{}
	call, stopped, goOn := stopOnce(gate)
	products := reindextest.Products(3, "0")
	runFirst(t, d, reindextest.Slice(products), index)
	other := newLogEngine(t, reindextest.Slice(products), index, d.changes(t, lease, 1<<20))
	log := stopping{d.changes(t, lease, 1<<20), gate}
	sleepy := newLogEngine(t, reindextest.Slice(products), late{index, nil, call}, log)
	ended := make(chan error)
	go func() {
		_, err := sleepy.Run(context.WithoutCancel(t.Context()), "acme")
		ended <- err
	}()
	select {
	case <-stopped:
	case err := <-ended:
		t.Fatalf("the run has ended before its switch-over: %v", err)
	}
	mustUpdate(t, other, upsert("a", "edit"), reindex.Change{ID: products[1].ID, Delete: true})
	if err := other.Settle(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{products[0].ID: "0", products[2].ID: "0", "a": "edit"}
	assertRevs(t, index, want)
	close(goOn)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := other.Settle(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	assertRevs(t, index, want)
}
