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

// A search that began before a switch ends in its own generation, which is removed only after that.
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
		t.Errorf("the generation in use has %d documents, error %v, want 10", n, err)
	}
	if !slices.Contains(generationsOnDisk(t, dir, "acme"), old.name) {
		t.Error("the generation is removed while a search uses it")
	}
	if n, err := ix.Reap(t.Context(), "acme"); n != 0 || err != nil {
		t.Errorf("reaped %d, error %v while a search uses the old generation, want 0", n, err)
	}
	old.done()
	mustClose(t, ix)
	assertGenerations(t, dir, "acme", 1)
}

// Searches find whole generations through several switches, even right after Open, before a search has opened the live
// generation.
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
		mustClose(t, ix)
		assertGenerations(t, dir, "acme", 1)
	}
}

func TestSecondOpener(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	if _, err := Open(dir, nil); !errors.Is(err, ErrLocked) {
		t.Errorf("the second Open: error %v, want %v", err, ErrLocked)
	}
	mustClose(t, ix)
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
		runtime.Gosched() // until Close only waits for the search
	}
	select {
	case <-closed:
		t.Fatal("Close has returned before the search ended")
	case <-time.After(100 * time.Millisecond):
	}
	if n, err := searching.index.DocCount(); n != 10 || err != nil {
		t.Errorf("during Close, a search finds %d documents, error %v, want 10", n, err)
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
		"seal": sealErr, "write": written.Write(ctx, products(1, "2")), "commit": sealed.Commit(ctx),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: error %v, want %v", what, err, ErrClosed)
		}
	}
	if err := errors.Join(written.Abort(ctx), sealed.Abort(ctx)); err != nil {
		t.Errorf("abort after Close: %v", err)
	}
	assertGenerations(t, dir, "acme", 1)
	assertLive(t, open(t, dir, nil), "acme", 10, "1")
}

// A search that runs while the index is closed succeeds, or returns ErrClosed.
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
					t.Errorf("a search finds %d documents, error %v, want 100 or %v", len(found), err, ErrClosed)
					return
				}
			}
		})
	}
	for range 8 {
		<-started
	}
	mustClose(t, ix)
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
	// acme also has the foreign file.
	for tenant, want := range map[string]int{"acme": 2, "Über/alles": 1, "new": 0} {
		assertGenerations(t, dir, tenant, want)
	}
	assertLive(t, ix, "acme", 10, "1")
	assertLive(t, ix, "Über/alles", 10, "1")
	if _, err := revs(t.Context(), ix, "new"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("a file that this package did not make: %v, want the file to stay", err)
	}
}

// If the pointer cannot be written, Commit fails without any effect, and can be called again.
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
		t.Fatal("the commit succeeds, although the pointer cannot be written")
	}
	assertLive(t, ix, "acme", 10, "1")
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, gen)
	assertLive(t, ix, "acme", 5, "2")
}

// If a tenant has two runs, only the one with the greater fencing token can commit, even after that one has ended.
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
			t.Errorf("begin with token %d after 4: error %v, want %v with the tenant", token, err, reindex.ErrFenced)
		}
	}
	for _, gen := range []reindex.Generation{late, newer} {
		if _, err := gen.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := late.Commit(t.Context()); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("commit of the run with the smaller token: error %v, want %v", err, reindex.ErrFenced)
	}
	if err := newer.Commit(t.Context()); err != nil {
		t.Errorf("commit of the run with the greater token: %v", err)
	}
	if err := late.Commit(t.Context()); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("commit of the run with the smaller token after the other: error %v, want %v", err, reindex.ErrFenced)
	}
	publish(t, ix, "acme", products(1, "without a token")...)
	if gen, err := ix.Begin(reindex.WithFence(t.Context(), 1), "other"); err != nil {
		t.Errorf("begin with token 1 for another tenant: %v", err)
	} else if err := gen.Abort(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCallsOutOfOrder(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	gen := begin(t, ix, "acme")
	if err := gen.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), "open for writing") {
		t.Errorf("commit before seal: error %v, want one with %q", err, "open for writing")
	}
	first, err := gen.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := gen.Seal(t.Context()); err != nil || again.Documents != first.Documents || again.Live != first.Live {
		t.Errorf("sealed again: %+v, error %v, want %+v", again, err, first)
	}
	if err := gen.Write(t.Context(), products(1, "1")); err == nil || !strings.Contains(err.Error(), "sealed") {
		t.Errorf("write after seal: error %v, want one with %q", err, "sealed")
	}
	if err := gen.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"commit": gen.Commit(t.Context()), "write": gen.Write(t.Context(), nil)} {
		if err == nil || !strings.Contains(err.Error(), "discarded") {
			t.Errorf("%s after abort: error %v, want one with %q", what, err, "discarded")
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
				t.Errorf("tenant %.20q: error %v, want %v", tenant, err, reindex.ErrTenant)
			}
		}
	}
	if _, err := ix.DocCount(ctx, "unknown"); !errors.Is(err, reindex.ErrNoLiveIndex) {
		t.Errorf("count: error %v, want %v", err, reindex.ErrNoLiveIndex)
	}
	if n, err := ix.Reap(ctx, "unknown"); n != 0 || err != nil {
		t.Errorf("reaped %d, error %v, want 0", n, err)
	}
	if n := len(ix.tenants); n > 0 {
		t.Errorf("the index keeps the state of %d tenants that do not exist", n)
	}
	if err := os.WriteFile(filepath.Join(dir, tenantDir("file")), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ix.Begin(ctx, "file"); err == nil || !strings.Contains(err.Error(), `tenant "file"`) {
		t.Errorf("begin for a tenant whose directory is a file: error %v, want one with the tenant", err)
	}
	if _, err := Open(filepath.Join(dir, tenantDir("file")), nil); err == nil {
		t.Error("Open accepts a file as a directory, want an error")
	}
}
