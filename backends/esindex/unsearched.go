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

// A server that does not know "subobjects" has a mapping for each object, and rejects a product in which a field is an
// object that is a value in others, or the other way round; the mapping that it has got cannot be changed any more. So
// the next generation has a mapping for such a field from its start, under which the server keeps the field and does
// not look into it.

// objectAndValue is how a server says that a field is an object in one product and a value in another.
var objectAndValue = []*regexp.Regexp{
	regexp.MustCompile(`object mapping for \[(.+?)\] tried to parse field `),
	regexp.MustCompile(`failed to parse field \[(.+?)(?:\.keyword)?\] of type \[(?:double|text|keyword)\]` +
		`(?s:.*)(?: value: '\{|Can't get text on a (?:START|END)_OBJECT)`),
	regexp.MustCompile(`can't merge a non object mapping \[(.+?)\] with an object mapping`),
}

// maxUnsearched is how many fields of a tenant are kept unsearched. A product with a further one is rejected.
const maxUnsearched = 500

// learnUnsearched notes the fields for which products were refused that a new generation would accept, and returns an
// error that matches [reindex.ErrAgain] if there are any.
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

// again is the error that makes the engine read the source again.
func again(index string, learned []string) error {
	return fmt.Errorf("esindex: index %s: fields that are objects in some products and values in others cannot be searched on this server, "+
		"and the next index keeps them unsearched: %s: %w", index, shorten(strings.Join(learned, ", ")), reindex.ErrAgain)
}

// noteUnsearched notes fields for the tenant's next generation, unless there is no room for all of them. It reports
// whether it has.
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

// findUnsearched finds the fields that the generation keeps unsearched: those of the live index, and those learned
// since. A server that knows "subobjects" has none.
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

// unsearchedFields returns the fields that a new generation of the tenant keeps unsearched: those of the live index,
// and those learned since.
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

// forgetUnsearched forgets the fields of the tenant: the live index has it in its mark.
func (ix *Index) forgetUnsearched(tenant string) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	delete(ix.unsearched, tenant)
}

// unsearchedProperties are the mappings of fields that are kept unsearched. A field inside of another one of them needs
// none.
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
