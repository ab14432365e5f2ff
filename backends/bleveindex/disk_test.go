package bleveindex

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"productindex/reindex"
)

// recorder is a disk that records its changes as "sync PATH", "rename PATH" and "remove PATH", and makes some of them
// fail.
type recorder struct {
	dir string

	mu    sync.Mutex
	calls []string
	fail  map[string]error
}

func (r *recorder) note(call, path string) error {
	path, err := filepath.Rel(r.dir, path)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, call+" "+path)
	return r.fail[call+" "+path]
}

func (r *recorder) failing(call string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = map[string]error{call: err}
}

// take returns the calls so far, and clears the list.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.calls
	r.calls = nil
	return calls
}

func (r *recorder) disk() disk {
	return disk{
		sync: func(file *os.File) error {
			if err := r.note("sync", file.Name()); err != nil {
				return err
			}
			return file.Sync()
		},
		rename: func(from, to string) error {
			if err := r.note("rename", to); err != nil {
				return err
			}
			return os.Rename(from, to)
		},
		remove: func(path string) error {
			if err := r.note("remove", path); err != nil {
				return err
			}
			return os.RemoveAll(path)
		},
	}
}

// openRecorded opens an index on a disk that is recorded.
func openRecorded(t *testing.T) (*Index, *recorder) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("directories are not synced there")
	}
	r := &recorder{dir: t.TempDir()}
	ix, err := openOn(r.disk(), r.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	return ix, r
}

// assertOrder checks that the calls hold these, in this order.
func assertOrder(t *testing.T, calls []string, want ...string) {
	t.Helper()
	rest := calls
	for _, call := range want {
		i := slices.Index(rest, call)
		if i < 0 {
			t.Fatalf("no %q in its place, want %q\nin %q", call, want, calls)
		}
		rest = rest[i+1:]
	}
}

// Everything of a generation is on the disk, with its names, before the pointer names it, and the pointer is before the
// old one is removed.
func TestOrderOfSyncs(t *testing.T) {
	ix, r := openRecorded(t)
	old := seal(t, ix, "acme", products(10, "1"))
	assertOrder(
		t,
		r.take(),
		"sync .",
		"sync t-acme/"+old.name+"/mark.new",
		"rename t-acme/"+old.name+"/mark",
		"sync t-acme/"+old.name,
	)
	if err := old.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	gen := begin(t, ix, "acme")
	if err := gen.Write(t.Context(), products(10, "2")); err != nil {
		t.Fatal(err)
	}
	r.take()
	if _, err := gen.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	calls := r.take()
	for _, path := range []string{"", "/index_meta.json", "/store"} {
		assertOrder(t, calls, "sync t-acme/"+gen.name+path)
	}
	assertOrder(t, calls, "sync t-acme/"+gen.name, "sync t-acme") // the generation's own name last
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	assertOrder(t, r.take(),
		"sync t-acme/"+gen.name+"/mark.new", "rename t-acme/"+gen.name+"/mark", "sync t-acme/"+gen.name,
		"sync t-acme/live.new", "rename t-acme/live", "sync t-acme",
		"remove t-acme/"+old.name)
}

// If the disk fails before the pointer is replaced nothing has changed, and the commit can be made again.
func TestDiskFailsBeforeSwitch(t *testing.T) {
	ix, r := openRecorded(t)
	publish(t, ix, "acme", products(10, "1")...)
	gen := seal(t, ix, "acme", products(10, "2"))
	for _, call := range []string{
		"sync t-acme/" + gen.name + "/mark.new", "rename t-acme/" + gen.name + "/mark", "sync t-acme/" + gen.name,
		"sync t-acme/live.new", "rename t-acme/live",
	} {
		r.failing(call, errors.New("no luck"))
		if err := gen.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), "no luck") ||
			strings.Contains(err.Error(), "is live") {
			t.Errorf("%s fails: %v", call, err)
		}
		assertLive(t, ix, "acme", 10, "1")
	}
	r.failing("", nil)
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertLive(t, ix, "acme", 10, "2")
}

// A generation whose files cannot be synced is not sealed.
func TestDiskFailsAtSeal(t *testing.T) {
	for _, path := range []string{"/GEN", "/GEN/store", "/GEN/index_meta.json", ""} {
		ix, r := openRecorded(t)
		gen := begin(t, ix, "acme")
		call := "sync t-acme" + strings.Replace(path, "GEN", gen.name, 1)
		r.failing(call, errors.New("no luck"))
		if _, err := gen.Seal(t.Context()); err == nil || !strings.Contains(err.Error(), "no luck") {
			t.Errorf("%s fails: %v", call, err)
		}
		if err := gen.Abort(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// While it is not certain that the new pointer is on the disk the old generation stays there, and is removed as soon as
// it is.
func TestDiskFailsAfterSwitch(t *testing.T) {
	ix, r := openRecorded(t)
	old := seal(t, ix, "acme", products(10, "1"))
	if err := old.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	gen := seal(t, ix, "acme", products(10, "2"))
	r.failing("sync t-acme", errors.New("no luck"))
	if err := gen.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), "it is live") {
		t.Errorf("commit: %v", err)
	}
	assertLive(t, ix, "acme", 10, "2")
	if err := gen.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	if err := mustTenant(t, ix, "acme").awaitUnused(t.Context(), []string{old.name}); err != nil {
		t.Fatal(err)
	}
	if n, err := ix.Reap(t.Context(), "acme"); n != 0 || err == nil || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("reaped %d, %v while the pointer may come back", n, err)
	}
	if !slices.Contains(generationsOnDisk(t, r.dir, "acme"), old.name) {
		t.Error("the generation that may come back is gone")
	}
	r.failing("", nil)
	r.take()
	if n, err := ix.Reap(t.Context(), "acme"); n != 1 || err != nil {
		t.Errorf("reaped %d, %v", n, err)
	}
	assertOrder(t, r.take(), "sync t-acme", "remove t-acme/"+old.name)
	assertLive(t, ix, "acme", 10, "2")
}

// Without its pointer an index that was live stays, one that never was goes, and a reindex replaces both.
func TestLostPointer(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	seal(t, ix, "acme", products(100, "2"))
	die(t, ix)
	live := filepath.Join(dir, tenantDir("acme"), pointerFile)
	if err := os.Remove(live); err != nil {
		t.Fatal(err)
	}
	ix = open(t, dir, nil)
	names := generationsOnDisk(t, dir, "acme")
	if len(names) != 1 {
		t.Fatalf("on the disk: %q", names)
	}
	if _, err := revs(t.Context(), ix, "acme"); !errors.Is(err, reindex.ErrDamaged) ||
		!strings.Contains(err.Error(), live) || !strings.Contains(err.Error(), names[0]) {
		t.Errorf("search: %v", err)
	}
	if n, err := ix.Reap(t.Context(), "acme"); n != 0 || !errors.Is(err, reindex.ErrDamaged) {
		t.Errorf("reaped %d, %v", n, err)
	}
	if now := generationsOnDisk(t, dir, "acme"); !slices.Equal(now, names) {
		t.Errorf("on the disk: %q", now)
	}
	publish(t, ix, "acme", products(100, "3")...)
	if n, err := ix.Reap(t.Context(), "acme"); n != 1 || err != nil {
		t.Errorf("reaped %d, %v", n, err)
	}
	assertLive(t, ix, "acme", 100, "3")
}

// The names of the directories that Open creates are on the disk when it returns.
func TestSyncsOfNewRoot(t *testing.T) {
	r := &recorder{dir: t.TempDir()}
	ix, err := openOn(r.disk(), filepath.Join(r.dir, "var", "index"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := ix.Close(); err != nil {
		t.Error(err)
	}
	assertOrder(t, r.take(), "sync .", "sync var")
	r.failing("sync .", errors.New("no luck"))
	if _, err := openOn(r.disk(), filepath.Join(r.dir, "other"), nil); err == nil ||
		!strings.Contains(err.Error(), "no luck") {
		t.Errorf("open: %v", err)
	}
}

// All of a backup is on the disk, with its names, before its pointer names it; a sync that fails is an error.
func TestSyncsOfBackup(t *testing.T) {
	ix, r := openRecorded(t)
	publish(t, ix, "acme", products(10, "1")...)
	name := generationsOnDisk(t, r.dir, "acme")[0]
	r.take()
	to := filepath.Join(r.dir, "copies", "monday")
	if err := ix.Backup(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	calls := r.take()
	generation := "copies/monday/t-acme/" + name
	pointer := []string{
		"sync copies/monday/t-acme/live.new",
		"rename copies/monday/t-acme/live",
		"sync copies/monday/t-acme",
		"sync copies/monday",
	}
	segments, err := filepath.Glob(filepath.Join(to, "t-acme", name, "store", "*.zap"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("segments %q, error %v", segments, err)
	}
	for _, segment := range segments {
		assertOrder(t, calls, append([]string{"sync " + generation + "/store/" + filepath.Base(segment)}, pointer...)...)
	}
	for _, path := range []string{
		"/store/root.bolt", "/store", "/index_meta.json", "", "/mark.new",
	} {
		assertOrder(t, calls, append([]string{"sync " + generation + path}, pointer...)...)
	}
	assertOrder(t, calls, append([]string{"sync .", "sync copies", "sync copies/monday/t-acme"}, pointer...)...)
	for i, call := range slices.Compact(slices.Sorted(slices.Values(calls))) {
		r.failing(strings.ReplaceAll(call, "monday", fmt.Sprint("day-", i)), errors.New("no luck"))
		if call == "sync ." || call == "sync copies" {
			continue // they are there by now
		}
		if err := ix.Backup(t.Context(), filepath.Join(r.dir, "copies", fmt.Sprint("day-", i))); err == nil ||
			!strings.Contains(err.Error(), "no luck") {
			t.Errorf("%s failed: %v", call, err)
		}
	}
}
