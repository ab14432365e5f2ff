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

// An update changes the number of documents in the index and in its mark. The number in the mark counts if the index is
// damaged.
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
		{[]reindex.Change{upsert("a", "1"), deletion("a"), upsert("b", "2")}, 101}, // the last change of a counts
		{nil, 101},
	} {
		update(t, ix, "acme", test.changes...)
		if n, err := ix.DocCount(t.Context(), "acme"); n != test.want || err != nil {
			t.Errorf("update %d: %d documents, error %v, want %d", i, n, err, test.want)
		}
		closeIdle(t, ix, "acme") // so that the index is opened and checked again
		if n, err := mustTenant(t, ix, "acme").documents(t.Context()); n != test.want || err != nil {
			t.Errorf("update %d: %d documents in the closed index, error %v, want %d", i, n, err, test.want)
		}
	}
	for _, segment := range segmentFiles(t, generationPath(t, dir, "acme")) {
		change(t, segment, flipMiddle)
	}
	if err := ix.Update(t.Context(), "acme", []reindex.Change{upsert("p1", "2")}); !errors.Is(err, reindex.ErrDamaged) {
		t.Errorf("update of a damaged index: error %v, want %v", err, reindex.ErrDamaged)
	}
	if sealed := seal(t, ix, "acme", products(1, "2")).sealed; sealed.Live != 101 || sealed.LiveErr != nil {
		t.Errorf("sealed %+v, want 101 live documents", sealed)
	}
}

// An index can be opened if the process died in an update before it wrote the number of documents to the mark. It
// cannot be opened if documents are lost.
func TestUpdateDies(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	update(t, ix, "acme", deletion("p1"))
	mark := filepath.Join(generationPath(t, dir, "acme"), markFile)
	for _, content := range []string{
		line(liveMark(100, false)), line(liveMark(7, true)), "", "\x00\x00", // a power cut can leave the last two
	} {
		closeIdle(t, ix, "acme")
		if err := os.WriteFile(mark, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if n, err := ix.DocCount(t.Context(), "acme"); n != 99 || err != nil {
			t.Errorf("with the mark %q: %d documents, error %v, want 99", content, n, err)
		}
	}
	update(t, ix, "acme", deletion("p2"))
	if m := readMark(filepath.Dir(mark)); m.loading || m.documents != 98 || !m.edited {
		t.Errorf("the mark is %+v, want 98 documents, edited", m)
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
		t.Errorf("update of an index that has lost a document: error %v, want %v", err, reindex.ErrDamaged)
	}
}

// The error of a failed update has the tenant and the reason.
func TestUpdateErrors(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(10, "1")...)
	changes := []reindex.Change{upsert("p1", "2")}
	assert := func(ix *Index, tenant string, want error) {
		t.Helper()
		err := ix.Update(t.Context(), tenant, changes)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), strconv.Quote(tenant)) {
			t.Errorf("update: error %v, want %v with tenant %q", err, want, tenant)
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
		t.Errorf("update with a context that has ended: error %v, want %v", err, context.Canceled)
	}
	assertLive(t, ix, "acme", 10, "1")
	err := ix.Update(t.Context(), "acme", []reindex.Change{
		{ID: "", Body: []byte(`{}`)}, upsert("p1", "2"), {ID: "array", Body: []byte(`[]`)},
		{ID: "p2", Body: []byte(`{"a":1e999}`)}, deletion("p3"),
	})
	failed, ok := errors.AsType[*reindex.BatchError](err)
	if !ok || len(failed.Items) != 3 || failed.Items[0].ID != "" || failed.Items[1].ID != "array" ||
		failed.Items[2].ID != "p2" || failed.Items[1].Retryable {
		t.Errorf("update with changes that cannot be mapped: error %v, want a BatchError with 3 products", err)
	}
	found, err := revs(t.Context(), ix, "acme")
	if len(found) != 9 || found["p1"] != "2" || found["p2"] != "1" || err != nil {
		t.Errorf("live are %v, error %v, want 9 products with only p1 changed", found, err)
	}
	gen := seal(t, ix, "acme", products(10, "1"))
	refused := []reindex.Change{{ID: "array", Body: []byte(`[]`)}, deletion("p3")}
	if err := gen.Edit(t.Context(), refused); !errors.As(err, new(*reindex.BatchError)) {
		t.Errorf("edits that cannot be mapped: error %v, want a BatchError", err)
	}
	mustCommit(t, gen)
	if err := gen.Edit(t.Context(), changes); err == nil || !strings.Contains(err.Error(), "committed") {
		t.Errorf("edit after Commit: error %v, want one with %q", err, "committed")
	}
	assertLive(t, ix, "acme", 9, "1")
	mustClose(t, ix)
	assert(ix, "acme", ErrClosed)
}

// When Update returns, its changes and the names of its files are on the disk.
func TestUpdateSyncs(t *testing.T) {
	ix, r := openRecorded(t)
	gen := seal(t, ix, "acme", products(10, "1"))
	r.take()
	if err := gen.Edit(t.Context(), []reindex.Change{upsert("p1", "2")}); err != nil {
		t.Fatal(err)
	}
	assertOrder(t, r.take(), "sync t-acme/"+gen.name+"/store")
	mustCommit(t, gen)
	r.take()
	update(t, ix, "acme", upsert("p1", "3"), deletion("p2"))
	assertOrder(t, r.take(), "sync t-acme/"+gen.name+"/store", "rename t-acme/"+gen.name+"/mark")
	r.failing("sync t-acme/"+gen.name+"/store", errors.New("no luck"))
	if err := ix.Update(t.Context(), "acme", []reindex.Change{upsert("p1", "4")}); err == nil ||
		!strings.Contains(err.Error(), "no luck") {
		t.Errorf("update: error %v, want that of the disk", err)
	}
	r.failing("rename t-acme/"+gen.name+"/mark", errors.New("no luck")) // only a damaged index needs the mark
	update(t, ix, "acme", upsert("p1", "5"), deletion("p3"))
	r.failing("", nil)
	if found, err := revs(t.Context(), ix, "acme"); err != nil || found["p1"] != "5" || len(found) != 8 {
		t.Errorf("live are %v, error %v, want 8 products with rev 5 of p1", found, err)
	}
}

// The number of documents of a generation includes the edits after Seal.
func TestEditCounts(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	gen := seal(t, ix, "acme", products(10, "1"))
	edits := []reindex.Change{upsert("new", "1"), upsert("p1", "1"), deletion("p2"), deletion("p3")}
	if err := gen.Edit(t.Context(), edits); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, gen)
	if p, err := readPointer(gen.t.dir); p.documents != 9 || err != nil {
		t.Errorf("the pointer has %d documents, error %v, want 9", p.documents, err)
	}
	closeIdle(t, ix, "acme")
	assertLive(t, ix, "acme", 9, "1")
}

// The segments of hundreds of single updates are merged, and the index can be verified and opened afterwards.
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
		t.Errorf("there are up to %d segments, want at most 60", most)
	}
	name := generationsOnDisk(t, dir, "acme")[0]
	closeIdle(t, ix, "acme")
	if err := verify(t.Context(), filepath.Join(dir, tenantDir("acme"), name)); err != nil {
		t.Error(err)
	}
	if found, err := revs(t.Context(), ix, "acme"); len(found) != 150 || found["p7"] != "457" || err != nil {
		t.Errorf("%d products, rev %s of p7, error %v, want 150 and 457", len(found), found["p7"], err)
	}
	files, err := filepath.Glob(filepath.Join(dir, tenantDir("acme"), name, storeDir, "*.zap"))
	if err != nil || len(files) > 100 {
		t.Errorf("%d files of segments, error %v, want at most 100", len(files), err)
	}
}

// An updated index, and its backup, open again with all products, and accept more updates.
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
		t.Errorf("%d products are live, want 110", len(want))
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
				t.Errorf("%s: product %q has the body %q, want %q", dir, id, got[id], body)
			}
		}
		if err := ix.Update(t.Context(), "acme", []reindex.Change{upsert("later", "4")}); err != nil {
			t.Error(err)
		}
		if n, err := ix.DocCount(t.Context(), "acme"); n != 111 || err != nil {
			t.Errorf("%s: %d documents, error %v, want 111", dir, n, err)
		}
	}
}

// deleteOrReplace returns a change that replaces product i if i is a multiple of five, or else deletes it.
func deleteOrReplace(i int) reindex.Change {
	if id := fmt.Sprint("p", i); i%5 == 0 {
		return upsert(id, "3")
	}
	return deletion(fmt.Sprint("p", i))
}
