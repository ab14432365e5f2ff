//go:build unix

package bleveindex

import (
	"errors"
	"syscall"
	"testing"

	"productindex/reindex"
)

// Where the process has too many files open a search says so, and nothing becomes of the index: bleve would have opened it without its
// segments.
func TestTooManyFiles(t *testing.T) {
	if openFiles() == 0 {
		t.Skip("the files of a process cannot be counted here")
	}
	dir := t.TempDir()
	ix := open(t, dir, nil)
	gen := begin(t, ix, "acme")
	for i := range 5 { // segments
		if err := gen.Write(t.Context(), products(20, "1")[i*4:(i+1)*4]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := gen.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	ix = open(t, dir, nil)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	}()
	for more := range 8 { // from none to enough
		low := limit
		low.Cur = uint64(openFiles() + more)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
			t.Fatal(err)
		}
		found, err := revs(t.Context(), ix, "acme")
		n, countErr := mustTenant(t, ix, "acme").documents(t.Context())
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		if err == nil && len(found) == 20 {
			break
		}
		if !errors.Is(err, syscall.EMFILE) || errors.Is(err, reindex.ErrDamaged) {
			t.Errorf("with %d files: %d documents, %v", more, len(found), err)
		}
		if countErr == nil && n != 20 || errors.Is(countErr, reindex.ErrDamaged) {
			t.Errorf("with %d files: %d documents are live, %v", more, n, countErr)
		}
	}
	assertLive(t, ix, "acme", 20, "1")
}
