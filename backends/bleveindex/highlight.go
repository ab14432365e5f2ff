package bleveindex

import (
	"maps"
	"slices"
	"strings"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/highlight"
	"github.com/blevesearch/bleve/v2/search/query"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/backends/bleveindex/analyzers"
)

// soughtTerms are the terms of a query, by field.
type soughtTerms map[string][]soughtTerm

type soughtTerm struct {
	term   string
	prefix bool
}

func (s soughtTerms) add(field string, m mapping.IndexMapping, terms ...soughtTerm) {
	if field == "" {
		field = m.DefaultSearchField()
	}
	s[field] = append(s[field], terms...)
}

// hasTerm reports whether the query searches a field for the term.
func (s soughtTerms) hasTerm(field, term string) bool {
	return slices.ContainsFunc(s[field], func(t soughtTerm) bool {
		return t.term == term || t.prefix && strings.HasPrefix(term, t.term)
	})
}

// collect adds the terms of a query, except for those that must not match.
func (s soughtTerms) collect(q query.Query, m mapping.IndexMapping) {
	switch q := q.(type) {
	case *ProductQuery:
		for field, terms := range q.sought() {
			s[field] = append(s[field], terms...)
		}
	case *query.QueryStringQuery:
		if parsed, err := q.Parse(); err == nil {
			s.collect(parsed, m)
		}
	case *query.MatchQuery:
		s.analyze(q.FieldVal, q.Analyzer, q.Match, m)
	case *query.MatchPhraseQuery:
		s.analyze(q.FieldVal, q.Analyzer, q.MatchPhrase, m)
	case *query.TermQuery:
		s.add(q.FieldVal, m, soughtTerm{term: q.Term})
	case *query.PhraseQuery:
		for _, term := range q.Terms {
			s.add(q.FieldVal, m, soughtTerm{term: term})
		}
	case *query.PrefixQuery:
		s.add(q.FieldVal, m, soughtTerm{q.Prefix, true})
	case *query.BooleanQuery:
		for _, part := range []query.Query{q.Must, q.Should} {
			if part != nil {
				s.collect(part, m)
			}
		}
	case *query.ConjunctionQuery:
		for _, part := range q.Conjuncts {
			s.collect(part, m)
		}
	case *query.DisjunctionQuery:
		for _, part := range q.Disjuncts {
			s.collect(part, m)
		}
	}
}

func (s soughtTerms) analyze(field, analyzer, text string, m mapping.IndexMapping) {
	if field == "" {
		field = m.DefaultSearchField()
	}
	if analyzer == "" {
		analyzer = m.AnalyzerNameForPath(field)
	}
	if a := m.AnalyzerNamed(analyzer); a != nil {
		for _, token := range a.Analyze([]byte(text)) {
			s.add(field, m, soughtTerm{term: string(token.Term)})
		}
	}
}

// highlighting marks the words of a query in the texts of the bodies of hits.
type highlighting struct {
	highlighter highlight.Highlighter
	fields      []string // empty: all fields
	mapping     mapping.IndexMapping
	sought      soughtTerms
}

func newHighlighting(
	req *bleve.SearchRequest,
	highlighter highlight.Highlighter,
	m mapping.IndexMapping,
) *highlighting {
	h := &highlighting{highlighter, req.Highlight.Fields, m, soughtTerms{}}
	h.sought.collect(req.Query, m)
	return h
}

// mark adds fragments to a hit, for fields that have none yet.
func (h *highlighting) mark(hit *search.DocumentMatch, product map[string]any) {
	terms := maps.Clone(h.sought)
	for field, located := range hit.Locations { // words that bleve has found by similarity
		for term := range located {
			terms[field] = append(terms[field], soughtTerm{term: term})
			terms[allName] = append(slices.Clone(terms[allName]), soughtTerm{term: term})
		}
	}
	texts := document.NewDocument(hit.ID)
	found := &search.DocumentMatch{Locations: search.FieldTermLocationMap{}}
	visitTexts(nil, nil, product, func(field string, positions []uint64, text string) {
		if len(h.fields) > 0 && !slices.Contains(h.fields, field) || hit.Fragments[field] != nil {
			return
		}
		if h.locate(found, terms, field, positions, text) || len(h.fields) > 0 {
			texts.AddField(document.NewTextFieldCustom(field, positions, []byte(text), index.StoreField, nil))
		}
	})
	for field := range found.Locations {
		h.highlighter.BestFragmentsInField(found, texts, field, 1)
	}
	for field, fragments := range found.Fragments {
		if hit.Fragments == nil {
			hit.Fragments = search.FieldFragmentMap{}
		}
		hit.Fragments[field] = fragments
	}
}

// visitTexts calls f for every text of a value.
func visitTexts(path []string, positions []uint64, value any, f func(field string, positions []uint64, text string)) {
	switch value := value.(type) {
	case map[string]any:
		for name, child := range value {
			visitTexts(append(slices.Clip(path), name), positions, child, f)
		}
	case []any:
		for i, child := range value {
			visitTexts(path, append(slices.Clip(positions), uint64(i)), child, f)
		}
	case string:
		f(strings.Join(path, "."), positions, value)
	}
}

// locate records the positions of the terms in a text, and reports whether there are any.
func (h *highlighting) locate(
	found *search.DocumentMatch,
	terms soughtTerms,
	field string,
	positions []uint64,
	text string,
) bool {
	located := false
	for _, in := range []string{allName, field} {
		if len(terms[in]) == 0 {
			continue
		}
		analyzer := h.mapping.AnalyzerNamed(h.mapping.AnalyzerNameForPath(indexedName(in)))
		if analyzer == nil {
			continue
		}
		for _, token := range analyzer.Analyze([]byte(text)) {
			term := string(token.Term)
			if !terms.hasTerm(in, term) {
				continue
			}
			located = true
			of := found.Locations[field]
			if of == nil {
				of = search.TermLocationMap{}
				found.Locations[field] = of
			}
			position, start, end := uint64(token.Position), uint64(token.Start), uint64(token.End) //nolint:gosec // not negative
			of[term] = append(of[term], &search.Location{Pos: position, Start: start, End: end, ArrayPositions: positions})
		}
	}
	return located
}

// indexedName returns the name of the field in the index: name.de for name.de-AT.
func indexedName(field string) string {
	at := strings.LastIndexByte(field, '.')
	if at > 0 && isTranslated(field[:at]) {
		if tag, ok := analyzers.Language(field[at+1:]); ok {
			return field[:at+1] + tag
		}
	}
	return field
}
