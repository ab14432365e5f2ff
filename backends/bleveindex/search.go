package bleveindex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/search"
)

// BodyField is the field in which an index keeps the product's body as it was written, a string. It is stored, not searched.
const BodyField = "_body"

var errNoRequest = errors.New("the search request is nil")

// Search answers req from the tenant's live generation. It neither waits nor fails while a reindex switches generations. The error
// matches [ErrNoIndex] where the tenant was never reindexed, [ErrClosed], or [ErrDamaged].
//
// The fields that req.Fields names are those of the product: what the mapping does not store is taken from its stored body, decoded as
// by encoding/json, objects and arrays included. "metadata.name" is a field of a nested object, or of every object of an array. "*" means
// all of the product's own fields. See also [BodyField] and [Body].
func (ix *Index) Search(ctx context.Context, tenant string, req *bleve.SearchRequest) (*bleve.SearchResult, error) {
	result, err := ix.search(ctx, tenant, req)
	if err != nil {
		return nil, fmt.Errorf("bleveindex: search tenant %q: %w", tenant, err)
	}
	return result, nil
}

func (ix *Index) search(ctx context.Context, tenant string, req *bleve.SearchRequest) (*bleve.SearchResult, error) {
	if req == nil {
		return nil, errNoRequest
	}
	l, err := ix.acquire(ctx, tenant)
	if err != nil {
		return nil, err
	}
	defer l.done()
	own := *req
	own.Fields = storedFields(req.Fields)
	result, err := l.index.SearchInContext(ctx, &own)
	if err != nil {
		return nil, err
	}
	result.Request = req
	for _, hit := range result.Hits {
		if err := fillFields(hit, req.Fields); err != nil {
			return nil, fmt.Errorf("stored body of product %q: %w", hit.ID, err)
		}
	}
	return result, nil
}

// storedFields are the fields to ask bleve for: the body besides those that are wanted. With "*" bleve returns it anyway, and a second
// time where it is named too.
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

// DocCount returns how many documents the tenant's live generation holds. Its errors are those of Search.
func (ix *Index) DocCount(ctx context.Context, tenant string) (int64, error) {
	n, err := ix.docCount(ctx, tenant)
	if err != nil {
		return 0, fmt.Errorf("bleveindex: count documents of tenant %q: %w", tenant, err)
	}
	return n, nil
}

func (ix *Index) docCount(ctx context.Context, tenant string) (int64, error) {
	l, err := ix.acquire(ctx, tenant)
	if err != nil {
		return 0, err
	}
	defer l.done()
	n, err := l.index.DocCount()
	return int64(n), err //nolint:gosec // bleve counts documents in 64 bits, and holds less than 2⁶³
}

func (ix *Index) acquire(ctx context.Context, tenant string) (*liveIndex, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t, err := ix.tenant(tenant, false)
	if err != nil {
		return nil, err
	}
	l, err := t.acquire()
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Body returns the product's body from a hit of a search whose request asked for the field [BodyField], and false where there is none.
func Body(hit *search.DocumentMatch) (json.RawMessage, bool) {
	body, ok := hit.Fields[BodyField].(string)
	return json.RawMessage(body), ok
}

// fillFields takes the values of those of the fields that bleve had not stored from the hit's body.
func fillFields(hit *search.DocumentMatch, fields []string) error {
	body, ok := Body(hit)
	if !ok {
		return nil
	}
	if !slices.Contains(fields, BodyField) {
		delete(hit.Fields, BodyField)
	}
	var product map[string]any
	if err := json.Unmarshal(body, &product); err != nil {
		return err
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
	return nil
}

func setField(hit *search.DocumentMatch, name string, value any) {
	if _, ok := hit.Fields[name]; !ok {
		hit.Fields[name] = value
	}
}

// lookUp returns the value at a path of names separated by dots; names can have dots themselves. Of an array it returns the values in
// all of its elements.
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
