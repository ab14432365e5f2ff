package bleveindex

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"productindex/reindex"
)

// assertHeals checks a tenant of 100 products whose live index is damaged: its searches fail, a run with one product
// does not replace it, even in another process, and a run with 100 products heals it.
func assertHeals(t *testing.T, dir string) {
	t.Helper()
	for range 2 {
		ix := open(t, dir, nil)
		for range 2 {
			if _, err := revs(t.Context(), ix, "acme"); !errors.Is(err, reindex.ErrDamaged) {
				t.Errorf("search: error %v, want %v", err, reindex.ErrDamaged)
			}
		}
		if _, err := ix.DocCount(t.Context(), "acme"); !errors.Is(err, reindex.ErrDamaged) {
			t.Errorf("count: error %v, want %v", err, reindex.ErrDamaged)
		}
		assertShrunk(t, run(t, ix, "acme", products(1, "2")))
		mustClose(t, ix)
	}
	ix := open(t, dir, nil)
	if err := run(t, ix, "acme", products(100, "3")); err != nil {
		t.Fatalf("run with 100 products: %v", err)
	}
	assertLive(t, ix, "acme", 100, "3")
	if err := run(t, ix, "acme", products(100, "4")); err != nil {
		t.Fatal(err)
	}
	mustClose(t, ix)
	assertGenerations(t, dir, "acme", 1)
}

// assertShrunk checks that a run has failed because the index would shrink below MinFraction.
func assertShrunk(t testing.TB, err error) *reindex.GateError {
	t.Helper()
	gate, ok := errors.AsType[*reindex.GateError](err)
	if !ok || gate.Rule != reindex.RuleShrunk {
		t.Fatalf("run with one product in place of 100: error %v, want the rule %v", err, reindex.RuleShrunk)
	}
	return gate
}

// change changes the bytes of a file.
func change(t testing.TB, path string, f func([]byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, f(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func flipMiddle(content []byte) []byte {
	for i := len(content) / 4; i < len(content)*3/4; i += 37 {
		content[i] ^= 0xff
	}
	return content
}

func flipOneBit(content []byte) []byte {
	content[len(content)/2] ^= 1
	return content
}

// pointBeyond makes the offsets in the footer of a segment point beyond its end, which makes bleve panic. Other damage
// can make bleve allocate all memory.
func pointBeyond(content []byte) []byte {
	const offsets, rest = 24, 12 // bytes, before the end
	for at := len(content) - rest - offsets; at < len(content)-rest; at += 8 {
		binary.BigEndian.PutUint64(content[at:], uint64(len(content)+1))
	}
	return content
}

func half(content []byte) []byte { return content[:len(content)/2] }

// listPages returns the size and the number of the pages of the list of segments, and the pages in use. A change of
// another page, or behind the last one, is not damage.
func listPages(t testing.TB, content []byte) (size, pages int, used []int) {
	t.Helper()
	r := &boltReader{content: content, seen: map[uint64]bool{}}
	root, freelist, err := r.readMeta()
	if err := errors.Join(err, r.readPage(root, newBoltBucket()), r.readFreelist(freelist)); err != nil {
		t.Fatal(err)
	}
	for page := range r.seen {
		used = append(used, int(page))
	}
	return int(r.pageSize), int(r.pages), used
}

// changed returns a function that changes the files of a generation that match the pattern.
func changed(pattern string, f func([]byte) []byte) func(*testing.T, string) {
	return func(t *testing.T, generation string) {
		for _, path := range filesOf(t, generation, pattern) { // all segments, since some may not be in use
			change(t, path, f)
		}
	}
}

// removed returns a function that removes the files of a generation that match the pattern.
func removed(pattern string) func(*testing.T, string) {
	return func(t *testing.T, generation string) {
		for _, path := range filesOf(t, generation, pattern) {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// filesOf returns the paths of the files of a generation that match the pattern.
func filesOf(t *testing.T, generation, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(generation, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("the files %q match %s, error %v, want at least one", paths, pattern, err)
	}
	return paths
}

// A damaged file makes searches fail, and a reindex heals the tenant.
func TestDamage(t *testing.T) {
	const segment, root = "store/*.zap", "store/root.bolt"
	whole := t.TempDir()
	ix := open(t, whole, nil)
	publish(t, ix, "acme", products(100, "1")...)
	mustClose(t, ix)
	for name, damage := range map[string]func(*testing.T, string){
		"segment flipped":     changed(segment, flipMiddle),
		"segment, one bit":    changed(segment, flipOneBit),
		"segment cut":         changed(segment, half),
		"segment cut to less": changed(segment, func(b []byte) []byte { return b[:10] }),
		"segment empty":       changed(segment, func([]byte) []byte { return nil }),
		"segment gone":        removed(segment),
		"list flipped": changed(root, func(b []byte) []byte {
			size, _, used := listPages(t, b)
			for _, page := range used {
				for i := page * size; i < (page+1)*size; i += 37 {
					b[i] ^= 0xff
				}
			}
			return b
		}),
		"list cut": changed(root, func(b []byte) []byte {
			size, pages, _ := listPages(t, b)
			return b[:pages/2*size]
		}),
		"list cut to less": changed(root, func(b []byte) []byte { return b[:5000] }),
		"list empty":       changed(root, func([]byte) []byte { return nil }),
		"list gone":        removed(root),
		"meta cut":         changed(metaFile, half),
		"meta of another": changed(metaFile,
			func([]byte) []byte { return []byte(`{"storage":"boltdb","index_type":"upside_down"}`) }),
		"meta empty":      changed(metaFile, func([]byte) []byte { return nil }),
		"meta gone":       removed(metaFile),
		"store gone":      removed(storeDir),
		"generation gone": removed(""),
		"pointer gone":    removed("../live"),
		"pointer flipped": changed("../live", flipMiddle),
		"documents gone": changed("../live", func(b []byte) []byte {
			p, err := parsePointer(string(b))
			if err != nil {
				t.Fatal(err)
			}
			p.documents++
			return []byte(p.format())
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			damage(t, generationPath(t, dir, "acme"))
			assertHeals(t, dir)
		})
	}
}

// If a byte of the list of segments is changed, a search returns all products or an error, and a reindex succeeds.
func TestDamageAnywhere(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	mustClose(t, ix)
	generation := generationsOnDisk(t, dir, "acme")[0]
	sound := os.DirFS(filepath.Join(dir, tenantDir("acme")))
	root := filepath.Join(generation, storeDir, rootFile)
	content, err := os.ReadFile(filepath.Join(dir, tenantDir("acme"), root))
	if err != nil {
		t.Fatal(err)
	}
	const places = 10
	for i := 0; i < len(content); i += len(content)/places + 1 {
		other := t.TempDir()
		if err := os.CopyFS(filepath.Join(other, tenantDir("acme")), sound); err != nil {
			t.Fatal(err)
		}
		change(t, filepath.Join(other, tenantDir("acme"), root), func(b []byte) []byte {
			b[i] ^= 0xff
			return b
		})
		ix := open(t, other, nil)
		if found, err := revs(t.Context(), ix, "acme"); err == nil && len(found) != 100 {
			t.Errorf("byte %d: a search finds %d documents, want 100 or an error", i, len(found))
		}
		if err := run(t, ix, "acme", products(100, "2")); err != nil {
			t.Errorf("byte %d: reindex: %v", i, err)
		}
		if err := ix.Close(); err != nil {
			t.Errorf("byte %d: close: %v", i, err)
		}
	}
}
