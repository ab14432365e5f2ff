package bleveindex

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"productindex/reindex"
)

// The pointer and the mark of an older release do not have the number of documents. The live index is then opened to
// count them.
func TestOlderPointer(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	mustClose(t, ix)
	generation := generationsOnDisk(t, dir, "acme")[0]
	tenant := filepath.Join(dir, tenantDir("acme"))
	if err := os.WriteFile(filepath.Join(tenant, pointerFile), []byte(line("1 "+generation)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(tenant, generation, markFile)); err != nil {
		t.Fatal(err)
	}
	ix = open(t, dir, nil)
	assertLive(t, ix, "acme", 100, "1")
	if gate := assertShrunk(t, run(t, ix, "acme", products(1, "2"))); gate.Want < 2 {
		t.Errorf("the least number of documents is %v, want more than 1", gate.Want)
	}
	mustClose(t, ix)
	if err := os.Remove(filepath.Join(tenant, generation, metaFile)); err != nil {
		t.Fatal(err)
	}
	ix = open(t, dir, nil)
	assertShrunk(t, run(t, ix, "acme", products(1, "2"))) // the live index cannot be counted
	mustClose(t, ix)
	// Without the pointer, no file shows that the generation was ever live.
	if err := os.Remove(filepath.Join(tenant, pointerFile)); err != nil {
		t.Fatal(err)
	}
	open(t, dir, nil)
	if names := generationsOnDisk(t, dir, "acme"); !slices.Contains(names, generation) {
		t.Errorf("the disk has %q, want also %s", names, generation)
	}
}

// A damaged pointer makes the searches of its tenant fail. No generation of the tenant is removed, and a reindex
// repairs the pointer.
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
			mustClose(t, ix)
			path := filepath.Join(dir, tenantDir("acme"), pointerFile)
			if err := os.WriteFile(path, []byte(damage), 0o600); err != nil {
				t.Fatal(err)
			}
			ix = open(t, dir, nil)
			_, err := revs(t.Context(), ix, "acme")
			if !errors.Is(err, reindex.ErrDamaged) || !strings.Contains(err.Error(), path) {
				t.Errorf("search: error %v, want %v with the path %s", err, reindex.ErrDamaged, path)
			}
			if _, err := ix.Reap(t.Context(), "acme"); !errors.Is(err, reindex.ErrDamaged) {
				t.Errorf("reap: error %v, want %v", err, reindex.ErrDamaged)
			}
			assertGenerations(t, dir, "acme", 1)
			assertLive(t, ix, "other", 10, "1")
			gen := seal(t, ix, "acme", products(5, "2"))
			if gen.sealed.Live != 10 {
				t.Errorf("sealed beside %d live documents, want 10", gen.sealed.Live)
			}
			mustCommit(t, gen)
			assertLive(t, ix, "acme", 5, "2")
			if n, err := ix.Reap(t.Context(), "acme"); n != 1 || err != nil {
				t.Errorf("reaped %d, error %v, want the generation that was live", n, err)
			}
		})
	}
}

// If the pointer is lost, a generation that was live stays on the disk until a reindex replaces it. One that was never
// live is removed.
func TestLostPointer(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	seal(t, ix, "acme", products(100, "2"))
	die(t, ix)
	live := filepath.Join(dir, tenantDir("acme"), pointerFile)
	if err := os.Remove(live); err != nil {
		t.Fatal(err)
	}
	ix = open(t, dir, nil)
	names := generationsOnDisk(t, dir, "acme")
	if len(names) != 1 {
		t.Fatalf("%q are on the disk, want one generation", names)
	}
	if _, err := revs(t.Context(), ix, "acme"); !errors.Is(err, reindex.ErrDamaged) ||
		!strings.Contains(err.Error(), live) || !strings.Contains(err.Error(), names[0]) {
		t.Errorf("search: error %v, want %v with %s and %s", err, reindex.ErrDamaged, live, names[0])
	}
	if n, err := ix.Reap(t.Context(), "acme"); n != 0 || !errors.Is(err, reindex.ErrDamaged) {
		t.Errorf("reaped %d, error %v, want 0 and %v", n, err, reindex.ErrDamaged)
	}
	if now := generationsOnDisk(t, dir, "acme"); !slices.Equal(now, names) {
		t.Errorf("%q are on the disk, want %q", now, names)
	}
	publish(t, ix, "acme", products(100, "3")...)
	if n, err := ix.Reap(t.Context(), "acme"); n != 1 || err != nil {
		t.Errorf("reaped %d, error %v, want 1", n, err)
	}
	assertLive(t, ix, "acme", 100, "3")
}
