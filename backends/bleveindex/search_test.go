package bleveindex

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/query"
	index "github.com/blevesearch/bleve_index_api"
)

// A request that would make bleve panic is refused with an error that names the fault.
func TestSearchRequests(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", products(10, "1")...)
	request := func(f func(*bleve.SearchRequest)) *bleve.SearchRequest {
		req := bleve.NewSearchRequest(bleve.NewMatchAllQuery())
		f(req)
		return req
	}
	for want, req := range map[string]*bleve.SearchRequest{
		"is nil":                  nil,
		"has no query":            request(func(r *bleve.SearchRequest) { r.Query = nil }),
		"Size 10 and From -1":     request(func(r *bleve.SearchRequest) { r.From = -1 }),
		"Size -1 and From 0":      request(func(r *bleve.SearchRequest) { r.Size = -1 }),
		"not negative":            request(func(r *bleve.SearchRequest) { r.From, r.Size = math.MaxInt, math.MaxInt }),
		"cannot use search after": request(func(r *bleve.SearchRequest) { r.SearchAfter, r.From = []string{"p1"}, 1 }),
		"no highlighter with name": request(
			func(r *bleve.SearchRequest) { r.Highlight = bleve.NewHighlightWithStyle("nonesuch") },
		),
	} {
		if _, err := ix.Search(t.Context(), "acme", req); err == nil ||
			!strings.HasPrefix(err.Error(), `bleveindex: search tenant "acme": `) || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "panic") {
			t.Errorf("search: error %v, want one with the tenant and %q", err, want)
		}
	}
}

// cancelling is a query that cancels a context after its last hit, when bleve no longer looks at the context.
type cancelling struct {
	query.Query

	cancel func()
}

func (q cancelling) Searcher(
	ctx context.Context,
	r index.IndexReader,
	m mapping.IndexMapping,
	o search.SearcherOptions,
) (search.Searcher, error) {
	searcher, err := q.Query.Searcher(ctx, r, m, o)
	return cancellingSearcher{searcher, q.cancel}, err
}

type cancellingSearcher struct {
	search.Searcher

	cancel func()
}

func (s cancellingSearcher) Next(ctx *search.SearchContext) (*search.DocumentMatch, error) {
	hit, err := s.Searcher.Next(ctx)
	if hit == nil {
		s.cancel()
	}
	return hit, err
}

// A search does not load its hits if its context has ended.
func TestCancelDuringLoad(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", products(100, "1")...)
	ctx, cancel := context.WithCancel(t.Context())
	req := bleve.NewSearchRequestOptions(cancelling{bleve.NewMatchAllQuery(), cancel}, 100, 0, false)
	req.Fields = []string{"rev"}
	if result, err := ix.Search(ctx, "acme", req); !errors.Is(err, context.Canceled) {
		t.Errorf("search: %v, error %v, want %v", result, err, context.Canceled)
	}
}

// Highlighted hits have the same locations as in bleve alone.
func TestLocations(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", object("1", `{"name": "Red socks, blue socks"}`), object("2", `{"name": "Blue shoes"}`))
	live, err := ix.acquire(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	defer live.done()
	match := bleve.NewMatchQuery("blue")
	match.SetField("name")
	for _, locations := range []bool{false, true} {
		req := bleve.NewSearchRequest(match)
		req.Highlight, req.IncludeLocations = bleve.NewHighlight(), locations
		want, err := live.index.SearchInContext(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ix.Search(t.Context(), "acme", req)
		if err != nil {
			t.Fatal(err)
		}
		for i, hit := range got.Hits {
			if !reflect.DeepEqual(hit.Locations, want.Hits[i].Locations) ||
				hit.ID != want.Hits[i].ID || hit.Index != want.Hits[i].Index || len(hit.Fragments["name"]) != 1 ||
				!strings.Contains(hit.Fragments["name"][0], "<mark>") {
				t.Errorf("hit %d is %+v, want a highlighted %+v", i, hit, want.Hits[i])
			}
		}
		if len(got.Hits) != 2 {
			t.Errorf("there are %d hits, want 2", len(got.Hits))
		}
	}
}
