package bleveindex

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/blevesearch/bleve/v2"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// A search that began before a switch ends in its own generation, which is there until then and gone afterwards.
func TestRetire(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(10, "1")...)
	old, err := ix.acquire(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	publish(t, ix, "acme", products(20, "2")...)
	publish(t, ix, "acme", products(30, "3")...)
	assertLive(t, ix, "acme", 30, "3")
	if n, err := old.index.DocCount(); n != 10 || err != nil {
		t.Errorf("the generation in use has %d documents, %v", n, err)
	}
	if !slices.Contains(generationsOnDisk(t, dir, "acme"), old.name) {
		t.Error("the generation in use was removed")
	}
	if n, err := ix.Reap(t.Context(), "acme"); n != 0 || err != nil {
		t.Errorf("reaped %d, %v while a search uses the old generation", n, err)
	}
	old.done()
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	if names := generationsOnDisk(t, dir, "acme"); len(names) != 1 {
		t.Errorf("left on the disk: %q", names)
	}
}

// Searches go on through many switches, and through those right after opening, when no search has opened the live
// generation yet.
func TestSearchThroughSwitches(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		f := fixture(t, dir, nil)
		ix := f.Indexer.(*Index)
		publish(t, ix, "acme", products(50, "x")...)
		stop := reindextest.SearchMeanwhile(t, f, "acme", func(string) int { return 50 })
		for _, rev := range []string{"a", "b", "c"} {
			publish(t, ix, "acme", products(50, rev)...)
		}
		stop()
		if err := ix.Close(); err != nil {
			t.Fatal(err)
		}
		if names := generationsOnDisk(t, dir, "acme"); len(names) != 1 {
			t.Errorf("left on the disk: %q", names)
		}
	}
}

func TestSecondOpener(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	if _, err := Open(dir, nil); !errors.Is(err, ErrLocked) {
		t.Errorf("the second opener got %v", err)
	}
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, nil)
}

func TestClose(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(10, "1")...)
	written, sealed := begin(t, ix, "acme"), seal(t, ix, "acme", products(5, "2"))
	if err := written.Write(t.Context(), products(5, "2")); err != nil {
		t.Fatal(err)
	}
	searching, err := ix.acquire(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 3)
	for range 3 {
		go func() { closed <- ix.Close() }()
	}
	for !ix.isClosed() || len(generationsOnDisk(t, dir, "acme")) > 1 {
		runtime.Gosched() // until it has nothing left to do but to wait
	}
	select {
	case <-closed:
		t.Fatal("Close has not waited for the search")
	case <-time.After(100 * time.Millisecond):
	}
	if n, err := searching.index.DocCount(); n != 10 || err != nil {
		t.Errorf("during Close a search sees %d documents, %v", n, err)
	}
	searching.done()
	for range 3 {
		if err := <-closed; err != nil {
			t.Error(err)
		}
	}

	ctx := t.Context()
	_, searchErr := ix.Search(ctx, "acme", bleve.NewSearchRequest(bleve.NewMatchAllQuery()))
	_, countErr := ix.DocCount(ctx, "acme")
	_, beginErr := ix.Begin(ctx, "acme")
	_, otherErr := ix.Begin(ctx, "other")
	_, reapErr := ix.Reap(ctx, "acme")
	_, sealErr := written.Seal(ctx)
	for what, err := range map[string]error{
		"search": searchErr, "count": countErr, "begin": beginErr, "begin for a new tenant": otherErr, "reap": reapErr,
		"seal":  sealErr,
		"write": written.Write(ctx, products(1, "2")), "commit": sealed.Commit(ctx),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
	if err := errors.Join(written.Abort(ctx), sealed.Abort(ctx)); err != nil {
		t.Errorf("abort after Close: %v", err)
	}
	if names := generationsOnDisk(t, dir, "acme"); len(names) != 1 {
		t.Errorf("left on the disk: %q", names)
	}
	assertLive(t, open(t, dir, nil), "acme", 10, "1")
}

// Searches that run while the index is closed end well or with ErrClosed.
func TestCloseDuringSearches(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", products(100, "1")...)
	publish(t, ix, "other", products(100, "1")...)
	var searchers sync.WaitGroup
	started := make(chan struct{}, 8)
	for i := range 8 {
		searchers.Go(func() {
			for n := 0; ; n++ {
				found, err := revs(context.Background(), ix, []string{"acme", "other"}[i%2])
				if n == 0 {
					started <- struct{}{}
				}
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil || len(found) != 100 {
					t.Errorf("%d documents, %v", len(found), err)
					return
				}
			}
		})
	}
	for range 8 {
		<-started
	}
	if err := ix.Close(); err != nil {
		t.Error(err)
	}
	searchers.Wait()
}

func TestReapAtOpen(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	for _, tenant := range []string{"acme", "Über/alles"} {
		publish(t, ix, tenant, products(10, "1")...)
		seal(t, ix, tenant, products(10, "2"))
		begin(t, ix, tenant)
	}
	begin(t, ix, "new")
	die(t, ix)
	foreign := filepath.Join(dir, tenantDir("acme"), "notes.txt")
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ix = open(t, dir, nil)
	for tenant, want := range map[string]int{"acme": 2, "Über/alles": 1, "new": 0} {
		if names := generationsOnDisk(t, dir, tenant); len(names) != want {
			t.Errorf("tenant %s: left on the disk: %q", tenant, names)
		}
	}
	assertLive(t, ix, "acme", 10, "1")
	assertLive(t, ix, "Über/alles", 10, "1")
	if _, err := revs(t.Context(), ix, "new"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("a file of somebody else's is gone: %v", err)
	}
}

// A damaged pointer is an error of that tenant alone, nothing of it is removed, and a reindex repairs it.
func TestDamagedPointer(t *testing.T) {
	for name, damage := range map[string]string{
		"empty": "", "cut": pointer{generation: newGenerationName(), documents: 10}.format()[:20],
		"gone": pointer{generation: newGenerationName(), documents: 10}.format(), "other version": "3 g\n",
		"bit":       strings.Replace(pointer{generation: newGenerationName(), documents: 10}.format(), "T", "U", 1),
		"traversal": pointer{generation: "../../etc", documents: 10}.format(),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ix := open(t, dir, nil)
			publish(t, ix, "acme", products(10, "1")...)
			publish(t, ix, "other", products(10, "1")...)
			if err := ix.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, tenantDir("acme"), pointerFile)
			if err := os.WriteFile(path, []byte(damage), 0o600); err != nil {
				t.Fatal(err)
			}
			ix = open(t, dir, nil)
			_, err := revs(t.Context(), ix, "acme")
			if !errors.Is(err, reindex.ErrDamaged) || !strings.Contains(err.Error(), path) {
				t.Errorf("search: %v", err)
			}
			if _, err := ix.Reap(t.Context(), "acme"); !errors.Is(err, reindex.ErrDamaged) {
				t.Errorf("reap: %v", err)
			}
			if names := generationsOnDisk(t, dir, "acme"); len(names) != 1 {
				t.Errorf("on the disk: %q", names)
			}
			assertLive(t, ix, "other", 10, "1")
			gen := seal(t, ix, "acme", products(5, "2"))
			if gen.sealed.Live != 10 {
				t.Errorf("Live is %d, want the 10 documents that were live", gen.sealed.Live)
			}
			if err := gen.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			assertLive(t, ix, "acme", 5, "2")
			if n, err := ix.Reap(t.Context(), "acme"); n != 1 || err != nil {
				t.Errorf("reaped %d, %v; want the generation that was live", n, err)
			}
		})
	}
}

// A commit whose pointer cannot be written leaves everything as it is, and can be made again.
func TestCommitFails(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(10, "1")...)
	gen := seal(t, ix, "acme", products(5, "2"))
	obstacle := filepath.Join(dir, tenantDir("acme"), pointerTemp)
	if err := os.Mkdir(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := gen.Commit(t.Context()); err == nil {
		t.Fatal("the commit succeeded")
	}
	assertLive(t, ix, "acme", 10, "1")
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertLive(t, ix, "acme", 5, "2")
}

// Of two runs of a tenant the one with the greater fencing token wins, also after it has ended.
func TestFencing(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	beginWith := func(token int64) (reindex.Generation, error) {
		return ix.Begin(reindex.WithFence(t.Context(), token), "acme")
	}
	late, err := beginWith(3)
	if err != nil {
		t.Fatal(err)
	}
	newer, err := beginWith(4)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []int64{1, 3, 4} {
		if _, err := beginWith(token); !errors.Is(err, reindex.ErrFenced) || !strings.Contains(err.Error(), `tenant "acme"`) {
			t.Errorf("token %d after 4: %v", token, err)
		}
	}
	for _, gen := range []reindex.Generation{late, newer} {
		if _, err := gen.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := late.Commit(t.Context()); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("the late one: %v", err)
	}
	if err := newer.Commit(t.Context()); err != nil {
		t.Errorf("the newer one: %v", err)
	}
	if err := late.Commit(t.Context()); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("the late one, after the newer one: %v", err)
	}
	publish(t, ix, "acme", products(1, "without a token")...)
	if gen, err := ix.Begin(reindex.WithFence(t.Context(), 1), "other"); err != nil {
		t.Errorf("token 1 of another tenant: %v", err)
	} else if err := gen.Abort(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCallsOutOfOrder(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	gen := begin(t, ix, "acme")
	if err := gen.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), "open for writing") {
		t.Errorf("commit before seal: %v", err)
	}
	first, err := gen.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := gen.Seal(t.Context()); err != nil || again.Documents != first.Documents || again.Live != first.Live {
		t.Errorf("sealed again: %+v, %v", again, err)
	}
	if err := gen.Write(t.Context(), products(1, "1")); err == nil || !strings.Contains(err.Error(), "sealed") {
		t.Errorf("write after seal: %v", err)
	}
	if err := gen.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"commit": gen.Commit(t.Context()), "write": gen.Write(t.Context(), nil)} {
		if err == nil || !strings.Contains(err.Error(), "discarded") {
			t.Errorf("%s after abort: %v", what, err)
		}
	}
}

func TestTenantErrors(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	ctx := t.Context()
	for _, tenant := range []string{"", "a\nb", strings.Repeat("x", reindex.MaxTenantBytes+1), "\xff"} {
		_, beginErr := ix.Begin(ctx, tenant)
		_, countErr := ix.DocCount(ctx, tenant)
		_, reapErr := ix.Reap(ctx, tenant)
		for _, err := range []error{beginErr, countErr, reapErr} {
			if !errors.Is(err, reindex.ErrTenant) {
				t.Errorf("tenant %.20q: %v", tenant, err)
			}
		}
	}
	if _, err := ix.DocCount(ctx, "unknown"); !errors.Is(err, reindex.ErrNoLiveIndex) {
		t.Errorf("count: %v", err)
	}
	if n, err := ix.Reap(ctx, "unknown"); n != 0 || err != nil {
		t.Errorf("reap: %d, %v", n, err)
	}
	if len(ix.tenants) > 0 {
		t.Error("searches for tenants that are not there are remembered")
	}
	if err := os.WriteFile(filepath.Join(dir, tenantDir("file")), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ix.Begin(ctx, "file"); err == nil || !strings.Contains(err.Error(), `tenant "file"`) {
		t.Errorf("begin where no directory can be created: %v", err)
	}
	if _, err := Open(filepath.Join(dir, tenantDir("file")), nil); err == nil {
		t.Error("a file was opened as a directory")
	}
}
