//go:build unix

package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"

	"productindex/reindex"
)

// published returns the directory of an Index that is closed, with 20 products of a tenant in five segments.
func published(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	ix := open(t, dir, nil)
	gen := begin(t, ix, "acme")
	for i := range 5 {
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
	return dir
}

// withLimit calls f while the process has another limit.
func withLimit(t *testing.T, resource int, limit uint64, f func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(resource, &before); err != nil {
		t.Fatal(err)
	}
	low := before
	low.Cur = limit
	if err := syscall.Setrlimit(resource, &low); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(resource, &before); err != nil {
			t.Error(err)
		}
	}()
	f()
}

// withFewFiles calls f with no more files to open, then with one, and so on, until it reports success.
func withFewFiles(t *testing.T, f func(more int) (ok bool)) {
	t.Helper()
	if openFiles() == 0 {
		t.Skip("the files of a process cannot be counted here")
	}
	for more := range 20 {
		ok := false
		withLimit(t, syscall.RLIMIT_NOFILE, uint64(openFiles()+more), func() { ok = f(more) })
		if ok {
			return
		}
	}
	t.Error("20 files are too few")
}

// If the process has too many open files, a search returns an error that says so and the index does not change. bleve
// would open it without its segments.
func TestTooManyFiles(t *testing.T) {
	ix := open(t, published(t), nil)
	withFewFiles(t, func(more int) bool {
		found, err := revs(t.Context(), ix, "acme")
		n, countErr := mustTenant(t, ix, "acme").documents(t.Context())
		if err == nil && len(found) == 20 {
			return true
		}
		if !errors.Is(err, syscall.EMFILE) || errors.Is(err, reindex.ErrDamaged) {
			t.Errorf("with %d files: %d documents, %v", more, len(found), err)
		}
		if countErr == nil && n != 20 || errors.Is(countErr, reindex.ErrDamaged) {
			t.Errorf("with %d files: %d documents are live, %v", more, n, countErr)
		}
		return false
	})
	assertLive(t, ix, "acme", 20, "1")
}

// Files can run out after the check of an index, while bleve opens it. Then the error also says so.
func TestTooManyFilesInBleve(t *testing.T) {
	dir := published(t)
	generation := filepath.Join(dir, tenantDir("acme"), generationsOnDisk(t, dir, "acme")[0])
	withFewFiles(t, func(more int) bool {
		opened, n, err := openForSearch(generation)
		if err == nil {
			if n != 20 {
				t.Errorf("with %d files: %d documents", more, n)
			}
			return closeIndex(opened) == nil
		}
		if err = explain(dir, err); !errors.Is(err, syscall.EMFILE) || errors.Is(err, reindex.ErrDamaged) {
			t.Errorf("with %d files: %v", more, err)
		}
		return false
	})
}

// isChild reports whether this is a process that runs the test alone, in which the size of files can be limited. In the
// test's own process it runs one.
func isChild(t *testing.T) bool {
	t.Helper()
	const child = "BLEVEINDEX_CHILD_FULL"
	if os.Getenv(child) != "" {
		signal.Ignore(syscall.SIGXFSZ)
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), child+"=true")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	return false
}

// noisy returns a product that hardly compresses.
func noisy(random *rand.ChaCha8, id string) reindex.Product {
	noise := make([]byte, 4096)
	_, _ = random.Read(noise) // never fails
	return object(id, fmt.Sprintf(`{"rev":"2","note":"%x"}`, noise))
}

// If the disk is full, changes fail with an error that says so, and neither the process nor the searches end. Changes
// succeed again once there is space.
func TestUpdatesOnFullDisk(t *testing.T) {
	if !isChild(t) {
		return
	}
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", products(10, "1")...)
	random := rand.NewChaCha8([32]byte{})
	var changes []reindex.Change
	for i := range 50 {
		p := noisy(random, fmt.Sprintf("p%d", i))
		changes = append(changes, reindex.Change{ID: p.ID, Body: p.Body})
	}
	withLimit(t, syscall.RLIMIT_FSIZE, 64<<10, func() {
		for range 3 { // from the second one on, bleve merges what it could not write
			if err := ix.Update(t.Context(), "acme", changes); err == nil || !strings.Contains(err.Error(), "ulimit -f") {
				t.Errorf("update: %v", err)
			}
			if _, err := revs(t.Context(), ix, "acme"); err != nil {
				t.Errorf("search: %v", err)
			}
		}
	})
	if err := ix.Update(t.Context(), "acme", changes); err != nil {
		t.Fatal(err)
	}
	assertLive(t, ix, "acme", 50, "2")
}

// If the disk is full, a run fails with an error that says so, although bleve itself would retry forever. The live
// index does not change, and no files of the run are left.
func TestRunOnFullDisk(t *testing.T) {
	if !isChild(t) {
		return
	}
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(10, "1")...)
	source := func(context.Context, string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			random := rand.NewChaCha8([32]byte{})
			for i := range 1000 {
				if !yield(noisy(random, fmt.Sprint(i)), nil) {
					return
				}
			}
		}
	}
	engine, err := reindex.New(reindex.SourceFunc(source), ix, nil)
	if err != nil {
		t.Fatal(err)
	}
	withLimit(t, syscall.RLIMIT_FSIZE, 256<<10, func() { _, err = engine.Run(t.Context(), "acme") })
	if err == nil || !strings.Contains(err.Error(), "ulimit -f") {
		t.Errorf("run: %v", err)
	}
	assertLive(t, ix, "acme", 10, "1")
	if names := generationsOnDisk(t, dir, "acme"); len(names) != 1 {
		t.Errorf("left on the disk: %q", names)
	}
}

// Retries in the background wait longer each time, until the index is closed.
func TestBackgroundPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		generation := filepath.Join(t.TempDir(), "acme", "generation")
		store := filepath.Join(generation, storeDir)
		fails := func(source string) time.Duration {
			start := time.Now()
			backgroundError(scorch.NewScorchError(source, "no space", scorch.ErrPersist), store)
			return time.Since(start)
		}
		for i, want := range []float64{1, 2, 4, 8, 16, 32, 60, 60} {
			if got := fails("merger"); got.Seconds() != want {
				t.Errorf("pause %d of the merger is %v, want %v s", i, got, want)
			}
		}
		if got := fails("persister"); got != firstPause {
			t.Errorf("the first pause of the persister is %v", got)
		}
		<-time.After(2 * time.Minute)
		if got := fails("merger"); got != firstPause {
			t.Errorf("the first pause after it has succeeded is %v", got)
		}
		var pause time.Duration
		var failing sync.WaitGroup
		failing.Go(func() { pause = fails("merger") })
		synctest.Wait()
		if err := closeIndex(namedIndex{name: generation}); err != nil {
			t.Error(err)
		}
		failing.Wait()
		if pause != 0 {
			t.Errorf("the pause goes on for %v after the index was closed", pause)
		}
	})
}

// namedIndex is an index that has nothing to close.
type namedIndex struct{ name string }

func (i namedIndex) Name() string { return i.name }
func (i namedIndex) Close() error { return nil }

// withoutPermission calls f while this process may not read a directory.
func withoutPermission(t *testing.T, dir string, f func()) {
	t.Helper()
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	root := os.Geteuid() == 0
	if root { // who may read everything
		if err := syscall.Setreuid(-1, nobody); err != nil {
			t.Skipf("another user cannot be tried: %v", err)
		}
	}
	defer func() {
		if root {
			if err := syscall.Setreuid(-1, 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}

// A missing permission does not count as damage, nor as an empty index, in searches and in the count of live documents
// for the rule on shrinking; and it is named. Searches go on when it is back.
func TestNoPermission(t *testing.T) {
	for _, place := range []string{"", tenantDir("acme"), "store"} {
		dir := published(t)
		ix := open(t, dir, nil)
		tenant := mustTenant(t, ix, "acme")
		path := filepath.Join(dir, place)
		if place == "store" {
			path = filepath.Join(dir, tenantDir("acme"), generationsOnDisk(t, dir, "acme")[0], place)
		}
		withoutPermission(t, path, func() {
			found, err := revs(t.Context(), ix, "acme")
			if !errors.Is(err, fs.ErrPermission) || errors.Is(err, reindex.ErrDamaged) ||
				errors.Is(err, reindex.ErrNoLiveIndex) {
				t.Errorf("without %q: %d documents, %v", place, len(found), err)
			}
			if n, err := tenant.documents(t.Context()); err == nil && n != 20 || err != nil &&
				!errors.Is(err, fs.ErrPermission) {
				t.Errorf("without %q: %d documents are live, %v", place, n, err)
			}
			if gen, err := ix.Begin(t.Context(), "acme"); err == nil {
				sealed, err := gen.Seal(t.Context())
				if err == nil && sealed.LiveErr == nil && sealed.Live != 20 {
					t.Errorf("without %q: a generation beside %d documents", place, sealed.Live)
				}
				if err := gen.Abort(t.Context()); err != nil {
					t.Error(err)
				}
			} else if !errors.Is(err, fs.ErrPermission) {
				t.Errorf("without %q: begin: %v", place, err)
			}
		})
		assertLive(t, ix, "acme", 20, "1")
		if err := ix.Close(); err != nil {
			t.Error(err)
		}
	}
}
