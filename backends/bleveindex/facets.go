package bleveindex

import (
	"cmp"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/search"

	"productindex/backends/bleveindex/internal/compact"
)

// hasForms reports whether an index with this mapping sorts and counts the values of a field by their keyword forms.
func hasForms(m mapping.IndexMapping, field string) bool {
	im, ok := m.(interface {
		FieldMappingForPath(path string) mapping.FieldMapping
	})
	if !ok || isReserved(field) {
		return false
	}
	root := rootMapping(m)
	if root == nil {
		return false
	}
	forms := root.Properties[formsName]
	return forms != nil && forms.Enabled && !im.FieldMappingForPath(field).DocValues
}

// isReserved reports whether the name of a field is reserved for the index.
func isReserved(field string) bool {
	first, _, _ := strings.Cut(field, ".")
	return first == idField || first == allName || first == BodyField || first == formsName
}

func rootMapping(m mapping.IndexMapping) *mapping.DocumentMapping {
	switch m := m.(type) {
	case *ProductMapping:
		return m.DefaultMapping
	case *mapping.IndexMappingImpl:
		return m.DefaultMapping
	}
	return nil
}

// sortedByForms returns the order with each field replaced by its keyword forms, if it has them.
func sortedByForms(order search.SortOrder, m mapping.IndexMapping) search.SortOrder {
	own := slices.Clone(order)
	for i, by := range own {
		field, ok := by.(*search.SortField)
		if !ok || field.Type == search.SortFieldAsNumber || field.Type == search.SortFieldAsDate ||
			!hasForms(m, field.Field) {
			continue
		}
		forms := *field
		forms.Field, forms.Type = formsName+"."+field.Field, search.SortFieldAsString
		own[i] = formSort{&forms}
	}
	return own
}

// countedByForms returns the facet requests with each field replaced by its keyword forms, if it has them, and the
// names of the changed requests.
func countedByForms(
	facets bleve.FacetsRequest,
	m mapping.IndexMapping,
) (own bleve.FacetsRequest, byForms map[string]bool) {
	byForms = map[string]bool{}
	for name, facet := range facets {
		if facet == nil || facet.NumericRanges != nil || facet.DateTimeRanges != nil || !hasForms(m, facet.Field) {
			continue
		}
		if own == nil {
			own = maps.Clone(facets)
		}
		// All terms are requested, since several may be spellings of one value.
		own[name] = bleve.NewFacetRequest(formsName+"."+facet.Field, math.MaxInt32)
		byForms[name] = true
	}
	if own == nil {
		return facets, nil
	}
	return own, byForms
}

// foldFacet merges the terms of the same value into the most frequent spelling, and keeps the most frequent values.
func foldFacet(result *search.FacetResult, wanted *bleve.FacetRequest) {
	pattern := regexp.MustCompile(wanted.TermPattern) // bleve has validated it
	type value struct {
		term *search.TermFacet
		most int
	}
	values := map[string]*value{}
	total := 0
	for _, form := range result.Terms.Terms() {
		if form.Term == compact.FormTerm {
			continue
		}
		key := formKey(form.Term)
		_, written := splitForm(form.Term)
		if !strings.HasPrefix(written, wanted.TermPrefix) || !pattern.MatchString(written) {
			continue
		}
		total += form.Count
		v := values[key]
		if v == nil {
			v = &value{term: &search.TermFacet{}}
			values[key] = v
		}
		v.term.Count += form.Count
		if form.Count > v.most || form.Count == v.most && written < v.term.Term {
			v.most, v.term.Term = form.Count, written
		}
	}
	terms := make([]*search.TermFacet, 0, len(values))
	for _, v := range values {
		terms = append(terms, v.term)
	}
	slices.SortFunc(terms, func(a, b *search.TermFacet) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Term, b.Term))
	})
	terms = terms[:min(len(terms), wanted.Size)]
	result.Field, result.Total, result.Other = wanted.Field, total, total
	result.Terms = &search.TermFacets{}
	for _, term := range terms {
		result.Other -= term.Count
	}
	result.Terms.Add(terms...)
}
