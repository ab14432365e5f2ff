package bleveindex

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/query"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/backends/bleveindex/analyzers"
)

// ProductSynonyms is the collection of the synonyms that apply to all texts of products.
const ProductSynonyms = "products"

// DefineSynonyms adds synonyms to a collection: to [ProductSynonyms], or to the collection of a synonym source that the
// host has added to the mapping. The Synonyms of a definition without Input are equivalent. With Input, a query for a
// term in Input also finds products with one of the Synonyms. [Query] supports synonyms of up to three words; bleve's
// own queries support single words. Synonyms are part of the mapping, not of the index, so new ones apply from the next
// Open.
//
//	tv := &bleve.SynonymDefinition{Synonyms: []string{"tv", "television"}}
//	err := mapping.DefineSynonyms(bleveindex.ProductSynonyms, tv)
func (m *ProductMapping) DefineSynonyms(collection string, definitions ...*bleve.SynonymDefinition) error {
	for _, definition := range definitions {
		if err := definition.Validate(); err != nil {
			return fmt.Errorf("bleveindex: synonyms of collection %q: %w", collection, err)
		}
	}
	if _, known := m.CustomAnalysis.SynonymSources[ProductSynonyms]; collection == ProductSynonyms && !known {
		source := map[string]any{"collection": ProductSynonyms, "analyzer": analyzers.Synonyms}
		if err := m.AddSynonymSource(ProductSynonyms, source); err != nil {
			return fmt.Errorf("bleveindex: synonyms of collection %q: %w", collection, err)
		}
		m.DefaultSynonymSource = ProductSynonyms
	}
	if m.synonyms == nil {
		m.synonyms = map[string][]*bleve.SynonymDefinition{}
	}
	m.synonyms[collection] = append(m.synonyms[collection], definitions...)
	return nil
}

// thesaurus holds the synonyms of terms.
type thesaurus struct {
	sources map[string]map[string][]string // by the name of the synonym source
	all     map[string][]string            // of _all
}

// newThesaurus returns the thesaurus of a mapping, or nil if it has no synonyms.
func newThesaurus(m mapping.IndexMapping) *thesaurus {
	own, ok := m.(*ProductMapping)
	if !ok || len(own.synonyms) == 0 {
		return nil
	}
	t := &thesaurus{sources: map[string]map[string][]string{}}
	for name := range own.CustomAnalysis.SynonymSources {
		source := own.SynonymSourceNamed(name)
		terms, analyzer := map[string][]string{}, own.AnalyzerNamed(source.Analyzer())
		for _, definition := range own.synonyms[source.Collection()] {
			input, synonyms := analyzeAll(analyzer, definition.Input), analyzeAll(analyzer, definition.Synonyms)
			if len(input) == 0 {
				input = synonyms
			}
			addSynonyms(terms, input, synonyms)
		}
		t.sources[name] = terms
	}
	t.all = t.sources[own.SynonymSourceForPath(allName)]
	return t
}

// analyzeAll returns the terms of each text, joined by spaces.
func analyzeAll(analyzer analysis.Analyzer, texts []string) (analyzed []string) {
	for _, text := range texts {
		var terms []string
		for _, token := range analyzer.Analyze([]byte(text)) {
			terms = append(terms, string(token.Term))
		}
		if len(terms) > 0 {
			analyzed = append(analyzed, strings.Join(terms, " "))
		}
	}
	return analyzed
}

func addSynonyms(terms map[string][]string, input, synonyms []string) {
	for _, term := range input {
		for _, synonym := range synonyms {
			if synonym != term && !slices.Contains(terms[term], synonym) {
				terms[term] = append(terms[term], synonym)
			}
		}
	}
}

// expand returns the synonyms of a query's terms, as the PreSearchData of a search request.
func (t *thesaurus) expand(ctx context.Context, q query.Query, m mapping.IndexMapping) (map[string]any, error) {
	synonyms, ok := m.(mapping.SynonymMapping)
	if t == nil || !ok {
		return nil, nil //nolint:nilnil // without synonyms there is nothing to add
	}
	found, err := query.ExtractSynonyms(ctx, synonyms, thesaurusReader{t: t}, q, search.FieldTermSynonymMap{})
	if err != nil {
		return nil, err
	}
	return map[string]any{search.SynonymPreSearchDataKey: found}, nil
}

// thesaurusReader lets bleve, which reads synonyms from an index, read those of a thesaurus.
type thesaurusReader struct {
	index.IndexReader

	t *thesaurus
}

func (r thesaurusReader) ThesaurusTermReader(
	_ context.Context,
	source string,
	term []byte,
) (index.ThesaurusTermReader, error) {
	single := slices.DeleteFunc(
		slices.Clone(r.t.sources[source][string(term)]),
		func(s string) bool { return strings.Contains(s, " ") },
	)
	return &synonymReader{single}, nil
}

func (r thesaurusReader) keys(source string, keep func(term string) bool) (index.ThesaurusKeys, error) {
	keys := &synonymKeys{}
	for term := range r.t.sources[source] {
		if keep(term) {
			keys.terms = append(keys.terms, term)
		}
	}
	return keys, nil
}

func (r thesaurusReader) ThesaurusKeys(source string) (index.ThesaurusKeys, error) {
	return r.keys(source, func(string) bool { return true })
}

func (r thesaurusReader) ThesaurusKeysFuzzy(
	source, term string,
	fuzziness int,
	prefix string,
) (index.ThesaurusKeys, error) {
	return r.keys(source, func(key string) bool {
		return strings.HasPrefix(key, prefix) && search.LevenshteinDistance(key, term) <= fuzziness
	})
}

func (r thesaurusReader) ThesaurusKeysRegexp(source, expression string) (index.ThesaurusKeys, error) {
	pattern, err := regexp.Compile("^(?:" + expression + ")$")
	if err != nil {
		return nil, err
	}
	return r.keys(source, pattern.MatchString)
}

func (r thesaurusReader) ThesaurusKeysPrefix(source string, prefix []byte) (index.ThesaurusKeys, error) {
	return r.keys(source, func(key string) bool { return strings.HasPrefix(key, string(prefix)) })
}

// synonymReader returns synonyms, and "" at the end.
type synonymReader struct{ rest []string }

func (r *synonymReader) Next() (next string, err error) {
	if len(r.rest) > 0 {
		next, r.rest = r.rest[0], r.rest[1:]
	}
	return next, nil
}

func (r *synonymReader) Close() error { return nil }
func (r *synonymReader) Size() int    { return 0 }

type synonymKeys struct{ terms []string }

func (k *synonymKeys) Next() (*index.ThesaurusEntry, error) {
	if len(k.terms) == 0 {
		return nil, nil //nolint:nilnil // as bleve has it
	}
	next := k.terms[0]
	k.terms = k.terms[1:]
	return &index.ThesaurusEntry{Term: next}, nil
}

func (k *synonymKeys) Close() error { return nil }

// maxSynonymWords is the largest number of words in a synonym.
const maxSynonymWords = 3

// expandSynonyms adds the synonyms of words, and of up to three adjacent words together.
func (x *expansion) expandSynonyms() error {
	if len(x.synonyms) == 0 {
		return nil
	}
	for i := range x.words {
		for n := 1; n <= maxSynonymWords && i+n <= len(x.words); n++ {
			terms := make([]string, n)
			for j, w := range x.words[i : i+n] {
				terms[j] = w.terms[0]
			}
			for _, synonym := range x.synonyms[strings.Join(terms, " ")] {
				if err := x.addSynonym(x.words[i:i+n], synonym); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// addSynonym adds a synonym of adjacent words to each of them, so that a product with the synonym matches all of them.
func (x *expansion) addSynonym(words []*word, synonym string) error {
	phrase := strings.Fields(synonym)
	for _, term := range phrase {
		if n, err := x.countAll(term); n == 0 || err != nil {
			return err
		}
	}
	for _, w := range words {
		w.ways = append(w.ways, way{phrase: slices.Clone(phrase), weight: 0.9})
	}
	words[0].said.Synonyms = append(words[0].said.Synonyms, synonym)
	return nil
}
