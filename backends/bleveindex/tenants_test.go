package bleveindex

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"productindex/reindex"
)

func TestTenants(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	if tenants, err := ix.Tenants(t.Context()); len(tenants) > 0 || err != nil {
		t.Errorf("tenants of an empty directory: %q, error %v, want none", tenants, err)
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
		t.Errorf("tenants: %q, error %v, want %q", tenants, err, want)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ix.Tenants(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: error %v, want %v", err, context.Canceled)
	}
	mustClose(t, ix)
	if _, err := ix.Tenants(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: error %v, want %v", err, ErrClosed)
	}
}

// No files of a deleted tenant are left, whatever state it was in. A reindex creates the tenant again.
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
			mustClose(t, ix)
			ix = open(t, dir, nil)
			prepare(t, ix)
			if err := ix.DeleteTenant(t.Context(), "acme"); err != nil {
				t.Fatal(err)
			}
			if _, err := ix.DocCount(t.Context(), "acme"); !errors.Is(err, reindex.ErrNoLiveIndex) {
				t.Errorf("count: error %v, want %v", err, reindex.ErrNoLiveIndex)
			}
			assertNoDirectory(t, dir, "acme")
			if err := ix.DeleteTenant(t.Context(), "acme"); err != nil {
				t.Errorf("delete again: %v", err)
			}
			assertLive(t, ix, "other", 10, "1")
			gen := seal(t, ix, "acme", products(1, "2"))
			if gen.sealed.Live != -1 {
				t.Errorf("sealed beside %d live documents, want -1", gen.sealed.Live)
			}
			if err := ix.DeleteTenant(t.Context(), "acme"); !errors.Is(err, reindex.ErrRunning) {
				t.Errorf("delete during a reindex: error %v, want %v", err, reindex.ErrRunning)
			}
			mustCommit(t, gen)
			assertLive(t, ix, "acme", 1, "2")
		})
	}
}

// A search that runs while a tenant is deleted ends in the deleted index, even if the context of the deletion has
// ended.
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
		t.Errorf("count: error %v, want %v", err, reindex.ErrNoLiveIndex)
	}
	cancel()
	if err := <-deleted; !errors.Is(err, context.Canceled) {
		t.Errorf("delete: error %v, want %v", err, context.Canceled)
	}
	if n, err := searching.count(); n != 10 || err != nil {
		t.Errorf("the search finds %d documents, error %v, want 10", n, err)
	}
	searching.done()
	mustClose(t, ix)
	assertGenerations(t, dir, "acme", 0)
	open(t, dir, nil)
	assertNoDirectory(t, dir, "acme")
}

// A reindex that begins while its tenant is deleted keeps its files.
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
	sealAndCommit(t, gen)
	if err := tenant.clear(); err != nil {
		t.Fatal(err)
	}
	assertLive(t, ix, "acme", 20, "2")
}

// If a change of the disk fails while a tenant is deleted, the tenant is deleted or unchanged, and can be deleted
// again.
func TestDeleteTenantFails(t *testing.T) {
	for _, call := range []string{
		"sync t-acme/live.new", "rename t-acme/live", "sync t-acme", "remove t-acme/GEN", "remove t-acme", "sync .",
	} {
		ix, r := openRecorded(t)
		gen := seal(t, ix, "acme", products(10, "1"))
		mustCommit(t, gen)
		if call == "remove t-acme/GEN" {
			call = "remove t-acme/" + gen.name
		}
		r.failing(call, errors.New("no luck"))
		if err := ix.DeleteTenant(t.Context(), "acme"); err == nil {
			t.Errorf("%s fails: delete: no error", call)
		}
		r.failing("", nil)
		_, err := ix.DocCount(t.Context(), "acme")
		deleted := call != "sync t-acme/live.new" && call != "rename t-acme/live"
		if errors.Is(err, reindex.ErrNoLiveIndex) != deleted || err != nil != deleted {
			t.Errorf("%s fails: count: error %v, want the tenant deleted: %v", call, err, deleted)
		}
		if err := ix.DeleteTenant(t.Context(), "acme"); err != nil {
			t.Errorf("%s has failed: delete again: %v", call, err)
		}
		assertNoDirectory(t, r.dir, "acme")
	}
}

// assertNoDirectory checks that a tenant has no directory.
func assertNoDirectory(t *testing.T, dir, tenant string) {
	t.Helper()
	path := filepath.Join(dir, tenantDir(tenant))
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory %s: error %v, want %v", path, err, os.ErrNotExist)
	}
}
