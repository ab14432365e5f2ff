package bleveindex

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"

	"productindex/backends/bleveindex/analyzers"
	"productindex/reindex"
)

// unpackOlder returns a directory with an index that the first version of this package made.
func unpackOlder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "tar", "xzf", "testdata/first-layout.tar.gz", "-C", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// An index of an older version is searched by the mapping that it was made with. bleve alone can also search it.
func TestOlderIndex(t *testing.T) {
	dir := unpackOlder(t)
	ix := open(t, dir, nil)
	for q, want := range map[string]string{
		"name.de:laufschuh": "shoe", "brand:Acme": "gift sock", "brand:acme": "", "laufschuhe": "shoe", "price:>10": "shoe",
		"packard": "shoe",
	} {
		if got := strings.Join(find(t, ix, "acme", q), " "); got != want {
			t.Errorf("%s finds %q, want %q", q, got, want)
		}
	}
	req := bleve.NewSearchRequest(bleve.NewMatchAllQuery())
	req.AddFacet("brands", bleve.NewFacetRequest("brand", 5))
	req.SortBy([]string{"price"})
	result, err := ix.Search(t.Context(), "acme", req)
	if err != nil || result.Hits[0].ID != "sock" || result.Facets["brands"].Terms.Len() != 3 {
		t.Errorf("search with a facet, sorted by price: %v, error %v, want sock first and 3 brands", result, err)
	}
	publish(t, ix, "acme", shop...)
	if got := find(t, ix, "acme", "brand:acme"); !slices.Equal(got, []string{"gift", "sock"}) {
		t.Errorf("after a reindex, brand:acme finds %q, want gift and sock", got)
	}
	mustClose(t, ix)
	for _, dir := range generationDirs(t, dir) {
		plain, err := bleve.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		result, err := plain.Search(bleve.NewSearchRequest(bleve.NewMatchQuery("SHOES")))
		if err != nil || result.Total != 1 {
			t.Errorf("search by bleve alone: %v, error %v, want one hit", result, err)
		}
		if err := plain.Close(); err != nil {
			t.Error(err)
		}
	}
}

// If this program does not have an analyzer of an index, the error of a search names the analyzer and the remedy.
func TestIndexOfAnotherVersion(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(1, "1")...)
	mustClose(t, ix)
	// Without this option, bleve does not wait until the change is on the disk, and Close may lose it.
	plain, err := bleve.OpenUsing(generationDirs(t, dir)[0], map[string]any{unsafeBatch: false})
	if err != nil {
		t.Fatal(err)
	}
	inner, err := plain.Advanced()
	if err != nil {
		t.Fatal(err)
	}
	later, err := json.Marshal(plain.Mapping())
	if err == nil {
		later = bytes.ReplaceAll(later, []byte(analyzers.Words), []byte("product-later"))
		err = inner.SetInternal([]byte("_mapping"), later)
	}
	if err := errors.Join(err, plain.Close()); err != nil {
		t.Fatal(err)
	}
	ix = open(t, dir, nil)
	_, err = ix.Search(t.Context(), "acme", bleve.NewSearchRequest(bleve.NewMatchAllQuery()))
	if !errors.Is(err, reindex.ErrDamaged) || !strings.Contains(err.Error(), "reindex this tenant") ||
		!strings.Contains(err.Error(), "product-later") {
		t.Errorf("search: error %v, want %v with the analyzer and the remedy", err, reindex.ErrDamaged)
	}
	publish(t, ix, "acme", products(2, "2")...)
	assertLive(t, ix, "acme", 2, "2")
}

// generationDirs returns the directories of all generations.
func generationDirs(t *testing.T, dir string) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(dir, "t-*", "g-*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("generations %q, error %v, want at least one", dirs, err)
	}
	return dirs
}
