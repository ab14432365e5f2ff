package bleveindex

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/query"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/reindex"
)

// If bleve panics while it opens an index, the index counts as damaged. A damaged generation is opened again only by
// the next process.
func TestOpeningPanics(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	mustClose(t, ix)
	generation := generationPath(t, dir, "acme")
	segments := segmentFiles(t, generation)
	whole, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	change(t, segments[0], flipMiddle)
	ix = open(t, dir, nil)
	if _, err := revs(t.Context(), ix, "acme"); !errors.Is(err, reindex.ErrDamaged) {
		t.Errorf("search: error %v, want %v", err, reindex.ErrDamaged)
	}
	change(t, segments[0], func([]byte) []byte { return whole })
	if _, err := revs(t.Context(), ix, "acme"); !errors.Is(err, reindex.ErrDamaged) {
		t.Errorf("search after the file was repaired: error %v, want %v", err, reindex.ErrDamaged)
	}
	mustClose(t, ix)
	ix = open(t, dir, nil)
	assertLive(t, ix, "acme", 100, "1")
	mustClose(t, ix)
	change(t, segments[0], pointBeyond)
	opened, _, err := openForSearch(generation)
	if !errors.Is(err, reindex.ErrDamaged) || opened != nil {
		t.Errorf("open: index %v, error %v, want %v", opened, err, reindex.ErrDamaged)
	}
	if _, panicked := errors.AsType[*panicError](err); !panicked {
		t.Errorf("open: error %v, want that of a panic", err)
	}
}

// panicking is a query that panics.
type panicking struct{}

func (panicking) Searcher(
	context.Context,
	index.IndexReader,
	mapping.IndexMapping,
	search.SearcherOptions,
) (search.Searcher, error) {
	panic("no luck")
}

// A panic in a query is an error of its search. It counts as damage only if the files of the index are damaged.
func TestSearchPanics(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(100, "1")...)
	for _, q := range []query.Query{panicking{}, (*query.MatchQuery)(nil)} {
		if _, err := ix.Search(t.Context(), "acme", bleve.NewSearchRequest(q)); err == nil ||
			errors.Is(err, reindex.ErrDamaged) {
			t.Errorf("search for a %T: error %v, want one other than %v", q, err, reindex.ErrDamaged)
		}
	}
	assertLive(t, ix, "acme", 100, "1")

	gen := seal(t, ix, "acme", products(100, "2"))
	mustCommit(t, gen)
	for _, path := range segmentFiles(t, gen.dir) {
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
			t.Errorf("search for a %T in a damaged index: error %v, want %v", q, err, reindex.ErrDamaged)
		}
	}
	publish(t, ix, "acme", products(100, "3")...)
	assertLive(t, ix, "acme", 100, "3")
}
