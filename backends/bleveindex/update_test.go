package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

func upsert(id, rev string) reindex.Change {
	p := reindextest.NewProduct(id, map[string]any{"rev": rev})
	return reindex.Change{ID: id, Body: p.Body}
}

func deletion(id string) reindex.Change { return reindex.Change{ID: id, Delete: true} }

func update(t testing.TB, ix *Index, tenant string, changes ...reindex.Change) {
	t.Helper()
	if err := ix.Update(t.Context(), tenant, changes); err != nil {
		t.Fatal(err)
	}
}

// closeIdle closes a tenant's live index as if nobody had used it for a long time.
func closeIdle(t testing.TB, ix *Index, tenant string) {
	t.Helper()
	of := mustTenant(t, ix, tenant)
	of.closeUnusedSince(time.Now().Add(time.Hour))
	if of.live.Load() != nil {
		t.Fatal("the index is open")
	}
	<-of.idle
}

// The number of documents is right after updates: the index's own, and the one that is kept beside it for a time when
// it is damaged.
func TestUpdateCounts(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	for i, test := range []struct {
		changes []reindex.Change
		want    int64
	}{
		{[]reindex.Change{upsert("p1", "2"), upsert("new", "2"), deletion("p2"), deletion("p3"), deletion("nothing")}, 99},
		{[]reindex.Change{upsert("new", "3")}, 99},
		{[]reindex.Change{deletion("new"), deletion("p2")}, 98},
		{[]reindex.Change{upsert("p2", "1"), upsert("p3", "1"), upsert("a", "1"), upsert("b", "1")}, 102},
		{[]reindex.Change{upsert("a", "1"), deletion("a"), upsert("b", "2")}, 101}, // the last one counts
		{nil, 101},
	} {
		update(t, ix, "acme", test.changes...)
		if n, err := ix.DocCount(t.Context(), "acme"); n != test.want || err != nil {
			t.Errorf("%d: %d documents, %v, want %d", i, n, err, test.want)
		}
		closeIdle(t, ix, "acme") // to be opened, and checked, again
		if n, err := mustTenant(t, ix, "acme").documents(t.Context()); n != test.want || err != nil {
			t.Errorf("%d: %d documents while it is closed, %v, want %d", i, n, err, test.want)
		}
	}
	name := generationsOnDisk(t, dir, "acme")[0]
	segments, err := filepath.Glob(filepath.Join(dir, tenantDir("acme"), name, storeDir, "*.zap"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	for _, segment := range segments {
		change(t, segment, flipMiddle)
	}
	if err := ix.Update(t.Context(), "acme", []reindex.Change{upsert("p1", "2")}); !errors.Is(err, reindex.ErrDamaged) {
		t.Errorf("update of a damaged index: %v", err)
	}
	if live := seal(t, ix, "acme", products(1, "2")).sealed; live.Live != 101 || live.LiveErr != nil {
		t.Errorf("%+v, want Live 101", live)
	}
}

// An update that died before it noted the number of documents beside the index leaves an index that can be opened; one
// whose documents got lost cannot.
func TestUpdateDies(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	update(t, ix, "acme", deletion("p1"))
	mark := filepath.Join(dir, tenantDir("acme"), generationsOnDisk(t, dir, "acme")[0], markFile)
	for _, content := range []string{
		line(liveMark(100, false)), line(liveMark(7, true)), "", "\x00\x00", // the latter two after a power cut
	} {
		closeIdle(t, ix, "acme")
		if err := os.WriteFile(mark, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if n, err := ix.DocCount(t.Context(), "acme"); n != 99 || err != nil {
			t.Errorf("with the mark %q: %d documents, %v", content, n, err)
		}
	}
	update(t, ix, "acme", deletion("p2"))
	if m := readMark(filepath.Dir(mark)); m.loading || m.documents != 98 || !m.edited {
		t.Errorf("the mark says %+v", m)
	}
	l, err := ix.acquire(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	b := newBatch(l.mapper)
	err = errors.Join(b.change([]reindex.Change{deletion("p3")}), b.write(t.Context(), l.index))
	b.end()
	l.done()
	if err != nil {
		t.Fatal(err)
	}
	closeIdle(t, ix, "acme")
	if err := ix.Update(t.Context(), "acme", []reindex.Change{deletion("p4")}); !errors.Is(err, reindex.ErrDamaged) {
		t.Errorf("update of an index of which a document is lost: %v", err)
	}
}

// A failed update says why, with the tenant.
func TestUpdateErrors(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(10, "1")...)
	changes := []reindex.Change{upsert("p1", "2")}
	assert := func(ix *Index, tenant string, want error) {
		t.Helper()
		err := ix.Update(t.Context(), tenant, changes)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), strconv.Quote(tenant)) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	assert(ix, "nobody", reindex.ErrNoLiveIndex)
	assert(ix, "\x00", reindex.ErrTenant)
	begin(t, ix, "new")
	assert(ix, "new", reindex.ErrNoLiveIndex)
	assert(open(t, dir, &Config{ReadOnly: true}), "acme", ErrReadOnly)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ix.Update(ended, "acme", changes); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	assertLive(t, ix, "acme", 10, "1")
	err := ix.Update(
		t.Context(),
		"acme",
		[]reindex.Change{{ID: "", Body: []byte(`{}`)}, upsert("p1", "2"), {ID: "array", Body: []byte(`[]`)},
			{ID: "p2", Body: []byte(`{"a":1e999}`)}, deletion("p3")},
	)
	failed, ok := errors.AsType[*reindex.BatchError](err)
	if !ok || len(failed.Items) != 3 || failed.Items[0].ID != "" || failed.Items[1].ID != "array" ||
		failed.Items[2].ID != "p2" ||
		failed.Items[1].Retryable {
		t.Errorf("changes that cannot be mapped: %v", err)
	}
	found, err := revs(t.Context(), ix, "acme")
	if len(found) != 9 || found["p1"] != "2" || found["p2"] != "1" || err != nil {
		t.Errorf("what can be mapped is not there: %v, %v", found, err)
	}
	gen := seal(t, ix, "acme", products(10, "1"))
	refused := []reindex.Change{{ID: "array", Body: []byte(`[]`)}, deletion("p3")}
	if err := gen.Edit(t.Context(), refused); !errors.As(err, new(*reindex.BatchError)) {
		t.Errorf("edits that cannot be mapped: %v", err)
	}
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := gen.Edit(t.Context(), changes); err == nil || !strings.Contains(err.Error(), "committed") {
		t.Errorf("edit of what is live: %v", err)
	}
	assertLive(t, ix, "acme", 9, "1")
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	assert(ix, "acme", ErrClosed)
}

// An update is on the disk, with the names of its files, when it returns.
func TestUpdateSyncs(t *testing.T) {
	ix, r := openRecorded(t)
	gen := seal(t, ix, "acme", products(10, "1"))
	r.take()
	if err := gen.Edit(t.Context(), []reindex.Change{upsert("p1", "2")}); err != nil {
		t.Fatal(err)
	}
	assertOrder(t, r.take(), "sync t-acme/"+gen.name+"/store")
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.take()
	update(t, ix, "acme", upsert("p1", "3"), deletion("p2"))
	assertOrder(t, r.take(), "sync t-acme/"+gen.name+"/store", "rename t-acme/"+gen.name+"/mark")
	r.failing("sync t-acme/"+gen.name+"/store", errors.New("no luck"))
	if err := ix.Update(t.Context(), "acme", []reindex.Change{upsert("p1", "4")}); err == nil ||
		!strings.Contains(err.Error(), "no luck") {
		t.Errorf("error %v", err)
	}
	r.failing("rename t-acme/"+gen.name+"/mark", errors.New("no luck")) // that is for bad times only
	update(t, ix, "acme", upsert("p1", "5"), deletion("p3"))
	r.failing("", nil)
	if found, err := revs(t.Context(), ix, "acme"); err != nil || found["p1"] != "5" || len(found) != 8 {
		t.Errorf("found %v, %v", found, err)
	}
}

// Edits of a sealed generation are counted when it goes live.
func TestEditCounts(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	gen := seal(t, ix, "acme", products(10, "1"))
	edits := []reindex.Change{upsert("new", "1"), upsert("p1", "1"), deletion("p2"), deletion("p3")}
	if err := gen.Edit(t.Context(), edits); err != nil {
		t.Fatal(err)
	}
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p, err := readPointer(gen.t.dir); p.documents != 9 || err != nil {
		t.Errorf("the disk says %d documents, %v", p.documents, err)
	}
	closeIdle(t, ix, "acme")
	assertLive(t, ix, "acme", 9, "1")
}

// Thousands of single updates do not leave thousands of segments, and their index can be checked and opened at any
// time.
func TestUpdatesAreMerged(t *testing.T) {
	if testing.Short() {
		t.Skip("each update waits for the disk")
	}
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	most, start := 0, time.Now()
	for i := range 500 {
		update(t, ix, "acme", upsert(fmt.Sprint("p", i%150), strconv.Itoa(i)))
		if i%25 == 0 {
			n, err := strconv.Atoi(segments(t, ix, "acme"))
			if err != nil {
				t.Fatal(err)
			}
			most = max(most, n)
		}
	}
	t.Logf("%d segments at most, %s at the end, after %v", most, segments(t, ix, "acme"), time.Since(start))
	if most > 60 {
		t.Errorf("%d segments", most)
	}
	name := generationsOnDisk(t, dir, "acme")[0]
	closeIdle(t, ix, "acme")
	if err := verify(t.Context(), filepath.Join(dir, tenantDir("acme"), name)); err != nil {
		t.Error(err)
	}
	if found, err := revs(t.Context(), ix, "acme"); len(found) != 150 || found["p7"] != "457" || err != nil {
		t.Errorf("%d products, p7 is of rev %s, %v", len(found), found["p7"], err)
	}
	files, err := filepath.Glob(filepath.Join(dir, tenantDir("acme"), name, storeDir, "*.zap"))
	if err != nil || len(files) > 100 {
		t.Errorf("%d files are left, %v", len(files), err)
	}
}

// An index that was updated opens again, and damage to it is found as to any other.
func TestUpdatedIndexOpensAgain(t *testing.T) {
	dir := t.TempDir()
	ix, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, ix, "acme", products(100, "1")...)
	for i := range 50 {
		changes := []reindex.Change{upsert(fmt.Sprint("new", i), "2"), deleteOrReplace(i)}
		if err := ix.Update(t.Context(), "acme", changes); err != nil {
			t.Fatal(err)
		}
	}
	want := storedBodies(t, ix, "acme")
	if len(want) != 110 {
		t.Errorf("%d products, want 110", len(want))
	}
	backup := filepath.Join(t.TempDir(), "backup")
	if err := errors.Join(ix.Backup(t.Context(), backup), ix.Close()); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{dir, backup} {
		ix := open(t, dir, nil)
		got := storedBodies(t, ix, "acme")
		for id, body := range want {
			if got[id] != body {
				t.Errorf("%s: product %q is %q, want %q", dir, id, got[id], body)
			}
		}
		if err := ix.Update(t.Context(), "acme", []reindex.Change{upsert("later", "4")}); err != nil {
			t.Error(err)
		}
		if n, err := ix.DocCount(t.Context(), "acme"); n != 111 || err != nil {
			t.Errorf("%s: %d documents, error %v", dir, n, err)
		}
	}
}

// deleteOrReplace replaces every fifth product, and deletes the others.
func deleteOrReplace(i int) reindex.Change {
	if id := fmt.Sprint("p", i); i%5 == 0 {
		return upsert(id, "3")
	}
	return reindex.Change{ID: fmt.Sprint("p", i), Delete: true}
}
