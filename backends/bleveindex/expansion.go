package bleveindex

import (
	"context"
	"slices"
	"strings"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/search"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/backends/bleveindex/analyzers"
	"productindex/backends/bleveindex/internal/bodies"
)

// expansion finds the terms of the index that the words of a text can match, for one search.
type expansion struct {
	ctx     context.Context //nolint:containedctx // bleve's searchers keep it as well
	reader  index.IndexReader
	m       mapping.IndexMapping
	options search.SearcherOptions
	query   *QueryOptions

	all       analysis.Analyzer
	docs      uint64
	fields    map[string]bool // the fields of the index
	weighted  []weightedField
	languages []weightedField
	synonyms  map[string][]string
	bodies    *bodies.Codec
	counts    map[fieldTerm]uint64 // the number of documents with a term

	read        []*word // the words of the text
	words       []*word // the same, with joined words as one
	explanation Explanation
	terms       soughtTerms
}

// weightedField is a field whose words have a weight of their own.
type weightedField struct {
	name     string
	weight   float64
	analyzer analysis.Analyzer // nil: that of _all
}

// The weights of fields, relative to _all.
const (
	nameWeight        = 4
	groupWeight       = 6
	descriptionWeight = 1
	codeWeight        = 50
)

// word is a word of the text, or several words that can be joined.
type word struct {
	text     string
	position int
	terms    []string // its alternative terms
	ways     []way
	rare     bool // few products have the word
	common   bool // it is a common word of the language
	parts    []*word
	said     *WordExplanation
}

// way is one of the alternatives that match a word: a term, or a phrase of several terms.
type way struct {
	field  string // empty: _all and the weighted fields
	phrase []string
	weight float64
}

func newExpansion(
	ctx context.Context, reader index.IndexReader, m mapping.IndexMapping, options search.SearcherOptions, q *QueryOptions,
) (*expansion, error) {
	x := &expansion{
		ctx: ctx, reader: reader, m: m, options: options, query: q, all: m.AnalyzerNamed(m.AnalyzerNameForPath(allName)),
		counts: map[fieldTerm]uint64{}, terms: soughtTerms{},
	}
	var err error
	if x.docs, err = reader.DocCount(); err != nil {
		return nil, err
	}
	if err := x.known(); err != nil {
		return nil, err
	}
	for _, name := range spellings(nameFields) {
		x.weigh(name, nameWeight)
	}
	for _, name := range spellings(groupFields) {
		x.weigh(name, groupWeight)
		x.weigh(name+".name", groupWeight)
	}
	x.addLanguages()
	return x, nil
}

// weigh adds a field to those with a weight, if the index has it.
func (x *expansion) weigh(name string, weight float64) {
	if !x.fields[name] {
		return
	}
	switch analyzer := x.m.AnalyzerNameForPath(name); analyzer {
	case x.m.AnalyzerNameForPath(allName):
		x.weighted = append(x.weighted, weightedField{name: name, weight: weight})
	default:
		x.languages = append(x.languages, weightedField{name, weight, x.m.AnalyzerNamed(analyzer)})
	}
}

// addLanguages adds the fields of the query's language, or of all languages if it has none.
func (x *expansion) addLanguages() {
	tag, _ := analyzers.Language(x.query.Language)
	for name := range x.fields {
		field, language, ok := strings.Cut(name, ".")
		known, isTag := analyzers.Language(language)
		if !ok || !isTag || known != language || !isTranslated(field) || tag != "" && language != tag {
			continue
		}
		weight := float64(descriptionWeight)
		if !longTexts[field] {
			weight = nameWeight
		}
		if tag != "" {
			weight *= 2
		}
		x.languages = append(x.languages, weightedField{name, weight, x.m.AnalyzerNamed(x.m.AnalyzerNameForPath(name))})
	}
	slices.SortFunc(x.languages, func(a, b weightedField) int { return strings.Compare(a.name, b.name) })
}

// parse splits a text into words, and finds the ways of each.
func (x *expansion) parse(text string) error {
	for _, token := range x.all.Analyze([]byte(text)) {
		if n := len(x.words); n > 0 && token.Position == x.words[n-1].position {
			x.words[n-1].terms = append(x.words[n-1].terms, string(token.Term))
			continue
		}
		if len(x.words) == maxWords {
			break
		}
		x.words = append(
			x.words,
			&word{text: text[token.Start:token.End], position: token.Position, terms: []string{string(token.Term)}},
		)
	}
	x.explanation.Words = make([]WordExplanation, len(x.words))
	for i, w := range x.words {
		w.said = &x.explanation.Words[i]
		w.said.Word = w.text
		last := i == len(x.words)-1 && !strings.HasSuffix(text, " ")
		if err := x.expand(w, last && x.query.Prefix); err != nil {
			return err
		}
	}
	x.read = slices.Clone(x.words)
	if err := x.expandSynonyms(); err != nil {
		return err
	}
	if err := x.join(); err != nil {
		return err
	}
	for _, w := range x.words {
		if len(w.ways) == 0 && len(w.parts) == 0 && !x.query.Exact {
			if err := x.correct(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// expand adds the ways of a word.
func (x *expansion) expand(w *word, prefix bool) error {
	total := uint64(0)
	for _, term := range w.terms {
		n, err := x.addTerm(w, term, 1)
		if err != nil {
			return err
		}
		total += n
		for _, other := range slices.Concat(withoutDigraphs(term), otherDecimal(term)) {
			if _, err := x.addTerm(w, other, 0.9); err != nil {
				return err
			}
		}
	}
	w.rare = total < rareCount
	for _, field := range x.languages {
		for _, token := range field.analyzer.Analyze([]byte(w.text)) {
			n, err := x.count(field.name, string(token.Term))
			if err != nil {
				return err
			}
			if n > 0 {
				w.ways = append(w.ways, way{field: field.name, phrase: []string{string(token.Term)}, weight: field.weight})
			}
		}
	}
	if prefix {
		if _, err := x.addPrefix(w, 0.8); err != nil {
			return err
		}
	}
	return x.split(w, total > 0)
}

// addTerm adds a term of _all if products have it, and returns the number of these products.
func (x *expansion) addTerm(w *word, term string, weight float64) (uint64, error) {
	n, err := x.countAll(term)
	if err == nil && n > 0 {
		w.ways = append(w.ways, way{phrase: []string{term}, weight: weight})
	}
	return n, err
}

// join joins two or three adjacent words whose text without spaces is a term.
func (x *expansion) join() error {
	var joined []*word
	for i := 0; i < len(x.words); {
		n, terms, err := x.longestJoin(i)
		if err != nil {
			return err
		}
		if n < 2 {
			joined = append(joined, x.words[i])
			i++
			continue
		}
		w := &word{parts: slices.Clone(x.words[i : i+n]), said: x.words[i].said}
		for _, term := range terms {
			w.ways = append(w.ways, way{phrase: []string{term}, weight: 1.5 * float64(n)})
		}
		joined = append(joined, w)
		i += n
	}
	x.words = joined
	return nil
}

// longestJoin returns the largest number of words, from the i-th on, that form a term when joined, and the terms.
func (x *expansion) longestJoin(i int) (int, []string, error) {
	for n := min(3, len(x.words)-i); n > 1; n-- {
		var rest strings.Builder
		for _, w := range x.words[i+1 : i+n] {
			rest.WriteString(w.text)
		}
		var found []string
		for _, first := range append(otherDecimal(x.words[i].text), x.words[i].text) {
			text := first + rest.String()
			for _, token := range x.all.Analyze([]byte(text)) {
				if token.Start > 0 || token.End < len(text) {
					continue
				}
				term := string(token.Term)
				if count, err := x.countAll(term); err != nil {
					return 0, nil, err
				} else if count > 0 {
					found = append(found, term)
				}
			}
		}
		if len(found) > 0 {
			return n, found, nil
		}
	}
	return 1, nil, nil
}

// partition returns the required words, and the common ones, which are optional.
func (x *expansion) partition() (required, optional []*word) {
	tag, _ := analyzers.Language(x.query.Language)
	for _, w := range x.words {
		if !w.found() {
			continue
		}
		w.common = len(w.parts) == 0 && analyzers.Common(tag, strings.ToLower(w.text))
		if w.common {
			optional = append(optional, w)
		} else {
			required = append(required, w)
		}
	}
	if len(required) == 0 {
		return optional, nil
	}
	for _, w := range optional {
		w.said.Optional = true
	}
	return required, optional
}

// found reports whether products have the word or an alternative.
func (w *word) found() bool {
	return len(w.ways) > 0 || len(w.parts) > 0
}

// leavesOut reports whether there is a word that no product has.
func (x *expansion) leavesOut() bool {
	return slices.ContainsFunc(x.words, func(w *word) bool { return !w.found() })
}

// keepWords notes that no word is left out: the whole text is a code or an id of a product.
func (x *expansion) keepWords() {
	for i := range x.explanation.Words {
		x.explanation.Words[i].LeftOut = false
	}
}

// codes returns a way for each field in which the whole text is a code or an id.
func (x *expansion) codes(text string) (found []way) {
	text = strings.TrimSpace(text)
	for _, name := range spellings(codeFields) {
		if x.fields[name] {
			found = append(found, way{field: name, phrase: []string{analyzers.Fold(text)}, weight: codeWeight})
		}
	}
	for _, name := range spellings(referenceFields) {
		if x.fields[name] {
			found = append(found, way{field: name, phrase: []string{text}, weight: codeWeight})
		}
	}
	return slices.DeleteFunc(found, func(w way) bool {
		n, err := x.count(w.field, w.phrase[0])
		return n == 0 && err == nil
	})
}
