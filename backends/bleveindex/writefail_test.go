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

// If files cannot be created, a run fails at once. The live index does not change, and the files of the run are
// removed.
func TestWriteFails(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a directory in use cannot be removed on Windows")
	}
	dir := t.TempDir()
	var logged bytes.Buffer
	ix := open(t, dir, &Config{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	publish(t, ix, "acme", products(10, "1")...)
	gen := begin(t, ix, "acme")
	if err := gen.Write(t.Context(), products(10, "2")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(gen.dir, "store")); err != nil { // so that no file can be created
		t.Fatal(err)
	}
	err := gen.Write(t.Context(), products(10, "3"))
	if err == nil || !strings.Contains(err.Error(), `tenant "acme"`) {
		t.Errorf("write: error %v, want one with the tenant", err)
	}
	if err := gen.Abort(t.Context()); err != nil {
		t.Errorf("abort: %v", err)
	}
	if n := strings.Count(logged.String(), "failed in the background"); n < 1 || n > 4 {
		t.Errorf("%d failures in the background are logged until the abort, want 1 to 4:\n%s", n, logged.String())
	}
	assertLive(t, ix, "acme", 10, "1")
	assertGenerations(t, dir, "acme", 1)
}

// Seal fails if the generation cannot be opened. Abort then removes its files.
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
		t.Errorf("seal: error %v, want one with %s", err, gen.dir)
	}
	for what, err := range map[string]error{
		"commit": gen.Commit(t.Context()),
		"write":  gen.Write(t.Context(), products(1, "1")),
	} {
		if err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("%s after a failed seal: error %v, want one with %q", what, err, "broken")
		}
	}
	if err := gen.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	assertGenerations(t, dir, "acme", 0)
}

// If a live index cannot be opened, its searches fail, and the next reindex replaces it.
func TestDamagedIndex(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(10, "1")...)
	mustClose(t, ix)
	generation := generationPath(t, dir, "acme")
	if err := os.Remove(filepath.Join(generation, metaFile)); err != nil {
		t.Fatal(err)
	}
	ix = open(t, dir, nil)
	if _, err := revs(t.Context(), ix, "acme"); err == nil || !strings.Contains(err.Error(), generation) {
		t.Errorf("search: error %v, want one with %s", err, generation)
	}
	publish(t, ix, "acme", products(5, "2")...)
	assertLive(t, ix, "acme", 5, "2")
	mustClose(t, ix)
	if names := generationsOnDisk(t, dir, "acme"); len(names) != 1 || names[0] == filepath.Base(generation) {
		t.Errorf("%q are on the disk, want only the new generation", names)
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
			t.Errorf("%v is explained as %v, want %q", err, got, want)
		}
	}
}

// The public message of an error has its reason, but no path.
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
			t.Errorf("the public message of %v is %q, want %q", test.err, public, test.want)
		}
	}
	if err := damaged("x"); !errors.Is(err, reindex.ErrDamaged) {
		t.Errorf("got the error %v, want %v", err, reindex.ErrDamaged)
	}
}
