package bleveindex

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/blevesearch/bleve/v2"
)

// Hundreds of idle tenants have neither open files nor goroutines. Searches open their indexes again.
func TestIdle(t *testing.T) {
	const tenants = 200
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(3, "1")...)
	mustClose(t, ix)
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
		t.Fatalf("%d tenants have %d goroutines, want one per open index", tenants, n-goroutines)
	}
	t.Logf("%d tenants have %d open files and %d goroutines",
		tenants, openFiles()-files, runtime.NumGoroutine()-goroutines)
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
			t.Fatalf("the index of tenant-%d is open, want it closed for being idle", i)
		}
		<-closing
	}
	if mustTenant(t, ix, "tenant-1").live.Load() == nil {
		t.Error("the index of tenant-1 is closed, although it was used since")
	}
	for runtime.NumGoroutine() > goroutines+2*20 {
		runtime.Gosched() // until the last goroutines have ended
	}
	if n := openFiles() - files; n > 2*20 {
		t.Errorf("two open indexes have %d open files, want at most 40", n)
	}
	if n, err := used.count(); n != 3 || err != nil {
		t.Errorf("a search that goes on finds %d documents, error %v, want 3", n, err)
	}
	used.done()
	for i := range 5 {
		assertLive(t, ix, fmt.Sprint("tenant-", i), 3, "1")
	}
}

// Searches and switches succeed although the index is closed for being idle again and again.
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
					t.Errorf("a search finds %d documents, error %v, want 20", len(found), err)
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
	mustClose(t, ix)
	assertGenerations(t, dir, "acme", 1)
}

// A generation is removed after it was opened, closed and replaced, although an older one is still being opened.
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
	mustClose(t, ix)
	assertGenerations(t, dir, "acme", 1)
}

// An idle index is closed after IdleTimeout without any call.
func TestIdleTimeout(t *testing.T) {
	ix := open(t, t.TempDir(), &Config{IdleTimeout: time.Millisecond})
	publish(t, ix, "acme", products(3, "1")...)
	for mustTenant(t, ix, "acme").live.Load() != nil {
		runtime.Gosched()
	}
	assertLive(t, ix, "acme", 3, "1")
}

// openUnattended opens an Index that does not close idle indexes by itself, and creates the state of tenant acme. The
// recorder has the changes of its disk.
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

// An index stays open until no search has used it for IdleTimeout.
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
				t.Errorf("the index is open: %v, want %v", isOpen, want)
			}
		}
		assertOpen(50*time.Second, true)
		if !live.acquire() {
			t.Fatal("the index is closed, want it open")
		}
		assertOpen(2*time.Minute, true) // during the search
		live.done()
		assertOpen(59*time.Second, true)
		assertOpen(31*time.Second, false)
		mustClose(t, ix)
	})
}

// At most MaxOpen indexes are open, not counting those in use. Those used last stay open, and searches open the others
// again.
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
		t.Errorf("after the switches, %q are open, want %s and %s", got, name(4), name(5))
	}
	used, err := ix.acquire(t.Context(), name(0))
	if err != nil {
		t.Fatal(err)
	}
	for i := range tenants {
		assertLive(t, ix, name(i), 3, "1")
		if l := mustTenant(t, ix, name(i)).live.Load(); l == nil {
			t.Errorf("the index of %s is closed right after its search", name(i))
		}
	}
	got := isOpen()
	if !slices.Contains(got, name(0)) || len(got) > most+1 {
		t.Errorf("after the searches, %q are open, want %s, which is in use, and at most %d others", got, name(0), most)
	}
	used.done()
}

// A generation whose index is being closed for being idle is removed only once it is closed.
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
			t.Errorf("the disk has the calls %q, want %q", calls, removal)
		}
		mustClose(t, ix)
	})
}

// closeIdle closes the live index of a tenant, as if it had been idle for a long time.
func closeIdle(t testing.TB, ix *Index, tenant string) {
	t.Helper()
	of := mustTenant(t, ix, tenant)
	of.closeUnusedSince(time.Now().Add(time.Hour))
	if of.live.Load() != nil {
		t.Fatal("the index is open, want it closed for being idle")
	}
	<-of.idle
}
