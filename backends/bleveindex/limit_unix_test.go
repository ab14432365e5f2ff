//go:build unix

package bleveindex

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
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

// published returns the directory of a closed index, with 20 products of tenant acme in five segments.
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
	sealAndCommit(t, gen)
	mustClose(t, ix)
	return dir
}

// withLimit calls f while this process has that limit of a resource.
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

// withFewFiles calls f while this process cannot open more files, then while it can open one more, and so on, until f
// reports success.
func withFewFiles(t *testing.T, f func(more int) (ok bool)) {
	t.Helper()
	if openFiles() == 0 {
		t.Skip("the open files of a process cannot be counted on this system")
	}
	for more := range 20 {
		ok := false
		withLimit(t, syscall.RLIMIT_NOFILE, uint64(openFiles()+more), func() { ok = f(more) })
		if ok {
			return
		}
	}
	t.Error("f fails even with 19 more files")
}

// If the process has too many open files, a search returns an error that says so, and the index does not change. bleve
// alone would open it without its segments.
func TestTooManyFiles(t *testing.T) {
	ix := open(t, published(t), nil)
	withFewFiles(t, func(more int) bool {
		found, err := revs(t.Context(), ix, "acme")
		n, countErr := mustTenant(t, ix, "acme").documents(t.Context())
		if err == nil && len(found) == 20 {
			return true
		}
		if !errors.Is(err, syscall.EMFILE) || errors.Is(err, reindex.ErrDamaged) {
			t.Errorf("with %d files: %d documents, error %v, want %v", more, len(found), err, syscall.EMFILE)
		}
		if countErr == nil && n != 20 || errors.Is(countErr, reindex.ErrDamaged) {
			t.Errorf("with %d files: %d documents are live, error %v, want 20", more, n, countErr)
		}
		return false
	})
	assertLive(t, ix, "acme", 20, "1")
}

// If files run out only after the check of an index, while bleve opens it, the error is the same.
func TestTooManyFilesInBleve(t *testing.T) {
	dir := published(t)
	generation := generationPath(t, dir, "acme")
	withFewFiles(t, func(more int) bool {
		opened, n, err := openForSearch(generation)
		if err == nil {
			if n != 20 {
				t.Errorf("with %d files: %d documents, want 20", more, n)
			}
			return closeIndex(opened) == nil
		}
		if err = explain(dir, err); !errors.Is(err, syscall.EMFILE) || errors.Is(err, reindex.ErrDamaged) {
			t.Errorf("with %d files: error %v, want %v", more, err, syscall.EMFILE)
		}
		return false
	})
}

// isChild reports whether this process runs only this test, so that the test can limit the size of files. In any other
// process, it runs the test in such a process.
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
		t.Errorf("the child process: %v: %s", err, out)
	}
	return false
}

// noisy returns a product whose body compression hardly makes shorter.
func noisy(random *rand.ChaCha8, id string) reindex.Product {
	noise := make([]byte, 4096)
	_, _ = random.Read(noise) // never fails
	return object(id, fmt.Sprintf(`{"rev":"2","note":"%x"}`, noise))
}

// If the disk is full, updates fail with an error that says so, and searches go on. Updates succeed again once there is
// space.
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
		for range 3 { // from the second update on, bleve merges segments that it could not write
			if err := ix.Update(t.Context(), "acme", changes); err == nil || !strings.Contains(err.Error(), "ulimit -f") {
				t.Errorf("update: error %v, want one with %q", err, "ulimit -f")
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

// If the disk is full, a run fails with an error that says so, although bleve alone would retry forever. The live index
// does not change, and no files of the run are left.
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
		t.Errorf("run: error %v, want one with %q", err, "ulimit -f")
	}
	assertLive(t, ix, "acme", 10, "1")
	assertGenerations(t, dir, "acme", 1)
}

// The pauses between bleve's retries in the background become longer, and end when the index is closed.
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
			t.Errorf("the first pause of the persister is %v, want %v", got, firstPause)
		}
		<-time.After(2 * time.Minute)
		if got := fails("merger"); got != firstPause {
			t.Errorf("the first pause after a success is %v, want %v", got, firstPause)
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
			t.Errorf("the pause goes on for %v after the index was closed, want 0", pause)
		}
	})
}

// namedIndex is an index whose Close does nothing.
type namedIndex struct{ name string }

func (i namedIndex) Name() string { return i.name }
func (i namedIndex) Close() error { return nil }

// withoutPermission calls f while this process has no permission to read a directory.
func withoutPermission(t *testing.T, dir string, f func()) {
	t.Helper()
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	root := os.Geteuid() == 0
	if root { // root can read every directory
		if err := syscall.Setreuid(-1, nobody); err != nil {
			t.Skipf("the process cannot change its user: %v", err)
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

// Without permission to read its files, an index counts neither as damaged nor as empty. The error names the
// permission, and searches succeed once the permission is back.
func TestNoPermission(t *testing.T) {
	for _, place := range []string{"", tenantDir("acme"), "store"} {
		dir := published(t)
		ix := open(t, dir, nil)
		tenant := mustTenant(t, ix, "acme")
		path := filepath.Join(dir, place)
		if place == "store" {
			path = filepath.Join(generationPath(t, dir, "acme"), place)
		}
		withoutPermission(t, path, func() {
			found, err := revs(t.Context(), ix, "acme")
			if !errors.Is(err, fs.ErrPermission) || errors.Is(err, reindex.ErrDamaged) ||
				errors.Is(err, reindex.ErrNoLiveIndex) {
				t.Errorf("without %q: search: %d documents, error %v, want %v", place, len(found), err, fs.ErrPermission)
			}
			if n, err := tenant.documents(t.Context()); err == nil && n != 20 || err != nil &&
				!errors.Is(err, fs.ErrPermission) {
				t.Errorf("without %q: count: %d documents, error %v, want 20 or %v", place, n, err, fs.ErrPermission)
			}
			if gen, err := ix.Begin(t.Context(), "acme"); err == nil {
				sealed, err := gen.Seal(t.Context())
				if err == nil && sealed.LiveErr == nil && sealed.Live != 20 {
					t.Errorf("without %q: sealed beside %d live documents, want 20", place, sealed.Live)
				}
				if err := gen.Abort(t.Context()); err != nil {
					t.Error(err)
				}
			} else if !errors.Is(err, fs.ErrPermission) {
				t.Errorf("without %q: begin: error %v, want %v", place, err, fs.ErrPermission)
			}
		})
		assertLive(t, ix, "acme", 20, "1")
		mustClose(t, ix)
	}
}

// failsToClose is an index whose goroutines fail while it is being closed.
type failsToClose struct {
	namedIndex

	fail func()
}

func (f failsToClose) Close() error {
	for range 5 {
		f.fail()
	}
	return nil
}

// Failures in the background while an index is being closed are not logged, since nothing is tried again, and do not
// keep a processor busy.
func TestBackgroundFailuresDuringClose(t *testing.T) {
	dir := t.TempDir()
	var logged bytes.Buffer
	open(t, dir, &Config{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	synctest.Test(t, func(t *testing.T) {
		generation := filepath.Join(dir, "t-acme", "generation")
		start := time.Now()
		err := closeIndex(failsToClose{namedIndex{name: generation}, func() {
			backgroundError(scorch.NewScorchError(persister, "gone", scorch.ErrPersist), filepath.Join(generation, storeDir))
		}})
		if took := time.Since(start); err != nil || took != 5*closingPause {
			t.Errorf("close took %v, error %v, want %v", took, err, 5*closingPause)
		}
		if logged.Len() > 0 {
			t.Errorf("the log has %s, want nothing", &logged)
		}
	})
}
