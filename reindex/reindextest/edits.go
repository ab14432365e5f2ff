package reindextest

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"

	"productindex/reindex"
)

// upsert returns a change to a product as [Products] makes it.
func upsert(id, rev string) reindex.Change {
	p := product(id, rev)
	return reindex.Change{ID: p.ID, Body: p.Body}
}

func deletion(id string) reindex.Change { return reindex.Change{ID: id, Delete: true} }

// updater returns the Indexer's Updater, or skips the test if it has none.
func updater(t *testing.T, f Fixture) reindex.Updater {
	t.Helper()
	updater, ok := reindex.As[reindex.Updater](f.Indexer)
	if !ok {
		t.Skip("the Indexer is not an Updater")
	}
	return updater
}

func mustUpdate(t *testing.T, f Fixture, changes ...reindex.Change) {
	t.Helper()
	if err := updater(t, f).Update(t.Context(), tenant, changes); err != nil {
		t.Fatalf("update: %v", err)
	}
	f.settle(t)
}

// settle waits until searches see the updates.
func (f Fixture) settle(t *testing.T) {
	t.Helper()
	if settler, ok := reindex.As[reindex.Settler](f.Indexer); ok {
		if err := settler.Settle(t.Context(), tenant); err != nil {
			t.Fatalf("settle: %v", err)
		}
	}
}

func mustEdit(t *testing.T, gen reindex.Generation, changes ...reindex.Change) {
	t.Helper()
	editor, ok := reindex.As[reindex.Editor](gen)
	if !ok {
		t.Skip("the Generation is not an Editor")
	}
	if err := editor.Edit(t.Context(), changes); err != nil {
		t.Fatalf("edit: %v", err)
	}
}

// Updates of the live index create and replace products, and delete them whether they exist or not. They affect neither
// other products nor other tenants.
func testUpdate(t *testing.T, f Fixture) {
	updater := updater(t, f)
	err := updater.Update(t.Context(), tenant, []reindex.Change{upsert("p0", "x")})
	if !errors.Is(err, reindex.ErrNoLiveIndex) {
		t.Errorf("update of a tenant without a live index: %v, want ErrNoLiveIndex", err)
	}
	f.publish(t, tenant, Products(10, "1"))
	f.publish(t, "other", Products(10, "1"))
	want := revs(Products(10, "1"), "1")
	mustUpdate(t, f, upsert("p3", "2"), deletion("p4"), upsert("new", "2"), deletion("not there"))
	want["p3"], want["new"] = "2", "2"
	delete(want, "p4")
	assertFound(t, f.all(t, tenant), want)
	mustUpdate(t, f, deletion("new"), upsert("p4", "3"), deletion("p4 "))
	want["p4"] = "3"
	delete(want, "new")
	assertFound(t, f.all(t, tenant), want)
	for i := range 30 { // updates of single products are the most frequent ones
		rev := fmt.Sprint("r", i)
		mustUpdate(t, f, upsert("p5", rev))
		want["p5"] = rev
	}
	assertFound(t, f.all(t, tenant), want)
	assertFound(t, f.all(t, "other"), revs(Products(10, "1"), "1"))
	if counter, ok := reindex.As[reindex.DocCounter](f.Indexer); ok {
		if n, err := counter.DocCount(t.Context(), tenant); n != 10 || err != nil {
			t.Errorf("%d documents are counted, error %v; want 10", n, err)
		}
	}
	gen := f.begin(t, tenant)
	mustWrite(t, gen, Products(3, "4"))
	if sealed := mustSeal(t, gen, 3); sealed.Live != 10 {
		t.Errorf("Live is %d after updates, want 10", sealed.Live)
	}
}

// Updates of the live index outlive its process, and do not reach a generation that is being built.
func testUpdateIsDurable(t *testing.T, f Fixture) {
	updater(t, f)
	f.publish(t, tenant, Products(10, "1"))
	gen := f.begin(t, tenant)
	mustWrite(t, gen, Products(5, "2"))
	mustUpdate(t, f, upsert("p0", "u"), deletion("p1"))
	want := revs(Products(10, "1"), "1")
	want["p0"] = "u"
	delete(want, "p1")
	assertFound(t, f.all(t, tenant), want)
	mustSeal(t, gen, 5)
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertFound(t, f.all(t, tenant), revs(Products(5, "2"), "2"))
	mustUpdate(t, f, upsert("p0", "u"), deletion("p1"))
	if f.Reopen == nil {
		return
	}
	f = f.Reopen(t)
	want = revs(Products(5, "2"), "2")
	want["p0"] = "u"
	delete(want, "p1")
	assertFound(t, f.all(t, tenant), want)
	mustUpdate(t, f, upsert("p1", "v"))
	want["p1"] = "v"
	assertFound(t, f.all(t, tenant), want)
}

// A product with any id can be updated and deleted without an effect on another product.
func testUpdateIDs(t *testing.T, f Fixture) {
	updater := updater(t, f)
	f.publish(t, tenant, Products(1, "1"))
	want := revs(Products(1, "1"), "1")
	for i, id := range awkwardIDs {
		var failed *reindex.BatchError
		switch err := updater.Update(t.Context(), tenant, []reindex.Change{upsert(id, fmt.Sprint(i))}); {
		case errors.As(err, &failed) && len(failed.Items) == 1 && failed.Items[0].ID == id && !failed.Items[0].Retryable:
		case err != nil:
			t.Errorf("update of %.40q: %v", id, err)
		default:
			want[id] = fmt.Sprint(i)
		}
	}
	f.settle(t)
	assertFound(t, f.all(t, tenant), want)
	var all []reindex.Change
	for _, id := range awkwardIDs {
		all = append(all, deletion(id))
	}
	mustUpdate(t, f, all...)
	assertFound(t, f.all(t, tenant), revs(Products(1, "1"), "1"))
}

// Every change of a call with many changes takes effect, in the live index and in a generation. So do the changes of
// later calls for the same products.
func testManyChanges(t *testing.T, f Fixture) {
	updater(t, f)
	f.publish(t, tenant, Products(300, "1"))
	gen := f.begin(t, tenant)
	mustWrite(t, gen, Products(300, "1"))
	if _, err := gen.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := revs(Products(300, "1"), "1")
	for round := range 3 {
		rev := fmt.Sprint("r", round)
		var changes []reindex.Change
		for i := range 400 {
			id := fmt.Sprint("p", i)
			if i%3 == round {
				changes = append(changes, deletion(id))
				delete(want, id)
			} else {
				changes = append(changes, upsert(id, rev))
				want[id] = rev
			}
		}
		mustUpdate(t, f, changes...)
		assertFound(t, f.all(t, tenant), want)
		mustEdit(t, gen, changes...)
	}
	mustSeal(t, gen, int64(len(want)))
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.settle(t)
	assertFound(t, f.all(t, tenant), want)
}

// Calls of Update at the same time, as many as Limits allows, each have their effect.
func testConcurrentUpdates(t *testing.T, f Fixture) {
	u := updater(t, f)
	limiter, ok := reindex.As[reindex.Limiter](f.Indexer)
	if !ok || limiter.Limits().MaxUpdates < 2 {
		t.Skip("the index accepts one call at a time")
	}
	f.publish(t, tenant, Products(1, "0"))
	want := revs(Products(1, "0"), "0")
	var calls sync.WaitGroup
	for writer := range limiter.Limits().MaxUpdates {
		last := map[string]string{}
		for i := range 100 {
			last[fmt.Sprint("w", writer, "x", i)] = "r2"
		}
		maps.Copy(want, last)
		calls.Go(func() {
			for round := range 3 {
				var changes []reindex.Change
				for id := range last {
					changes = append(changes, upsert(id, fmt.Sprint("r", round)))
				}
				if err := u.Update(t.Context(), tenant, changes); err != nil {
					t.Error(err)
				}
			}
		})
	}
	calls.Wait()
	f.settle(t)
	assertFound(t, f.all(t, tenant), want)
}

// Searches see the edits of a generation, made before and after its Seal, once the generation is live and not before.
func testEdit(t *testing.T, f Fixture) {
	f.publish(t, tenant, Products(4, "0"))
	gen := f.begin(t, tenant)
	mustWrite(t, gen, Products(10, "1"))
	if _, err := gen.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustEdit(t, gen, upsert("p3", "2"), deletion("p4"), upsert("early", "2"), deletion("not there"))
	mustEdit(t, gen, upsert("p3", "3"), deletion("p5"))
	mustEdit(t, gen, upsert("p5", "3"))
	mustSeal(t, gen, 10) // 10 + early - p4
	mustEdit(t, gen, upsert("late", "4"), deletion("p6"), deletion("p6 "))
	mustEdit(t, gen, upsert("p7", "5"), deletion("early"))
	assertFound(t, f.all(t, tenant), revs(Products(4, "0"), "0"))
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := revs(Products(10, "1"), "1")
	maps.Copy(want, map[string]string{"p3": "3", "p5": "3", "late": "4", "p7": "5"})
	delete(want, "p4")
	delete(want, "p6")
	f.settle(t)
	assertFound(t, f.all(t, tenant), want)
	if f.Reopen != nil {
		f = f.Reopen(t)
		assertFound(t, f.all(t, tenant), want)
	}
}

// The edits of an aborted generation have no effect.
func testEditAbort(t *testing.T, f Fixture) {
	f.publish(t, tenant, Products(4, "0"))
	gen := f.begin(t, tenant)
	mustWrite(t, gen, Products(10, "1"))
	mustEdit(t, gen, upsert("p3", "2"))
	mustSeal(t, gen, 10)
	mustEdit(t, gen, deletion("p0"))
	if err := gen.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertFound(t, f.all(t, tenant), revs(Products(4, "0"), "0"))
}
