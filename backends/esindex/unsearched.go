package esindex

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"productindex/reindex"
)

// A server that does not know "subobjects" has a mapping for each object. It rejects a product in which a field is an
// object if the field is a value in the mappings, or the other way round, and a mapping cannot be changed later. So the
// next generation has a mapping for such a field from the start, with which the server stores the field without
// indexing it.

// objectAndValue matches the server's reasons if a field is an object in one product and a value in another.
var objectAndValue = []*regexp.Regexp{
	regexp.MustCompile(`object mapping for \[(.+?)\] tried to parse field `),
	regexp.MustCompile(`failed to parse field \[(.+?)(?:\.keyword)?\] of type \[(?:double|text|keyword)\]` +
		`(?s:.*)(?: value: '\{|Can't get text on a (?:START|END)_OBJECT)`),
	regexp.MustCompile(`can't merge a non object mapping \[(.+?)\] with an object mapping`),
}

// maxUnsearched is the largest number of unsearched fields per tenant. A product with a further such field is rejected.
const maxUnsearched = 500

// learnUnsearched records the fields that made the server reject products, if a new generation would accept the
// products. If there are such fields it returns an error that matches [reindex.ErrAgain].
func (w writer) learnUnsearched(failed []reindex.ItemError) error {
	if !w.ix.mappings.byDefault || !w.ix.abilities.lacksSubobjects() {
		return nil
	}
	var learned []string
	for _, item := range failed {
		answer, ok := errors.AsType[*ServerError](item.Err)
		if !ok {
			continue
		}
		for _, pattern := range objectAndValue {
			m := pattern.FindStringSubmatch(answer.Reason)
			if m != nil && !slices.Contains(w.unsearched, m[1]) && !slices.Contains(learned, m[1]) {
				learned = append(learned, m[1])
			}
		}
	}
	if len(learned) == 0 || !w.ix.noteUnsearched(w.tenant, learned) {
		return nil
	}
	return again(w.index, learned)
}

// again returns the error that makes the engine read the source again.
func again(index string, learned []string) error {
	return fmt.Errorf("esindex: index %s: this server cannot search fields that are objects in some products and values "+
		"in others; the next index stores them unsearched: %s: %w",
		index, shorten(strings.Join(learned, ", ")), reindex.ErrAgain)
}

// noteUnsearched records fields for the tenant's next generation and reports whether it has. It records none if that
// would exceed maxUnsearched.
func (ix *Index) noteUnsearched(tenant string, fields []string) bool {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if len(ix.unsearched[tenant])+len(fields) > maxUnsearched {
		return false
	}
	for _, field := range fields {
		if !slices.Contains(ix.unsearched[tenant], field) {
			ix.unsearched[tenant] = append(ix.unsearched[tenant], field)
		}
	}
	return true
}

// findUnsearched sets the unsearched fields of the generation: those of the live index and those learned since. There
// are none if the server knows "subobjects".
func (g *generation) findUnsearched(ctx context.Context) error {
	if !g.ix.mappings.byDefault || !g.ix.abilities.lacksSubobjects() {
		return nil
	}
	live, err := g.ix.behind(ctx, g.names)
	if err != nil {
		return err
	}
	g.unsearched = g.ix.unsearchedFields(g.names.tenant, live)
	return nil
}

// unsearchedFields returns the unsearched fields of a new generation of the tenant: those of the live index and those
// learned since.
func (ix *Index) unsearchedFields(tenant string, live target) []string {
	ix.mu.Lock()
	fields := slices.Clone(ix.unsearched[tenant])
	ix.mu.Unlock()
	for _, e := range live.indexes {
		if m := e.Mappings.Meta.Mark; m != nil {
			fields = append(fields, m.Unsearched...)
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

// forgetUnsearched removes the fields learned for the tenant, which the mark of the live index now has.
func (ix *Index) forgetUnsearched(tenant string) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	delete(ix.unsearched, tenant)
}

// unsearchedProperties returns the mappings of unsearched fields. A field inside of another one of them needs no
// mapping.
func unsearchedProperties(fields []string) map[string]any {
	properties := map[string]any{}
	for _, field := range fields {
		inside := func(other string) bool { return strings.HasPrefix(field, other+".") }
		if !slices.ContainsFunc(fields, inside) {
			properties[field] = map[string]any{"type": "object", "enabled": false}
		}
	}
	return properties
}
