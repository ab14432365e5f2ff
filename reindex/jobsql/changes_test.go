package jobsql

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// changes returns the log of changes of a new process.
func (d database) changes(tb testing.TB, lease time.Duration, bytes int64) *Changes {
	tb.Helper()
	c, err := d.store(tb, Config{Lease: lease}).Changes(&ChangesConfig{Bytes: bytes})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestChangesConfig(t *testing.T) {
	s := newSQLite(t).store(t, Config{})
	for _, cfg := range []*ChangesConfig{{Bytes: -1}, {Name: "\x00"}} {
		if _, err := s.Changes(cfg); err == nil {
			t.Errorf("Changes accepts %+v", cfg)
		}
	}
	c, err := s.Changes(nil)
	if err != nil || c.limit != DefaultChangesBytes || c.name != DefaultChangesName || c.Lease() != DefaultLease {
		t.Errorf("got %+v, error %v, want the defaults", c, err)
	}
}

func upsert(id, rev string) reindex.Change {
	return reindex.Change{ID: id, Body: reindextest.NewProduct(id, map[string]any{"rev": rev}).Body}
}

func mustAppend(tb testing.TB, c *Changes, changes ...reindex.Change) {
	tb.Helper()
	if _, err := c.Append(tb.Context(), "acme", changes); err != nil {
		tb.Fatal(err)
	}
}

// awaitThat waits until a condition holds.
func awaitThat(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	var ok bool
	each(tb, patience, func() bool {
		ok = holds()
		return !ok
	})
	if !ok {
		tb.Fatalf("waited %v in vain until %s", patience, what)
	}
}

// An engine that does not renew its claim loses it. The log keeps its changes, so that they can be applied again.
func testClaimRunsOut(t *testing.T, d database) {
	c := d.changes(t, MinLease, 1<<20)
	mustAppend(t, c, upsert("a", "1"), upsert("b", "1"), upsert("c", "1"))
	first, _, err := c.Claim(t.Context(), "acme", "x", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Applied(t.Context(), "acme", first, 0, 1, nil); err != nil {
		t.Fatal(err)
	}
	var second, applied int64
	awaitThat(t, "the claim runs out", func() bool {
		second, applied, err = c.Claim(t.Context(), "acme", "y", false)
		return err == nil
	})
	if second <= first || applied != 1 {
		t.Errorf("the second claim has fence %d and applied %d, want a fence above %d and applied 1", second, applied, first)
	}
	if err := c.Applied(t.Context(), "acme", second, 1, 3, nil); err != nil {
		t.Error(err)
	}
	if err := c.Applied(t.Context(), "acme", first, 1, 2, nil); !errors.Is(err, reindex.ErrClaimLost) {
		t.Errorf("Applied with the old fence: got %v, want ErrClaimLost", err)
	}
	if err := c.Rewind(t.Context(), "acme", 1); err != nil {
		t.Errorf("the holder of the old fence cannot rewind the log: %v", err)
	}
	entries, _, err := c.After(t.Context(), "acme", 1, 10, 1000)
	if err != nil || len(entries) != 2 {
		t.Errorf("got the entries %v, error %v, want 2", entries, err)
	}
}

// stopping is a log whose process can be stopped. No call returns while gate is locked.
type stopping struct {
	*Changes

	gate *sync.RWMutex
}

func (s stopping) wait() {
	s.gate.RLock()
	s.gate.RUnlock() //nolint:staticcheck // it waited
}

func (s stopping) Claim(ctx context.Context, tenant, holder string, urgent bool) (fence, applied int64, err error) {
	s.wait()
	return s.Changes.Claim(ctx, tenant, holder, urgent)
}

func (s stopping) Applied(
	ctx context.Context, tenant string, fence, from, position int64, refused []reindex.RefusedChange,
) error {
	s.wait()
	return s.Changes.Applied(ctx, tenant, fence, from, position, refused)
}

func (s stopping) Rewind(ctx context.Context, tenant string, position int64) error {
	s.wait()
	return s.Changes.Rewind(ctx, tenant, position)
}

func (s stopping) Pin(ctx context.Context, tenant, name string, position int64, lasting time.Duration) (int64, error) {
	s.wait()
	return s.Changes.Pin(ctx, tenant, name, position, lasting)
}

// newLogEngine returns an engine with a log of changes.
func newLogEngine(tb testing.TB, src reindex.Source, ix reindex.Indexer, log reindex.ChangeLog) *reindex.Engine {
	tb.Helper()
	e, err := reindex.New(src, ix, &reindex.Config{Changes: log, CountMargin: -1, MinFraction: -1})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Shutdown(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return e
}

func mustUpdate(tb testing.TB, e *reindex.Engine, changes ...reindex.Change) {
	tb.Helper()
	if err := e.Update(tb.Context(), "acme", changes...); err != nil {
		tb.Error(err)
	}
}

// revs returns the revisions of the live products by id.
func revs(tb testing.TB, index *reindextest.Memory) map[string]string {
	tb.Helper()
	found, err := index.Search(tb.Context(), "acme")
	if err != nil {
		tb.Error(err)
	}
	return found
}

func assertRevs(tb testing.TB, index *reindextest.Memory, want map[string]string) {
	tb.Helper()
	if found := revs(tb, index); !maps.Equal(found, want) {
		tb.Errorf("the live products are %v, want %v", found, want)
	}
}

// stopOnce stops a process in its first call until goOn is closed. It closes stopped when the process has stopped.
func stopOnce(gate *sync.RWMutex) (call func(), stopped, goOn chan struct{}) {
	var once sync.Once
	stopped, goOn = make(chan struct{}), make(chan struct{})
	return func() {
		once.Do(func() {
			gate.Lock()
			close(stopped)
			<-goOn
			gate.Unlock()
		})
	}, stopped, goOn
}

// If a process ends before it has applied accepted changes, the next process applies them at its start.
func testChangesResumed(t *testing.T, d database) {
	index := reindextest.NewMemory()
	first, err := reindex.New(reindextest.Slice(reindextest.Products(1, "0")), index, &reindex.Config{
		Changes: d.changes(t, time.Second, 1<<20),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Run(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if err := first.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	changes := d.changes(t, time.Second, 1<<20)
	mustAppend(t, changes, upsert("a", "1"), upsert("b", "1"), upsert("a", "2"), reindex.Change{ID: "b", Delete: true})
	newLogEngine(t, reindextest.Slice(nil), index, d.changes(t, time.Second, 1<<20))
	awaitThat(t, "the changes are applied", func() bool {
		state, err := changes.State(t.Context(), "acme")
		return err == nil && state.Lag() == 0 && state.Bytes == 0
	})
	assertRevs(t, index, map[string]string{reindextest.Products(1, "0")[0].ID: "0", "a": "2"})
}

// A change that the index refuses does not delay others, and is stored with the reason.
func testChangesRefused(t *testing.T, d database) {
	index := reindextest.NewMemory()
	faulty := reindextest.NewFaulty(index, func(c reindextest.Call) reindextest.Fault {
		for _, change := range c.Changes {
			if change.ID == "bad" && c.Op == reindextest.OpUpdate {
				return reindextest.Fault{Err: fmt.Errorf("no such colour: %w", reindex.ErrRefused)}
			}
		}
		return reindextest.Fault{}
	})
	e := newLogEngine(t, reindextest.Slice(reindextest.Products(1, "0")), faulty, d.changes(t, time.Second, 1<<20))
	if _, err := e.Run(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, e, upsert("a", "1"), upsert("bad", "1"), upsert("b", "1"))
	if err := e.Settle(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	assertRevs(t, index, map[string]string{reindextest.Products(1, "0")[0].ID: "0", "a": "1", "b": "1"})
	state, err := e.Changes(t.Context(), "acme")
	if err != nil || len(state.Refused) != 1 {
		t.Fatalf("the state is %+v, error %v, want one refused change", state, err)
	}
	if r := state.Refused[0]; r.ID != "bad" || r.Position != 2 || r.Reason == "" {
		t.Errorf("the refused change is %+v, want bad at position 2 with a reason", r)
	}
}

// A change that comes before the first index exists is accepted at once. The first run reads it from the source or
// replays it.
func testChangesBeforeTheFirstIndex(t *testing.T, d database) {
	index := reindextest.NewMemory()
	src := newGated(2)
	e := newLogEngine(t, src, index, d.changes(t, time.Second, 1<<20))
	mustUpdate(t, e, upsert("early", "the source has it"))
	if err := e.Settle(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	job, _, err := e.Start(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	awaitThat(t, "the run has begun", func() bool { return index.Open() > 0 })
	mustUpdate(t, e, upsert("a", "edit"), reindex.Change{ID: src.products[0].ID, Delete: true})
	close(src.gate)
	for _, err := range e.Watch(t.Context(), "acme", job.ID) {
		if err != nil {
			t.Fatal(err)
		}
	}
	assertRevs(t, index, map[string]string{src.products[1].ID: "new", "a": "edit"})
}

// Two engines that share a log accept changes and reindex at the same time. At the end, the index has the same products
// as the source.
func testTwoEnginesOneLog(t *testing.T, d database) {
	index := reindextest.NewMemory()
	var truth reindextest.Editable
	for i := range 50 {
		truth.Edit(upsert(fmt.Sprint("p", i), "0"))
	}
	// The lease is long, because a busy machine can delay SQLite for seconds.
	cfg := Config{Lease: time.Minute}
	jobs := []*Store{d.store(t, cfg), d.store(t, cfg)}
	var engines []*reindex.Engine
	for _, s := range jobs {
		c, err := s.Changes(nil)
		if err != nil {
			t.Fatal(err)
		}
		e, err := reindex.New(&truth, index, &reindex.Config{Jobs: s, Changes: c, CountMargin: -1, MinFraction: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := e.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		engines = append(engines, e)
	}
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() { edit(t, &truth, engines[w%2], w) })
	}
	for i := range 6 {
		if _, err := engines[i%2].Run(t.Context(), "acme"); err != nil {
			t.Error(err)
		}
	}
	writers.Wait()
	for _, e := range engines {
		if err := e.Settle(t.Context(), "acme"); err != nil {
			t.Error(err)
		}
	}
	found := map[string]string{}
	for id, body := range index.Documents("acme") {
		found[id] = string(body)
	}
	truth.AssertEqual(t, found)
}

// edit changes the products of one writer, first in the source and then through the engine.
func edit(t *testing.T, truth *reindextest.Editable, e *reindex.Engine, writer int) {
	for n := range 60 {
		id := fmt.Sprint("p", n%12*4+writer)
		change := upsert(id, fmt.Sprint(writer, ".", n))
		if n%5 == 4 {
			change = reindex.Change{ID: id, Delete: true}
		}
		truth.Edit(change)
		mustUpdate(t, e, change)
	}
}
