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
)

// recorder records the changes of a disk as "sync PATH", "rename PATH" and "remove PATH", and can make them fail.
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

// failing makes that call fail, and no other.
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

// openRecorded opens an index, and records the changes of its disk.
func openRecorded(t *testing.T) (*Index, *recorder) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("directories are not synced on Windows")
	}
	r := &recorder{dir: t.TempDir()}
	ix, err := openOn(r.disk(), r.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	return ix, r
}

// assertOrder checks that the calls include the wanted ones in this order.
func assertOrder(t *testing.T, calls []string, want ...string) {
	t.Helper()
	rest := calls
	for _, call := range want {
		i := slices.Index(rest, call)
		if i < 0 {
			t.Fatalf("%q is missing after the calls before it\ngot  %q\nwant %q", call, calls, want)
		}
		rest = rest[i+1:]
	}
}

// All files of a generation, and their names, are on the disk before the pointer names the generation. The pointer is
// on the disk before the old generation is removed.
func TestOrderOfSyncs(t *testing.T) {
	ix, r := openRecorded(t)
	old := seal(t, ix, "acme", products(10, "1"))
	assertOrder(t, r.take(), "sync .",
		"sync t-acme/"+old.name+"/mark.new", "rename t-acme/"+old.name+"/mark", "sync t-acme/"+old.name)
	mustCommit(t, old)
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
	assertOrder(t, calls, "sync t-acme/"+gen.name, "sync t-acme") // at last the name of the generation
	mustCommit(t, gen)
	mustClose(t, ix)
	assertOrder(t, r.take(),
		"sync t-acme/"+gen.name+"/mark.new", "rename t-acme/"+gen.name+"/mark", "sync t-acme/"+gen.name,
		"sync t-acme/live.new", "rename t-acme/live", "sync t-acme",
		"remove t-acme/"+old.name)
}

// If the disk fails before the pointer is replaced, the live index does not change, and Commit can be called again.
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
			t.Errorf("%s fails: commit: error %v, want that of the disk", call, err)
		}
		assertLive(t, ix, "acme", 10, "1")
	}
	r.failing("", nil)
	mustCommit(t, gen)
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
			t.Errorf("%s fails: seal: error %v, want that of the disk", call, err)
		}
		if err := gen.Abort(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// The old generation stays on the disk until the new pointer is certain to be there.
func TestDiskFailsAfterSwitch(t *testing.T) {
	ix, r := openRecorded(t)
	old := seal(t, ix, "acme", products(10, "1"))
	mustCommit(t, old)
	gen := seal(t, ix, "acme", products(10, "2"))
	r.failing("sync t-acme", errors.New("no luck"))
	if err := gen.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), "it is live") {
		t.Errorf("commit: error %v, want one that says that the generation is live", err)
	}
	assertLive(t, ix, "acme", 10, "2")
	if err := gen.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	if err := mustTenant(t, ix, "acme").awaitUnused(t.Context(), []string{old.name}); err != nil {
		t.Fatal(err)
	}
	if n, err := ix.Reap(t.Context(), "acme"); n != 0 || err == nil || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("reaped %d, error %v while the old pointer may come back, want 0 and the error of the disk", n, err)
	}
	if !slices.Contains(generationsOnDisk(t, r.dir, "acme"), old.name) {
		t.Error("the old generation is removed while the old pointer may come back")
	}
	r.failing("", nil)
	r.take()
	if n, err := ix.Reap(t.Context(), "acme"); n != 1 || err != nil {
		t.Errorf("reaped %d, error %v, want 1", n, err)
	}
	assertOrder(t, r.take(), "sync t-acme", "remove t-acme/"+old.name)
	assertLive(t, ix, "acme", 10, "2")
}

// The names of the directories that Open creates are on the disk when Open returns.
func TestSyncsOfNewRoot(t *testing.T) {
	r := &recorder{dir: t.TempDir()}
	ix, err := openOn(r.disk(), filepath.Join(r.dir, "var", "index"), nil)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, ix)
	assertOrder(t, r.take(), "sync .", "sync var")
	r.failing("sync .", errors.New("no luck"))
	if _, err := openOn(r.disk(), filepath.Join(r.dir, "other"), nil); err == nil ||
		!strings.Contains(err.Error(), "no luck") {
		t.Errorf("open: error %v, want that of the disk", err)
	}
}

// All files of a backup, and their names, are on the disk before its pointer names them. If a sync fails, Backup
// returns its error.
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
	for _, segment := range segmentFiles(t, filepath.Join(to, "t-acme", name)) {
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
			continue // these directories exist by now
		}
		if err := ix.Backup(t.Context(), filepath.Join(r.dir, "copies", fmt.Sprint("day-", i))); err == nil ||
			!strings.Contains(err.Error(), "no luck") {
			t.Errorf("%s fails: backup: error %v, want that of the disk", call, err)
		}
	}
}
