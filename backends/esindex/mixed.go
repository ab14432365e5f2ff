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

// The server derives the mapping of a new field from each of its values. It rejects a product that has both a number
// and a text in a new field, since the field would get two types. The same happens if two products add the field at the
// same time. The server would accept both if the field had a mapping, so this package adds one and sends the product
// again.

// mixedField matches the server's reason if a field would get two types.
var mixedField = regexp.MustCompile(
	`mapper \[(.+)\] cannot be changed from type \[(?:double|text)\] to \[(?:double|text)\]`,
)

// maxMixed is the largest number of rounds for a batch. In each round the server names one field per product.
const maxMixed = 32

// sendMixed maps the new fields that have two types and sends their products again. It returns the products that still
// fail.
func (w writer) sendMixed(
	ctx context.Context, sent []reindex.Product, failed []reindex.ItemError,
) ([]reindex.ItemError, error) {
	if !w.ix.mappings.byDefault {
		return failed, nil // the host defines its fields
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

// mixedFields returns the fields with two types that have no mapping yet, and the ids of the products with such fields.
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

// mapNumbers adds the mapping of numbers, which also accepts text, to the fields. The server refuses the whole call if
// one of the fields has become text meanwhile. Such a field already accepts numbers, so each field then gets a call of
// its own, whose refusal does not matter.
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

// lasting returns err unless it is a refusal of the mapping. If the refusal matters, the server rejects the product
// when it is sent again.
func lasting(err error) error {
	if isRefusal(err) {
		return nil
	}
	return err
}

// isRefusal reports whether the server has refused a call for good.
func isRefusal(err error) bool {
	_, answered := errors.AsType[*ServerError](err)
	return answered && !isTemporary(err)
}

// mapTogether adds the mapping of numbers to all of the fields or to none. The call repeats "subobjects": without it,
// Elasticsearch 8.11 and 8.13 turn a field with a dot in its name into an object, and then never answer a request with
// such a product.
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
