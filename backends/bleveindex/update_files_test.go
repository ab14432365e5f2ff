package bleveindex

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"productindex/reindex"
)

// whileUpdating calls f, and updates and deletes single products until f returns.
func whileUpdating(t *testing.T, ix *Index, tenant string, f func()) {
	t.Helper()
	done := make(chan struct{})
	var updates sync.WaitGroup
	updates.Go(func() {
		for n := 0; !isDone(done); n++ {
			changes := []reindex.Change{
				upsert(fmt.Sprint("p", n%300), fmt.Sprint(n)), deletion(fmt.Sprint("p", (n+7)%300)),
			}
			if err := ix.Update(t.Context(), tenant, changes); err != nil {
				t.Errorf("update %d: %v", n, err)
				return
			}
		}
	})
	f()
	close(done)
	updates.Wait()
}

// A segment that is merged while its checksum is verified does not count as damaged.
func TestVerifyWhileUpdating(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", products(300, "1")...)
	whileUpdating(t, ix, "acme", func() {
		for range 200 {
			l, err := ix.acquire(t.Context(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			err = l.verify(t.Context())
			l.done()
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A backup that is made during updates has the index as it was at one moment.
func TestBackupWhileUpdating(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", products(300, "1")...)
	to := t.TempDir()
	const backups = 10
	whileUpdating(t, ix, "acme", func() {
		for i := range backups {
			if err := ix.Backup(t.Context(), filepath.Join(to, fmt.Sprint(i))); err != nil {
				t.Errorf("backup %d: %v", i, err)
			}
		}
	})
	for i := range backups {
		restored := open(t, filepath.Join(to, fmt.Sprint(i)), nil)
		if found := storedBodies(t, restored, "acme"); len(found) < 290 || len(found) > 300 {
			t.Errorf("backup %d has %d products, want 290 to 300", i, len(found))
		}
		update(t, restored, "acme", upsert("p1", "restored"))
	}
}

// A read-only index follows updates, including those of existing products, and always finds a complete index.
func TestReadOnlySeesUpdates(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(50, "1")...)
	reader := openReader(t, dir)
	assertLive(t, reader, "acme", 50, "1")
	for _, rev := range []string{"2", "3"} {
		var changes []reindex.Change
		for _, p := range products(50, rev) {
			changes = append(changes, reindex.Change{ID: p.ID, Body: p.Body})
		}
		update(t, ix, "acme", changes...)
		awaitRev(t, reader, "acme", 50, rev)
	}
	update(t, ix, "acme", deletion("p1"))
	for n := int64(50); n != 49; {
		var err error
		if _, err = revs(t.Context(), reader, "acme"); err == nil {
			n, err = reader.DocCount(t.Context(), "acme")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
