package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/blevesearch/bleve/v2"

	"productindex/reindex"
)

func TestTenants(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	if tenants, err := ix.Tenants(t.Context()); len(tenants) > 0 || err != nil {
		t.Errorf("of an empty directory: %q, %v", tenants, err)
	}
	want := []string{"Acme", "acme", "damaged", "lost", "Über/alles"}
	for _, tenant := range append(want, "deleted") {
		publish(t, ix, tenant, products(3, "1")...)
	}
	begin(t, ix, "begun")
	if err := ix.DeleteTenant(t.Context(), "deleted"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, tenantDir("damaged"), pointerFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, tenantDir("lost"), pointerFile)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x-", "t-", "t-UPPER", "other"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if tenants, err := ix.Tenants(t.Context()); !slices.Equal(tenants, want) || err != nil {
		t.Errorf("%q, %v, want %q", tenants, err, want)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ix.Tenants(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ix.Tenants(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// Nothing is left of a tenant that was deleted, whatever state it was in, and it can come back.
func TestDeleteTenant(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, ix *Index){
		"searched": func(t *testing.T, ix *Index) { assertLive(t, ix, "acme", 10, "1") },
		"not open": func(*testing.T, *Index) {},
		"closed for being idle": func(t *testing.T, ix *Index) {
			assertLive(t, ix, "acme", 10, "1")
			ix.closeUnusedSince(time.Now())
		},
		"damaged": func(t *testing.T, ix *Index) {
			change(t, filepath.Join(ix.dir, tenantDir("acme"), pointerFile), half)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ix := open(t, dir, nil)
			publish(t, ix, "acme", products(10, "1")...)
			publish(t, ix, "other", products(10, "1")...)
			if err := ix.Close(); err != nil {
				t.Fatal(err)
			}
			ix = open(t, dir, nil)
			prepare(t, ix)
			if err := ix.DeleteTenant(t.Context(), "acme"); err != nil {
				t.Fatal(err)
			}
			if _, err := ix.DocCount(t.Context(), "acme"); !errors.Is(err, reindex.ErrNoLiveIndex) {
				t.Errorf("count: %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, tenantDir("acme"))); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("its directory: %v", err)
			}
			if err := ix.DeleteTenant(t.Context(), "acme"); err != nil {
				t.Errorf("deleted again: %v", err)
			}
			assertLive(t, ix, "other", 10, "1")
			gen := seal(t, ix, "acme", products(1, "2"))
			if gen.sealed.Live != -1 {
				t.Errorf("%d documents are live", gen.sealed.Live)
			}
			if err := ix.DeleteTenant(t.Context(), "acme"); !errors.Is(err, reindex.ErrRunning) {
				t.Errorf("deleted during a reindex: %v", err)
			}
			if err := gen.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			assertLive(t, ix, "acme", 1, "2")
		})
	}
}

// A search that runs during a deletion ends in the deleted index, also if nobody waits for it.
func TestDeleteTenantInUse(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(10, "1")...)
	searching, err := ix.acquire(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	deleted := make(chan error)
	go func() { deleted <- ix.DeleteTenant(impatient, "acme") }()
	for err == nil {
		_, err = ix.DocCount(t.Context(), "acme")
	}
	if !errors.Is(err, reindex.ErrNoLiveIndex) {
		t.Errorf("count: %v", err)
	}
	cancel()
	if err := <-deleted; !errors.Is(err, context.Canceled) {
		t.Errorf("delete: %v", err)
	}
	if n, err := searching.count(); n != 10 || err != nil {
		t.Errorf("the search sees %d documents, %v", n, err)
	}
	searching.done()
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	if names := generationsOnDisk(t, dir, "acme"); len(names) > 0 {
		t.Errorf("left on the disk: %q", names)
	}
	open(t, dir, nil)
	if _, err := os.Stat(filepath.Join(dir, tenantDir("acme"))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its directory after the next Open: %v", err)
	}
}

// A reindex that begins while a tenant is deleted keeps its directory.
func TestDeleteTenantDuringBegin(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", products(10, "1")...)
	tenant := mustTenant(t, ix, "acme")
	busy, err := tenant.unpublish()
	if err == nil {
		err = tenant.awaitUnused(t.Context(), busy)
	}
	if err != nil {
		t.Fatal(err)
	}
	gen := begin(t, ix, "acme")
	if err := tenant.clear(); err != nil {
		t.Fatal(err)
	}
	if err := gen.Write(t.Context(), products(20, "2")); err != nil {
		t.Fatal(err)
	}
	if _, err := gen.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tenant.clear(); err != nil {
		t.Fatal(err)
	}
	assertLive(t, ix, "acme", 20, "2")
}

// A process that dies while it deletes a tenant leaves the tenant deleted or as it was.
func TestDeleteTenantFails(t *testing.T) {
	for _, call := range []string{
		"sync t-acme/live.new", "rename t-acme/live", "sync t-acme", "remove t-acme/GEN", "remove t-acme", "sync .",
	} {
		ix, r := openRecorded(t)
		gen := seal(t, ix, "acme", products(10, "1"))
		if err := gen.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if call == "remove t-acme/GEN" {
			call = "remove t-acme/" + gen.name
		}
		r.failing(call, errors.New("no luck"))
		if err := ix.DeleteTenant(t.Context(), "acme"); err == nil {
			t.Errorf("%s fails: no error", call)
		}
		r.failing("", nil)
		_, err := ix.DocCount(t.Context(), "acme")
		if replaced := call != "sync t-acme/live.new" &&
			call != "rename t-acme/live"; errors.Is(err, reindex.ErrNoLiveIndex) != replaced ||
			err != nil != replaced {
			t.Errorf("%s fails: count: %v", call, err)
		}
		if err := ix.DeleteTenant(t.Context(), "acme"); err != nil {
			t.Errorf("%s failed: deleted again: %v", call, err)
		}
		if _, err := os.Stat(filepath.Join(r.dir, tenantDir("acme"))); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s failed: its directory: %v", call, err)
		}
	}
}

// openFiles returns how many files this process has open, or 0 where that cannot be seen.
func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

// Hundreds of tenants hold neither files nor goroutines once nobody has searched them for a while, and answer again
// afterwards.
func TestIdle(t *testing.T) {
	const tenants = 200
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(3, "1")...)
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range tenants {
		if err := os.CopyFS(filepath.Join(dir, tenantDir(fmt.Sprint("tenant-", i))),
			os.DirFS(filepath.Join(dir, tenantDir("acme")))); err != nil {
			t.Fatal(err)
		}
	}
	ix = open(t, dir, &Config{IdleTimeout: -1})
	files, goroutines := openFiles(), runtime.NumGoroutine()
	for i := range tenants {
		assertLive(t, ix, fmt.Sprint("tenant-", i), 3, "1")
	}
	if n := runtime.NumGoroutine(); n < goroutines+tenants {
		t.Fatalf("with %d goroutines more the indexes are not open", n-goroutines)
	}
	t.Logf(
		"%d tenants have %d files open, and %d goroutines",
		tenants,
		openFiles()-files,
		runtime.NumGoroutine()-goroutines,
	)
	used, err := ix.acquire(t.Context(), "tenant-0")
	if err != nil {
		t.Fatal(err)
	}
	recently := time.Now()
	assertLive(t, ix, "tenant-1", 3, "1")
	ix.closeUnusedSince(recently)
	for i := range tenants {
		if i < 2 {
			continue
		}
		closing := mustTenant(t, ix, fmt.Sprint("tenant-", i)).idle
		if closing == nil {
			t.Fatalf("tenant %d is still open", i)
		}
		<-closing
	}
	if mustTenant(t, ix, "tenant-1").live.Load() == nil {
		t.Error("an index is closed that was used since")
	}
	for runtime.NumGoroutine() > goroutines+2*20 {
		runtime.Gosched() // the last goroutines are on their way out
	}
	if n := openFiles() - files; n > 2*20 {
		t.Errorf("two open tenants hold %d files", n)
	}
	if n, err := used.count(); n != 3 || err != nil {
		t.Errorf("a search that goes on sees %d documents, %v", n, err)
	}
	used.done()
	for i := range 5 {
		assertLive(t, ix, fmt.Sprint("tenant-", i), 3, "1")
	}
}

// Searches and switches go on while indexes are closed for being idle all the time.
func TestIdleDuringSearches(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, &Config{IdleTimeout: time.Nanosecond})
	publish(t, ix, "acme", products(20, "0")...)
	stop := make(chan struct{})
	searched := make(chan int)
	for range 2 {
		go func() {
			n := 0
			for ; !isDone(stop); n++ {
				if found, err := revs(t.Context(), ix, "acme"); err != nil || len(found) != 20 {
					t.Errorf("%d documents, %v", len(found), err)
					break
				}
				ix.closeUnusedSince(time.Now())
			}
			searched <- n
		}()
	}
	for i := range 5 {
		publish(t, ix, "acme", products(20, fmt.Sprint(i))...)
		for range 20 {
			assertLive(t, ix, "acme", 20, fmt.Sprint(i))
		}
	}
	close(stop)
	t.Logf("%d and %d searches", <-searched, <-searched)
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	if names := generationsOnDisk(t, dir, "acme"); len(names) != 1 {
		t.Errorf("left on the disk: %q", names)
	}
}

// A generation that was opened, closed and replaced while an older one was still being opened is removed.
func TestReplacedWhileAnOlderOneOpens(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(5, "1")...)
	closeIdle(t, ix, "acme")
	acme := mustTenant(t, ix, "acme")
	older := &opening{done: make(chan struct{})}
	acme.mu.Lock()
	p, err := readPointer(acme.dir)
	older.pointer, acme.opening, acme.busy[p.generation] = p, older, true
	acme.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	publish(t, ix, "acme", products(5, "2")...)
	closeIdle(t, ix, "acme")
	publish(t, ix, "acme", products(5, "3")...)
	acme.opened(older, nil, nil)
	assertLive(t, ix, "acme", 5, "3")
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	if names := generationsOnDisk(t, dir, "acme"); len(names) != 1 {
		t.Errorf("left on the disk: %q", names)
	}
}

func isDone(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// The timeout closes an index without a call.
func TestIdleTimeout(t *testing.T) {
	ix := open(t, t.TempDir(), &Config{IdleTimeout: time.Millisecond})
	publish(t, ix, "acme", products(3, "1")...)
	for mustTenant(t, ix, "acme").live.Load() != nil {
		runtime.Gosched()
	}
	assertLive(t, ix, "acme", 3, "1")
}

// openUnattended opens an Index that closes no idle index by itself, and creates the state of tenant acme in it. The
// recorder has the calls of the disk.
func openUnattended(t *testing.T) (*recorder, *Index, *tenant) {
	t.Helper()
	r := &recorder{dir: t.TempDir()}
	ix, err := openOn(r.disk(), r.dir, &Config{IdleTimeout: -1})
	if err != nil {
		t.Fatal(err)
	}
	acme, err := ix.tenant("acme", true)
	if err != nil {
		t.Fatal(err)
	}
	return r, ix, acme
}

// An index stays open until no search has used it for the timeout.
func TestIdleTimeoutIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ix, acme := openUnattended(t)
		index, err := bleve.NewMemOnly(bleve.NewIndexMapping())
		if err != nil {
			t.Fatal(err)
		}
		live := newLiveIndex(acme, index, newGenerationName())
		acme.mu.Lock()
		acme.setLive(live)
		acme.mu.Unlock()
		go ix.closeIdle(time.Minute)
		assertOpen := func(after time.Duration, want bool) {
			t.Helper()
			<-time.After(after)
			synctest.Wait()
			if isOpen := acme.live.Load() != nil; isOpen != want {
				t.Errorf("open: %v, want %v", isOpen, want)
			}
		}
		assertOpen(50*time.Second, true)
		if !live.acquire() {
			t.Fatal("the index is closed")
		}
		assertOpen(2*time.Minute, true) // a search goes on
		live.done()
		assertOpen(59*time.Second, true)
		assertOpen(31*time.Second, false)
		if err := ix.Close(); err != nil {
			t.Error(err)
		}
	})
}

// No more indexes are open than Config allows, but for those in use. Those used last stay open, and all answer.
func TestMaxOpen(t *testing.T) {
	const tenants, most = 6, 2
	dir := t.TempDir()
	ix := open(t, dir, &Config{MaxOpen: most})
	name := func(i int) string { return fmt.Sprint("tenant-", i) }
	isOpen := func() (names []string) {
		for i := range tenants {
			if mustTenant(t, ix, name(i)).live.Load() != nil {
				names = append(names, name(i))
			}
		}
		return names
	}
	for i := range tenants {
		publish(t, ix, name(i), products(3, "1")...)
	}
	if got := isOpen(); !slices.Equal(got, []string{name(4), name(5)}) {
		t.Errorf("after the switches %q are open", got)
	}
	used, err := ix.acquire(t.Context(), name(0))
	if err != nil {
		t.Fatal(err)
	}
	for i := range tenants {
		assertLive(t, ix, name(i), 3, "1")
		if l := mustTenant(t, ix, name(i)).live.Load(); l == nil {
			t.Errorf("the index of %s is closed after its search", name(i))
		}
	}
	got := isOpen()
	if !slices.Contains(got, name(0)) || len(got) > most+1 {
		t.Errorf("after the searches %q are open, want %s, which is in use, and some others", got, name(0))
	}
	used.done()
}

// A generation whose index is still being closed for being idle is removed after that.
func TestRemoveAfterIdleClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ix, acme := openUnattended(t)
		name := newGenerationName()
		removal := "remove t-acme/" + name
		closing := make(chan struct{})
		acme.mu.Lock()
		acme.idle = closing
		acme.removeLater(name)
		acme.mu.Unlock()
		synctest.Wait()
		if slices.Contains(r.take(), removal) {
			t.Error("the generation is removed while its index is being closed")
		}
		close(closing)
		synctest.Wait()
		if calls := r.take(); !slices.Contains(calls, removal) {
			t.Errorf("the generation is not removed: %q", calls)
		}
		if err := ix.Close(); err != nil {
			t.Error(err)
		}
	})
}
