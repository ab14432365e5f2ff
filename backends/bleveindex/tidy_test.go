package bleveindex

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2/index/scorch"

	"productindex/reindex"
)

// The files of merged segments are removed once no search reads them, even without another write.
func TestTidy(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(10, "1")...)
	live, err := ix.acquire(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	defer live.done()
	inner, err := live.index.Advanced()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := inner.Reader() // like a search that goes on while the segments are merged
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range products(40, "2") {
		update(t, ix, "acme", reindex.Change{ID: p.ID, Body: p.Body})
	}
	files := func() (n int) {
		entries, err := os.ReadDir(filepath.Join(dir, tenantDir("acme"), live.name, storeDir))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if strings.HasSuffix(entry.Name(), ".zap") {
				n++
			}
		}
		return n
	}
	used := func() int {
		n, err := strconv.Atoi(segments(t, ix, "acme"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for files() <= used() || merging(inner.(*scorch.Scorch)) {
		runtime.Gosched() // until the first segment is merged into another one
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	for files() > used() {
		runtime.Gosched()
	}
}

// When changes stop, their many segments are merged into one.
func TestAtRest(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", products(300, "1")...)
	for batch := range slices.Chunk(products(300, "2"), 25) {
		var changes []reindex.Change
		for _, p := range batch {
			changes = append(changes, reindex.Change{ID: p.ID, Body: p.Body})
		}
		update(t, ix, "acme", changes...)
	}
	for segments(t, ix, "acme") != "1" {
		runtime.Gosched()
	}
	assertLive(t, ix, "acme", 300, "2")
}
