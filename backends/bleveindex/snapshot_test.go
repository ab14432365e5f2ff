package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// openReader opens a directory read-only. Another Index may have it open.
func openReader(t *testing.T, dir string) *Index {
	t.Helper()
	return open(t, dir, &Config{ReadOnly: true})
}

// awaitRev searches until the live products of a tenant have this rev, and checks that there are n of them.
func awaitRev(t *testing.T, ix *Index, tenant string, n int, rev string) {
	t.Helper()
	for {
		found, err := revs(t.Context(), ix, tenant)
		if err != nil {
			t.Fatal(err)
		}
		if found["p0"] == rev {
			break
		}
	}
	assertLive(t, ix, tenant, n, rev)
}

// A second process searches the live index of the first one, and does not change any file.
func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(50, "1")...)
	seal(t, ix, "acme", products(50, "x"))
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	process := exec.CommandContext(t.Context(), executable)
	process.Env = append(os.Environ(), childDir+"="+dir, childRev+"="+childReads)
	process.Stderr = os.Stderr
	if out, err := process.Output(); string(out) != "50" || err != nil {
		t.Errorf("a second process finds %q documents, error %v, want 50", out, err)
	}
	reader := openReader(t, dir)
	assertLive(t, reader, "acme", 50, "1")
	if tenants, err := reader.Tenants(t.Context()); !slices.Equal(tenants, []string{"acme"}) || err != nil {
		t.Errorf("tenants: %q, error %v, want acme", tenants, err)
	}
	assertGenerations(t, dir, "acme", 2)
	_, beginErr := reader.Begin(t.Context(), "acme")
	_, reapErr := reader.Reap(t.Context(), "acme")
	for what, err := range map[string]error{
		"begin":  beginErr,
		"reap":   reapErr,
		"delete": reader.DeleteTenant(t.Context(), "acme"),
	} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: error %v, want %v", what, err, ErrReadOnly)
		}
	}
	old, err := reader.acquire(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	publish(t, ix, "acme", products(60, "2")...)
	publish(t, ix, "new", products(5, "1")...)
	awaitRev(t, reader, "acme", 60, "2")
	assertLive(t, reader, "new", 5, "1")
	if n, err := old.count(); n != 50 || err != nil {
		t.Errorf("a search that began before the switch finds %d documents, error %v, want 50", n, err)
	}
	old.done()
	if err := ix.DeleteTenant(t.Context(), "new"); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = reader.DocCount(t.Context(), "new")
	}
	if !errors.Is(err, reindex.ErrNoLiveIndex) {
		t.Errorf("count of a deleted tenant: error %v, want %v", err, reindex.ErrNoLiveIndex)
	}
	mustClose(t, reader)
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 || err != nil {
		t.Errorf("the temporary directory has %v, error %v, want no files", left, err)
	}
	if _, err := Open(filepath.Join(dir, "nonesuch"), &Config{ReadOnly: true}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that does not exist: error %v, want %v", err, os.ErrNotExist)
	}
}

// A reader opens whole generations while the writer switches generations and merges segments.
func TestReadOnlyThroughSwitches(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(300, "0")...)
	stop, done := make(chan struct{}), make(chan error)
	go func() { done <- reindexUntil(t.Context(), ix, stop) }()
	for range reindextest.Seeds(60, 60) {
		reader, err := Open(dir, &Config{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		found, err := revs(t.Context(), reader, "acme")
		if err != nil || len(found) != 300 {
			t.Errorf("a search finds %d documents, error %v, want 300", len(found), err)
		}
		mustClose(t, reader)
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A backup is a directory that can be opened. It has each tenant as it was at one moment, without damaged and deleted
// tenants.
func TestBackup(t *testing.T) {
	dir, backup := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	ix := open(t, dir, nil)
	for _, tenant := range []string{"acme", "Über/alles", "damaged", "deleted"} {
		publish(t, ix, tenant, products(50, "1")...)
	}
	if err := ix.DeleteTenant(t.Context(), "deleted"); err != nil {
		t.Fatal(err)
	}
	mustClose(t, ix)
	change(t, segmentFiles(t, generationPath(t, dir, "damaged"))[0], flipOneBit)
	ix = open(t, dir, nil)
	begin(t, ix, "acme")
	begin(t, ix, "begun")
	if err := ix.Backup(t.Context(), backup); !errors.Is(err, reindex.ErrDamaged) {
		t.Errorf("backup with a damaged tenant: error %v, want %v", err, reindex.ErrDamaged)
	}
	if err := ix.Backup(t.Context(), backup); !errors.Is(err, os.ErrExist) {
		t.Errorf("backup into a backup: error %v, want %v", err, os.ErrExist)
	}
	publish(t, ix, "acme", products(50, "2")...)

	restored := open(t, backup, nil)
	if tenants, err := restored.Tenants(t.Context()); !slices.Equal(tenants, []string{"acme", "Über/alles"}) ||
		err != nil {
		t.Errorf("tenants of the backup: %q, error %v, want acme and Über/alles", tenants, err)
	}
	assertLive(t, restored, "acme", 50, "1")
	assertLive(t, restored, "Über/alles", 50, "1")
	if err := run(t, restored, "acme", products(60, "3")); err != nil {
		t.Error(err)
	}
	assertLive(t, restored, "acme", 60, "3")
	assertLive(t, ix, "acme", 50, "2")

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ix.Backup(cancelled, filepath.Join(t.TempDir(), "backup")); !errors.Is(err, context.Canceled) {
		t.Errorf("backup with a cancelled context: error %v, want %v", err, context.Canceled)
	}
	err := openReader(t, dir).Backup(t.Context(), filepath.Join(t.TempDir(), "backup"))
	if !errors.Is(err, reindex.ErrDamaged) {
		t.Errorf("backup by a reader: error %v, want %v", err, reindex.ErrDamaged)
	}
}

// A backup that is made during reindexes has whole generations.
func TestBackupThroughSwitches(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(300, "0")...)
	reader := openReader(t, dir)
	stop, done := make(chan struct{}), make(chan error)
	go func() { done <- reindexUntil(t.Context(), ix, stop) }()
	for i := range 10 {
		backup := filepath.Join(t.TempDir(), "backup")
		if err := []*Index{ix, reader}[i%2].Backup(t.Context(), backup); err != nil {
			t.Fatal(err)
		}
		restored := open(t, backup, nil)
		found, err := revs(t.Context(), restored, "acme")
		if err != nil || len(found) != 300 {
			t.Errorf("the backup has %d documents, error %v, want 300", len(found), err)
		}
		mustClose(t, restored)
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// reindexUntil makes generations of 300 products live, one after the other, until stop is closed.
func reindexUntil(ctx context.Context, ix *Index, stop <-chan struct{}) error {
	for i := 1; !isDone(stop); i++ {
		gen, err := ix.Begin(ctx, "acme")
		if err != nil {
			return err
		}
		for batch := range slices.Chunk(products(300, fmt.Sprint(i)), 10) { // many segments, to be merged later
			if err := gen.Write(ctx, batch); err != nil {
				return err
			}
		}
		_, err = gen.Seal(ctx)
		if err := errors.Join(err, gen.Commit(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// If the new generation is damaged, a reader stays with the previous one.
func TestReadOnlyDamage(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(50, "1")...)
	reader := openReader(t, dir)
	assertLive(t, reader, "acme", 50, "1")
	gen := seal(t, ix, "acme", products(50, "2"))
	change(t, segmentFiles(t, gen.dir)[0], flipOneBit)
	mustCommit(t, gen)
	tenant := mustTenant(t, reader, "acme")
	for damaged := false; !damaged; {
		assertLive(t, reader, "acme", 50, "1")
		tenant.follow(time.Nanosecond)
		tenant.mu.Lock()
		damaged = tenant.damage.generation == gen.name
		tenant.mu.Unlock()
	}
	assertLive(t, reader, "acme", 50, "1")
	publish(t, ix, "acme", products(50, "3")...)
	awaitRev(t, reader, "acme", 50, "3")
}
