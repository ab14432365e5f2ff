package bleveindex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/highlight"

	"productindex/backends/bleveindex/internal/bodies"
)

// BodyField is the field of a hit with the product's body as it was written, as a string. It is stored, but not
// searched. In the files of an index it may be compressed, so bleve's own tools may show bytes that are not JSON.
const BodyField = "_body"

var errNoRequest = errors.New("the search request is nil")

// Search searches the tenant's live generation. It neither waits nor fails during a switch. The first search of a
// tenant opens its index, and other searches wait for that until ctx ends. The error matches [reindex.ErrNoLiveIndex]
// if the tenant has no live index, [reindex.ErrDamaged] if the index is damaged, and [ErrClosed] after Close. If ctx
// ends, it matches ctx.Err(). A panic in bleve or in a query of the host's own is returned as an error.
//
// The names in req.Fields are those of the product's fields. Values that the mapping does not store come from the
// stored body, decoded as by encoding/json, including objects and arrays; an integer that a float64 cannot hold is a
// json.Number. "metadata.name" is a field of a nested object, or of every object of an array. "*" means all fields of
// the product. See also [BodyField] and [Body]. Highlighting marks words in the texts of the stored body.
//
// With the mapping of [NewMapping], sorting and facets compare folded values, so JBL and jbl are the same value; facets
// show the most frequent spelling. Numbers come before texts. A field for which the host's own mapping has DocValues is
// sorted and counted by those instead.
func (ix *Index) Search(ctx context.Context, tenant string, req *bleve.SearchRequest) (*bleve.SearchResult, error) {
	result, err := ix.search(ctx, tenant, req)
	if err != nil {
		return nil, fmt.Errorf("bleveindex: search tenant %q: %w", tenant, err)
	}
	return result, nil
}

func (ix *Index) search(
	ctx context.Context,
	tenant string,
	req *bleve.SearchRequest,
) (result *bleve.SearchResult, err error) {
	if err := checkRequest(req); err != nil {
		return nil, err
	}
	err = ix.withLive(ctx, tenant, func(l *liveIndex) error {
		result, err = l.search(ctx, req)
		return err
	})
	return result, err
}

// checkRequest returns an error for a request that bleve would reject, or for which it would panic.
func checkRequest(req *bleve.SearchRequest) error {
	switch {
	case req == nil:
		return errNoRequest
	case req.Query == nil:
		return errors.New("the search request has no query; use bleve.NewMatchAllQuery to find everything")
	case req.From < 0 || req.Size < 0 || req.From+req.Size < 0:
		return fmt.Errorf(
			"the search request has Size %d and From %d, want numbers that are not negative and do not overflow",
			req.Size,
			req.From,
		)
	default:
		return req.Validate()
	}
}

// searchTries is the number of attempts of a search whose hits are deleted before they are loaded.
const searchTries = 10

// search answers a request from one snapshot of the index.
func (l *liveIndex) search(ctx context.Context, req *bleve.SearchRequest) (result *bleve.SearchResult, err error) {
	for range searchTries {
		result, err = l.searchOnce(ctx, req)
		if !errors.Is(err, bleve.ErrorIndexReadInconsistency) {
			break
		}
	}
	return result, err
}

// searchOnce makes one attempt. bleve finds the hits, but searchOnce loads their fields itself, since bleve would not
// stop when ctx ends. The error matches [bleve.ErrorIndexReadInconsistency] if one of the hits was deleted meanwhile.
func (l *liveIndex) searchOnce(ctx context.Context, req *bleve.SearchRequest) (*bleve.SearchResult, error) {
	own := *req
	own.Fields, own.Highlight = nil, nil
	own.IncludeLocations = req.IncludeLocations || req.Highlight != nil
	m := l.index.Mapping()
	own.Query = withoutShortPhrases(req.Query, m)
	own.Sort = sortedByForms(req.Sort, m)
	var byForms map[string]bool
	own.Facets, byForms = countedByForms(req.Facets, m)
	synonyms, err := l.thesaurus()
	if err != nil {
		return nil, err
	}
	if own.PreSearchData == nil {
		if own.PreSearchData, err = synonyms.expand(ctx, own.Query, m); err != nil {
			return nil, err
		}
	}
	ctx = context.WithValue(ctx, liveKey{}, l)
	result, err := l.index.SearchInContext(ctx, &own)
	if err != nil {
		return nil, err
	}
	result.Request = req
	for name := range byForms {
		if facet := result.Facets[name]; facet != nil {
			foldFacet(facet, req.Facets[name])
		}
	}
	if len(req.Fields) == 0 && req.Highlight == nil {
		return result, nil
	}
	start := time.Now()
	err = l.load(ctx, req, result.Hits)
	result.Took += time.Since(start)
	return result, err
}

// load adds the fields and fragments to the hits.
func (l *liveIndex) load(
	ctx context.Context,
	req *bleve.SearchRequest,
	hits search.DocumentMatchCollection,
) (err error) {
	highlighter, err := highlighterOf(req)
	if err != nil {
		return err
	}
	codec, err := l.bodies()
	if err != nil {
		return err
	}
	reader, err := readerOf(l.index)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	own := *req
	own.Fields = storedFields(req.Fields)
	var marks *highlighting
	if highlighter != nil {
		marks = newHighlighting(req, highlighter, l.index.Mapping())
		if own.Fields == nil {
			own.Fields = []string{BodyField}
		}
	}
	for _, hit := range hits {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err, _ := bleve.LoadAndHighlightAllFields(hit, &own, l.index.Name(), reader, highlighter); err != nil {
			return fmt.Errorf("load product %q: %w", hit.ID, err)
		}
		if err = decodeBody(hit, codec); err == nil {
			err = fillFields(hit, req.Fields, marks)
		}
		if err != nil {
			return fmt.Errorf("stored body of product %q: %w", hit.ID, err)
		}
	}
	return nil
}

// decodeBody decompresses the stored body of a hit.
func decodeBody(hit *search.DocumentMatch, codec *bodies.Codec) error {
	stored, ok := Body(hit)
	if !ok {
		return nil
	}
	body, err := codec.Decode(stored)
	if err != nil {
		return err
	}
	hit.Fields[BodyField] = string(body)
	return nil
}

// highlighterOf returns the highlighter that a request names, or nil if the request has none.
func highlighterOf(req *bleve.SearchRequest) (highlight.Highlighter, error) {
	if req.Highlight == nil {
		return nil, nil //nolint:nilnil // as documented
	}
	name := bleve.Config.DefaultHighlighter
	if req.Highlight.Style != nil {
		name = *req.Highlight.Style
	}
	return bleve.Config.Cache.HighlighterNamed(name)
}

// storedFields returns the fields to request from bleve: the wanted ones and the body. With "*" bleve returns the body
// anyway, and would return it twice if it were also named.
func storedFields(wanted []string) []string {
	if len(wanted) == 0 {
		return nil
	}
	fields := slices.DeleteFunc(slices.Clone(wanted), func(name string) bool { return name == BodyField })
	if slices.Contains(fields, "*") {
		return fields
	}
	return append(fields, BodyField)
}

// DocCount implements [reindex.DocCounter]. It returns the number of documents in the tenant's live generation. Its
// errors are those of Search.
func (ix *Index) DocCount(ctx context.Context, tenant string) (int64, error) {
	n, err := ix.docCount(ctx, tenant)
	if err != nil {
		return 0, fmt.Errorf("bleveindex: count documents of tenant %q: %w", tenant, err)
	}
	return n, nil
}

func (ix *Index) docCount(ctx context.Context, tenant string) (n int64, err error) {
	err = ix.withLive(ctx, tenant, func(l *liveIndex) error {
		n, err = l.count()
		return err
	})
	return n, err
}

// withLive calls f with the tenant's live index. It returns a panic in f as an error, which matches
// [reindex.ErrDamaged] if the files of the index are damaged.
func (ix *Index) withLive(ctx context.Context, tenant string, f func(*liveIndex) error) error {
	l, err := ix.acquire(ctx, tenant)
	if err != nil {
		return err
	}
	defer l.done()
	err = guard(func() error { return f(l) })
	if _, panicked := errors.AsType[*panicError](err); panicked {
		return l.suspect(ctx, err)
	}
	return err
}

// acquire returns the tenant's live index with a reference, which the caller drops with done.
func (ix *Index) acquire(ctx context.Context, tenant string) (*liveIndex, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t, err := ix.tenant(tenant, false)
	if err != nil {
		return nil, err
	}
	return t.acquire(ctx)
}

// Body returns the product's body from a hit. It reports false unless the search request named the field [BodyField].
func Body(hit *search.DocumentMatch) (json.RawMessage, bool) {
	body, ok := hit.Fields[BodyField].(string)
	return json.RawMessage(body), ok
}

// fillFields adds to the hit the fields that the mapping does not store, from the hit's body, and the fragments.
func fillFields(hit *search.DocumentMatch, fields []string, marks *highlighting) error {
	body, ok := Body(hit)
	if !ok {
		return nil
	}
	if !slices.Contains(fields, BodyField) {
		delete(hit.Fields, BodyField)
	}
	decoded, err := decode(body)
	if err != nil {
		return err
	}
	product, _ := readable(decoded).(map[string]any)
	if marks != nil {
		marks.mark(hit, product)
	}
	for _, name := range fields {
		if name == "*" {
			for name, value := range product {
				setField(hit, name, value)
			}
		} else if value, ok := lookUp(product, name); ok {
			setField(hit, name, value)
		}
	}
	if len(hit.Fields) == 0 {
		hit.Fields = nil
	}
	return nil
}

// readable converts the numbers in decoded JSON to float64, except for those that a float64 cannot hold.
func readable(value any) any {
	switch value := value.(type) {
	case json.Number:
		if n, err := value.Float64(); err == nil && isExact(string(value), n) {
			return n
		}
	case []any:
		for i, element := range value {
			value[i] = readable(element)
		}
	case map[string]any:
		for name, element := range value {
			value[name] = readable(element)
		}
	}
	return value
}

func setField(hit *search.DocumentMatch, name string, value any) {
	if _, ok := hit.Fields[name]; !ok {
		hit.Fields[name] = value
	}
}

// lookUp returns the value at a path of names separated by dots. The names may contain dots themselves. For an array it
// returns the values of all elements.
func lookUp(value any, path string) (any, bool) {
	switch value := value.(type) {
	case map[string]any:
		if v, ok := value[path]; ok {
			return v, true
		}
		for i := range len(path) {
			if path[i] != '.' {
				continue
			}
			if child, ok := value[path[:i]]; ok {
				if v, ok := lookUp(child, path[i+1:]); ok {
					return v, true
				}
			}
		}
	case []any:
		var found []any
		for _, element := range value {
			if v, ok := lookUp(element, path); ok {
				found = append(found, v)
			}
		}
		return found, len(found) > 0
	}
	return nil, false
}
