package bleveindex

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/query"
	index "github.com/blevesearch/bleve_index_api"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// run reindexes as an engine with the default rules does.
func run(t testing.TB, ix *Index, tenant string, products []reindex.Product) error {
	t.Helper()
	engine, err := reindex.New(reindextest.Slice(products), ix, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = engine.Run(t.Context(), tenant)
	return err
}

// assertHeals checks that a tenant of 100 products whose live index is damaged is not replaced by one product, also in
// fresh processes, and that a reindex heals it.
func assertHeals(t *testing.T, dir string) {
	t.Helper()
	for range 2 {
		ix := open(t, dir, nil)
		for range 2 {
			if _, err := revs(t.Context(), ix, "acme"); !errors.Is(err, reindex.ErrDamaged) {
				t.Errorf("search: %v", err)
			}
		}
		if _, err := ix.DocCount(t.Context(), "acme"); !errors.Is(err, reindex.ErrDamaged) {
			t.Errorf("count: %v", err)
		}
		err := run(t, ix, "acme", products(1, "2"))
		if gate, ok := errors.AsType[*reindex.GateError](err); !ok || gate.Rule != reindex.RuleShrunk {
			t.Errorf("one product in place of 100: %v", err)
		}
		if err := ix.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ix := open(t, dir, nil)
	if err := run(t, ix, "acme", products(100, "3")); err != nil {
		t.Fatalf("the reindex that heals: %v", err)
	}
	assertLive(t, ix, "acme", 100, "3")
	if err := run(t, ix, "acme", products(100, "4")); err != nil {
		t.Fatal(err)
	}
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	if names := generationsOnDisk(t, dir, "acme"); len(names) != 1 {
		t.Errorf("left on the disk: %q", names)
	}
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

// pointBeyond makes the offsets in the footer of a segment point beyond its end, at which bleve panics. Other damage can
// make bleve ask for all memory.
func pointBeyond(content []byte) []byte {
	const offsets, rest = 24, 12 // bytes, before the end
	for at := len(content) - rest - offsets; at < len(content)-rest; at += 8 {
		binary.BigEndian.PutUint64(content[at:], uint64(len(content)+1))
	}
	return content
}

func half(content []byte) []byte { return content[:len(content)/2] }

// listPages returns the size of the pages of the list of segments, the number of those that it has, and those in use.
// Its file can be longer, and hold more pages than are in use: damage there is none.
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

func TestDamage(t *testing.T) {
	changed := func(pattern string, f func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, generation string) {
			paths, err := filepath.Glob(filepath.Join(generation, pattern))
			if err != nil || len(paths) == 0 {
				t.Fatalf("%q, %v", paths, err)
			}
			for _, path := range paths { // of segments, one may be there that is no longer in use
				change(t, path, f)
			}
		}
	}
	removed := func(pattern string) func(*testing.T, string) {
		return func(t *testing.T, generation string) {
			paths, err := filepath.Glob(filepath.Join(generation, pattern))
			if err != nil || len(paths) == 0 {
				t.Fatalf("%q, %v", paths, err)
			}
			for _, path := range paths {
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	const segment, root = "store/*.zap", "store/root.bolt"
	whole := t.TempDir()
	ix := open(t, whole, nil)
	publish(t, ix, "acme", products(100, "1")...)
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
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
			damage(t, filepath.Join(dir, tenantDir("acme"), generationsOnDisk(t, dir, "acme")[0]))
			assertHeals(t, dir)
		})
	}
}

// If bleve panics while it opens an index, the index counts as damaged. The generation is not opened again until the
// next process, or until a reindex has replaced it.
func TestOpeningPanics(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	generation := filepath.Join(dir, tenantDir("acme"), generationsOnDisk(t, dir, "acme")[0])
	segments, err := filepath.Glob(filepath.Join(generation, storeDir, "*.zap"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("%q, %v", segments, err)
	}
	whole, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	change(t, segments[0], flipMiddle)
	ix = open(t, dir, nil)
	if _, err := revs(t.Context(), ix, "acme"); !errors.Is(err, reindex.ErrDamaged) {
		t.Errorf("search: %v", err)
	}
	change(t, segments[0], func([]byte) []byte { return whole })
	if _, err := revs(t.Context(), ix, "acme"); !errors.Is(err, reindex.ErrDamaged) {
		t.Errorf("search in a generation that was damaged before: %v", err)
	}
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	ix = open(t, dir, nil)
	assertLive(t, ix, "acme", 100, "1")
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	change(t, segments[0], pointBeyond)
	opened, _, err := openForSearch(generation)
	if !errors.Is(err, reindex.ErrDamaged) || opened != nil {
		t.Errorf("open: %v, %v", opened, err)
	}
	if _, panicked := errors.AsType[*panicError](err); !panicked {
		t.Errorf("bleve has not panicked, but returned %v", err)
	}
}

// If any byte of an index is changed, a search returns the same results or an error, and a reindex succeeds.
func TestDamageAnywhere(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
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
			t.Errorf("byte %d: %d documents", i, len(found))
		}
		if err := run(t, ix, "acme", products(100, "2")); err != nil {
			t.Errorf("byte %d: %v", i, err)
		}
		if err := ix.Close(); err != nil {
			t.Errorf("byte %d: %v", i, err)
		}
	}
}

// A directory that an older release wrote has no numbers of documents. The live index is opened to count it then.
func TestOlderPointer(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
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
	gate, ok := errors.AsType[*reindex.GateError](run(t, ix, "acme", products(1, "2")))
	if !ok || gate.Rule != reindex.RuleShrunk || gate.Want < 2 {
		t.Errorf("one product in place of 100: %v", gate)
	}
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(tenant, generation, metaFile)); err != nil {
		t.Fatal(err)
	}
	ix = open(t, dir, nil)
	gate, ok = errors.AsType[*reindex.GateError](run(t, ix, "acme", products(1, "2")))
	if !ok || gate.Rule != reindex.RuleShrunk {
		t.Errorf("one product in place of an index that cannot be counted: %v", gate)
	}
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	err := os.Remove(filepath.Join(tenant, pointerFile))
	if err != nil { // and nothing says that the generation was ever live
		t.Fatal(err)
	}
	open(t, dir, nil)
	if names := generationsOnDisk(t, dir, "acme"); !slices.Contains(names, generation) {
		t.Errorf("the generation is gone: %q", names)
	}
}

// While a foreign program holds an index its searches wait no longer than their contexts, and nothing is known to be
// wrong with it.
func TestHeldElsewhere(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
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
			t.Errorf("a search whose context has ended while it waits: %v", err)
		}
	}
	select {
	case <-started.done:
		t.Error("the searches waited for the lock")
	default:
	}
	gate, ok := errors.AsType[*reindex.GateError](run(t, ix, "acme", products(1, "2")))
	if !ok || gate.Rule != reindex.RuleShrunk {
		t.Errorf("one product in place of 100: %v", gate)
	}
	if _, err := revs(t.Context(), ix, "acme"); !errors.Is(err, bolterrors.ErrTimeout) ||
		errors.Is(err, reindex.ErrDamaged) {
		t.Errorf("search: %v", err)
	}
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	assertLive(t, ix, "acme", 100, "1")
}

// A switch while the old generation is being opened supersedes it.
func TestSwitchWhileOpening(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
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
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertLive(t, ix, "acme", 100, "2")
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	<-started.done
	if started.err != nil {
		t.Errorf("those who waited for the old generation get %v", started.err)
	}
	assertLive(t, ix, "acme", 100, "2")
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	if names := generationsOnDisk(t, dir, "acme"); len(names) != 1 || names[0] != gen.name {
		t.Errorf("left on the disk: %q", names)
	}
}

func mustTenant(t testing.TB, ix *Index, name string) *tenant {
	t.Helper()
	tenant, err := ix.tenant(name, false)
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

// panicking is a query of a host that panics.
type panicking struct{}

func (panicking) Searcher(
	context.Context,
	index.IndexReader,
	mapping.IndexMapping,
	search.SearcherOptions,
) (search.Searcher, error) {
	panic("no luck")
}

// A panic in a query only fails its search, unless the index is damaged.
func TestSearchPanics(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	for _, q := range []query.Query{panicking{}, (*query.MatchQuery)(nil)} {
		if _, err := ix.Search(t.Context(), "acme", bleve.NewSearchRequest(q)); err == nil ||
			errors.Is(err, reindex.ErrDamaged) {
			t.Errorf("a %T: %v", q, err)
		}
	}
	assertLive(t, ix, "acme", 100, "1")

	gen := seal(t, ix, "acme", products(100, "2"))
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	segments, _ := filepath.Glob(filepath.Join(gen.dir, storeDir, "*.zap"))
	for _, path := range segments {
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt([]byte(strings.Repeat("x", 100)), 100); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []query.Query{panicking{}, bleve.NewMatchAllQuery()} {
		if _, err := ix.Search(t.Context(), "acme", bleve.NewSearchRequest(q)); !errors.Is(err, reindex.ErrDamaged) {
			t.Errorf("a %T in a damaged index: %v", q, err)
		}
	}
	publish(t, ix, "acme", products(100, "3")...)
	assertLive(t, ix, "acme", 100, "3")
}
