package bleveindex

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"productindex/reindex"
)

// While another program locks an index, a search ends with its context, and the index does not count as damaged.
func TestHeldElsewhere(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	mustClose(t, ix)
	generation := generationsOnDisk(t, dir, "acme")[0]
	holder, err := bbolt.Open(filepath.Join(dir, tenantDir("acme"), generation, storeDir, rootFile), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	ix = open(t, dir, nil)
	started, err := mustTenant(t, ix, "acme").open()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		if _, err := mustTenant(t, ix, "acme").acquire(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("search with a context that has ended: error %v, want %v", err, context.Canceled)
		}
	}
	select {
	case <-started.done:
		t.Error("the searches waited until the index was open, although their context had ended")
	default:
	}
	assertShrunk(t, run(t, ix, "acme", products(1, "2")))
	if _, err := revs(t.Context(), ix, "acme"); !errors.Is(err, bolterrors.ErrTimeout) ||
		errors.Is(err, reindex.ErrDamaged) {
		t.Errorf("search: error %v, want %v without %v", err, bolterrors.ErrTimeout, reindex.ErrDamaged)
	}
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	assertLive(t, ix, "acme", 100, "1")
}

// A search that waits for a generation to be opened succeeds if another generation goes live meanwhile.
func TestSwitchWhileOpening(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	mustClose(t, ix)
	ix = open(t, dir, nil)
	gen := seal(t, ix, "acme", products(100, "2"))
	holder, err := bbolt.Open(
		filepath.Join(dir, tenantDir("acme"), generationsOnDisk(t, dir, "acme")[0], storeDir, rootFile),
		0o600,
		nil,
	)
	if err != nil {
		t.Fatal(err)
	}
	started, err := mustTenant(t, ix, "acme").open()
	if err != nil {
		t.Fatal(err)
	}
	mustCommit(t, gen)
	assertLive(t, ix, "acme", 100, "2")
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	<-started.done
	if started.err != nil {
		t.Errorf("searches that wait for the old generation get the error %v, want none", started.err)
	}
	assertLive(t, ix, "acme", 100, "2")
	mustClose(t, ix)
	if names := generationsOnDisk(t, dir, "acme"); len(names) != 1 || names[0] != gen.name {
		t.Errorf("%q are on the disk, want only %s", names, gen.name)
	}
}
