package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/query"
	"github.com/blevesearch/bleve/v2/search/searcher"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/backends/bleveindex/analyzers"
)

// QueryOptions configure a [Query]. The zero value means the defaults, and so does nil.
type QueryOptions struct {
	// Language is the tag of the shopper's language, such as de or de-AT. Fields of that language, such as name.de,
	// count more than those of others. Default: all languages count equally.
	Language string

	// Prefix treats the last word as the beginning of a word, for searching while the shopper types.
	Prefix bool

	// Exact finds only products that have all words, or their plurals and synonyms. No word is corrected or left out.
	Exact bool

	// Filter, if it is not nil, must match every product found. Words are corrected or left out if too few products
	// that match Filter have them.
	Filter query.Query
}

const (
	maxText  = 1000 // bytes; the rest of a text is ignored
	maxWords = 24   // the rest of the words of a text is ignored
	maxWord  = 24   // letters of the longest word that is split or corrected
)

// ProductQuery is the bleve query that [Query] returns. It must not be used by several searches at the same time.
type ProductQuery struct {
	text    string
	options QueryOptions

	mu          sync.Mutex
	explanation Explanation
	terms       soughtTerms
}

// Explanation describes how a search has interpreted its text.
type Explanation struct {
	// Words describes the words of the text, in order.
	Words []WordExplanation `json:"words"`

	// Required is the number of words that a product must have to be found. It is smaller than the number of searched
	// words if few or no products have all of them.
	Required int `json:"required"`
}

// WordExplanation describes how a search has interpreted a word.
type WordExplanation struct {
	// Word is the word as it is written in the text.
	Word string `json:"word"`

	// Corrected are the words that were searched instead, because no product has the word.
	Corrected []string `json:"corrected,omitempty"`

	// Synonyms are the synonyms that were also searched.
	Synonyms []string `json:"synonyms,omitempty"`

	// LeftOut reports that the word was ignored, because no product has it or a similar one.
	LeftOut bool `json:"left_out,omitempty"`

	// Optional reports that the word is so common that products need not have it; it only affects their order.
	Optional bool `json:"optional,omitempty"`
}

// Query returns a query for the text that a shopper types into a search box. The index must have the mapping of
// [NewMapping].
//
//   - Products with all words come first. If there are few of them, products that lack some words follow.
//   - Words in names, brands and categories count more than those in descriptions, and a whole code or id most.
//   - Singular and plural, accents and similar differences do not matter: see [NewMapping]. Words match joined and
//     split, such as RTX4090 and RTX 4090, nhd15 and NH-D15, sun glasses and sunglasses. So do numbers with a decimal
//     point and with a decimal comma. A word that no product has is corrected by one or two letters.
//   - Synonyms are those of the mapping: see [ProductMapping.DefineSynonyms].
//
// Only the first 24 words of a text are searched. An empty text finds every product. After the search,
// [ProductQuery.Explanation] returns the words that were searched.
func Query(text string, options *QueryOptions) *ProductQuery {
	if len(text) > maxText {
		text = text[:maxText]
	}
	q := &ProductQuery{text: strings.ToValidUTF8(text, " ")}
	if options != nil {
		q.options = *options
	}
	return q
}

// Validate returns an error if there is no analyzer for the language. bleve calls it before a search.
func (q *ProductQuery) Validate() error {
	if q.options.Language == "" {
		return nil
	}
	if _, ok := analyzers.Language(q.options.Language); !ok {
		return fmt.Errorf(
			"there is no analyzer of language %q; the languages with one are %s",
			q.options.Language,
			strings.Join(analyzers.Tags(), ", "),
		)
	}
	return nil
}

// Explanation describes how the last search with the query has interpreted the text. Before the first search it is
// empty.
func (q *ProductQuery) Explanation() Explanation {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.explanation
}

// sought returns the terms of the last search.
func (q *ProductQuery) sought() soughtTerms {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.terms
}

// Searcher implements [query.Query].
func (q *ProductQuery) Searcher(
	ctx context.Context, reader index.IndexReader, m mapping.IndexMapping, options search.SearcherOptions,
) (search.Searcher, error) {
	x, err := newExpansion(ctx, reader, m, options, &q.options)
	if err != nil {
		return nil, err
	}
	found, err := q.searcher(x)
	q.mu.Lock()
	q.explanation, q.terms = x.explanation, x.terms
	q.mu.Unlock()
	return found, err
}

func (q *ProductQuery) searcher(x *expansion) (search.Searcher, error) {
	if strings.TrimSpace(q.text) == "" {
		return x.filtered(query.NewMatchAllQuery())
	}
	if err := x.parse(q.text); err != nil {
		return nil, err
	}
	required, optional := x.partition()
	if q.options.Exact && x.leavesOut() {
		required = nil
	}
	plan := &plan{x: x, required: required, optional: optional, codes: x.codes(q.text), min: len(required)}
	if len(plan.codes) > 0 {
		x.keepWords()
	}
	if len(required) == 0 && len(plan.codes) == 0 {
		return searcher.NewMatchNoneSearcher(x.reader)
	}
	if err := x.relax(plan); err != nil {
		return nil, err
	}
	x.explanation.Required = plan.min
	return x.filtered(plan)
}

// few is the number of results below which products with similar words, or without some of the words, are also shown.
const few = 10

// relax extends a plan that finds few products: first by similar words, then by products that lack some words.
func (x *expansion) relax(p *plan) error {
	if x.query.Exact || p.min == 0 || len(p.codes) > 0 {
		return nil
	}
	n, err := x.findsUpTo(p, few)
	if err != nil || n == few {
		return err
	}
	if err := x.widen(p.required); err != nil {
		return err
	}
	for {
		if n, err = x.findsUpTo(p, few); err != nil || n == few || p.min == 1 {
			return err
		}
		p.min--
	}
}

// filtered returns the searcher of a query within the filter.
func (x *expansion) filtered(q query.Query) (search.Searcher, error) {
	if x.query.Filter != nil {
		q = &query.BooleanQuery{Must: q, Filter: x.query.Filter}
	}
	return q.Searcher(x.ctx, x.reader, x.m, x.options)
}

// findsUpTo returns the number of products that a query finds within the filter, but at most limit.
func (x *expansion) findsUpTo(q query.Query, limit int) (n int, err error) {
	options := x.options
	x.options = search.SearcherOptions{Score: unscored}
	s, err := x.filtered(q)
	x.options = options
	if err != nil {
		return 0, err
	}
	return matches(s, x.reader, limit)
}

// matches returns the number of matches of a searcher, but at most limit, and closes the searcher.
func matches(s search.Searcher, reader index.IndexReader, limit int) (n int, err error) {
	defer func() { err = errors.Join(err, s.Close()) }()
	ctx := &search.SearchContext{
		DocumentMatchPool: search.NewDocumentMatchPool(s.DocumentMatchPoolSize()+1, 0),
		IndexReader:       reader,
	}
	for n < limit {
		match, err := s.Next(ctx)
		if match == nil || err != nil {
			return n, err
		}
		ctx.DocumentMatchPool.Put(match)
		n++
	}
	return n, nil
}

// unscored is bleve's name for searches without scores.
const unscored = "none"
