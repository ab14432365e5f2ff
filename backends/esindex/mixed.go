package esindex

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

// A field that is new, and has a number and a text in the very product that brings it, has two types at once, and the
// server rejects the product: it makes the field's mapping from each of its values. The same happens if two products
// bring the field at the same time. Either would be accepted if the field had a mapping already. So it gets one, and
// the product is sent again.

// mixedField is how the server says that a field has two types.
var mixedField = regexp.MustCompile(`mapper \[(.+)\] cannot be changed from type \[(?:double|text)\] to \[(?:double|text)\]`)

// maxMixed is how many such fields of a batch get a mapping. The server names one field of a product at a time.
const maxMixed = 32

// sendMixed sends those of the failed products again whose new fields have two types, and returns what failed in the
// end.
func (w writer) sendMixed(ctx context.Context, sent []reindex.Product, failed []reindex.ItemError) ([]reindex.ItemError, error) {
	if !w.ix.mappings.byDefault {
		return failed, nil // the host has said what its fields are
	}
	mapped := map[string]bool{}
	for range maxMixed {
		fields, ids := mixedFields(failed, mapped)
		if len(fields) == 0 {
			return failed, nil
		}
		for field := range fields {
			mapped[field] = true
		}
		if err := w.mapNumbers(ctx, fields); err != nil {
			return nil, err
		}
		var again []reindex.Product
		for _, p := range sent {
			if ids[p.ID] {
				again = append(again, p)
			}
		}
		refused, _, err := w.send(ctx, again)
		if err != nil {
			return nil, err
		}
		rest := refused
		for _, item := range failed {
			if !ids[item.ID] {
				rest = append(rest, item)
			}
		}
		failed = rest
	}
	return failed, nil
}

// mixedFields returns the fields with two types that have no mapping yet, and the products that have them.
func mixedFields(failed []reindex.ItemError, mapped map[string]bool) (fields, ids map[string]bool) {
	fields, ids = map[string]bool{}, map[string]bool{}
	for _, item := range failed {
		answer, ok := errors.AsType[*ServerError](item.Err)
		if !ok {
			continue
		}
		m := mixedField.FindStringSubmatch(answer.Reason)
		if m != nil && !mapped[m[1]] {
			fields[m[1]], ids[item.ID] = true, true
		}
	}
	return fields, ids
}

// mapNumbers gives the fields the mapping of numbers, which also takes text. A field that has become text meanwhile
// takes numbers, and stays what it is: it makes the server refuse the mappings of all of them, so each field then gets
// its own call.
func (w writer) mapNumbers(ctx context.Context, fields map[string]bool) error {
	err := w.mapTogether(ctx, slices.Sorted(maps.Keys(fields)))
	if len(fields) == 1 || !isRefusal(err) {
		return lasting(err)
	}
	for field := range fields {
		if err := lasting(w.mapTogether(ctx, []string{field})); err != nil {
			return err
		}
	}
	return nil
}

// lasting returns err unless it is a refusal of the mapping: what the product is sent again for then shows in the
// answer to it.
func lasting(err error) error {
	if isRefusal(err) {
		return nil
	}
	return err
}

// isRefusal reports whether the server has answered that a call cannot be made, now or later.
func isRefusal(err error) bool {
	_, answered := errors.AsType[*ServerError](err)
	return answered && !isTemporary(err)
}

// mapTogether gives all of the fields the mapping of numbers, or none of them. The call repeats that objects have no
// mappings of their own: Elasticsearch 8.11 and 8.13 otherwise make an object of a field whose name has a dot, and then
// never answer a request with such a product.
func (w writer) mapTogether(ctx context.Context, fields []string) error {
	properties := map[string]any{}
	for _, field := range fields {
		properties[field] = json.RawMessage(numberField)
	}
	what := "mapping the fields " + strings.Join(fields, ", ") + " of index " + w.index
	for {
		mappings := map[string]any{"properties": properties}
		if !w.ix.abilities.lacksSubobjects() {
			mappings[subobjects] = false
		}
		req := esapi.IndicesPutMappingRequest{Index: []string{w.index}, Body: jsonBody(mappings)}
		err := call(ctx, w.ix.transport, what, req, nil)
		if !w.ix.abilities.learn(err, w.ix.settings, w.ix.mappings) {
			return err
		}
	}
}

// isTemporary reports whether the call can be made again.
func isTemporary(err error) bool {
	_, ok := errors.AsType[*reindex.TemporaryError](err)
	return ok
}
