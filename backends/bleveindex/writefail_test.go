package bleveindex

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"productindex/reindex"
)

// If the disk is full, a run fails at once. The live index stays, and the files of the run are removed.
func TestWriteFails(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a directory that is in use cannot be removed")
	}
	dir := t.TempDir()
	var logged bytes.Buffer
	ix := open(t, dir, &Config{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	publish(t, ix, "acme", products(10, "1")...)
	gen := begin(t, ix, "acme")
	if err := gen.Write(t.Context(), products(10, "2")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(gen.dir, "store")); err != nil { // no file can be created any more
		t.Fatal(err)
	}
	err := gen.Write(t.Context(), products(10, "3"))
	if err == nil || !strings.Contains(err.Error(), `tenant "acme"`) {
		t.Errorf("write: %v", err)
	}
	if err := gen.Abort(t.Context()); err != nil {
		t.Errorf("abort: %v", err)
	}
	if n := strings.Count(logged.String(), "failed in the background"); n < 1 || n > 4 {
		t.Errorf("bleve's persister failed %d times until the abort, want once or twice:\n%s", n, logged.String())
	}
	assertLive(t, ix, "acme", 10, "1")
	if names := generationsOnDisk(t, dir, "acme"); len(names) != 1 {
		t.Errorf("left on the disk: %q", names)
	}
}

// Seal fails if the generation cannot be opened, and Abort removes the rest of it.
func TestSealFails(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	gen := begin(t, ix, "acme")
	if err := gen.Write(t.Context(), products(10, "1")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(gen.dir, metaFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := gen.Seal(t.Context()); err == nil || !strings.Contains(err.Error(), gen.dir) {
		t.Errorf("seal: %v", err)
	}
	for what, err := range map[string]error{
		"commit": gen.Commit(t.Context()),
		"write":  gen.Write(t.Context(), products(1, "1")),
	} {
		if err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("%s after a failed seal: %v", what, err)
		}
	}
	if err := gen.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	if names := generationsOnDisk(t, dir, "acme"); len(names) > 0 {
		t.Errorf("left on the disk: %q", names)
	}
}

// A live index that cannot be opened is an error of its tenant's searches, and the next reindex replaces it.
func TestDamagedIndex(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(10, "1")...)
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	generation := filepath.Join(dir, tenantDir("acme"), generationsOnDisk(t, dir, "acme")[0])
	if err := os.Remove(filepath.Join(generation, metaFile)); err != nil {
		t.Fatal(err)
	}
	ix = open(t, dir, nil)
	if _, err := revs(t.Context(), ix, "acme"); err == nil || !strings.Contains(err.Error(), generation) {
		t.Errorf("search: %v", err)
	}
	publish(t, ix, "acme", products(5, "2")...)
	assertLive(t, ix, "acme", 5, "2")
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	if names := generationsOnDisk(t, dir, "acme"); len(names) != 1 || names[0] == filepath.Base(generation) {
		t.Errorf("left on the disk: %q", names)
	}
}

func TestExplain(t *testing.T) {
	for err, want := range map[error]string{
		&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}: "is full",
		errors.New("persist err: " + syscall.ENOSPC.Error()):       "is full",
		&os.PathError{Op: "write", Path: "x", Err: syscall.EDQUOT}: "is full",
		&os.PathError{Op: "write", Path: "x", Err: syscall.EFBIG}:  "ulimit -f",
		&os.PathError{Op: "open", Path: "x", Err: syscall.EMFILE}:  "ulimit -n",
		&os.PathError{Op: "open", Path: "x", Err: syscall.EACCES}:  "open x",
	} {
		if got := explain("dir", err); !errors.Is(got, err) || !strings.Contains(got.Error(), want) {
			t.Errorf("%v becomes %v", err, got)
		}
	}
}

// Callers of an API see why something failed, and no path.
func TestPublicMessages(t *testing.T) {
	panicked := guard(func() error { panic("/var/hunter2") })
	for _, test := range []struct {
		err  error
		want string
	}{
		{
			explain("/var/hunter2", &os.PathError{Op: "write", Path: "/var/hunter2", Err: syscall.ENOSPC}),
			"the disk of the index is full; a reindex needs space for a second index",
		},
		{
			explain("/var/hunter2", &os.PathError{Op: "open", Path: "/var/hunter2", Err: syscall.EMFILE}),
			"the process has too many open files; raise its limit (ulimit -n)",
		},
		{
			explain("/var/hunter2", &os.PathError{Op: "open", Path: "/var/hunter2", Err: syscall.EROFS}),
			"the directory of the index is not writable",
		},
		{explain("/var/hunter2", errors.New("/var/hunter2: "+syscall.EIO.Error())), "the disk of the index fails"},
		{explain("/var/hunter2", damaged("%s: %w", "/var/hunter2", panicked)), reindex.ErrDamaged.Error()},
		{explain("/var/hunter2", panicked), "a file of the index is damaged, or its disk fails"},
		{explain("/var/hunter2", errors.New("/var/hunter2 is odd")), ""},
	} {
		public, ok := errors.AsType[interface {
			error
			PublicMessage() string
		}](fmt.Errorf("bleveindex: write to /var/hunter2: %w", test.err))
		if ok != (test.want != "") || ok && public.PublicMessage() != test.want {
			t.Errorf("callers see %q of %v, want %q", public, test.err, test.want)
		}
	}
	if err := damaged("x"); !errors.Is(err, reindex.ErrDamaged) {
		t.Errorf("%v is not known as damage", err)
	}
}
