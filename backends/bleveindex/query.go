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

// QueryOptions adjust a [Query]. The zero value, and nil in its place, means the defaults.
type QueryOptions struct {
	// Language is the tag of the shopper's language, as de or de-AT. Its own fields, as name.de, count first. Empty: those
	// of all languages count alike.
	Language string

	// Prefix takes the last word for the beginning of one, as it is while a shopper types.
	Prefix bool

	// Exact finds only what has all words as they are written, or their plurals and synonyms: nothing is corrected or left
	// out.
	Exact bool

	// Filter, if not nil, also has to match. Words are corrected and left out until something within it is found.
	Filter query.Query
}

const (
	maxText  = 1000 // how many bytes of a text are looked at
	maxWords = 24   // how many words of it are looked for
	maxWord  = 24   // how many letters a word has at most that is split or corrected
)

// ProductQuery is what [Query] returns: a query of bleve's, for one search at a time.
type ProductQuery struct {
	text    string
	options QueryOptions

	mu          sync.Mutex
	explanation Explanation
	terms       soughtTerms
}

// Explanation says what a search looked for.
type Explanation struct {
	// Words are those of the text, in order.
	Words []WordExplanation `json:"words"`

	// Required is how many of the words that count are in each product that was found. It is smaller than their number if
	// few products, or none, have them all.
	Required int `json:"required"`
}

// WordExplanation says what became of a word.
type WordExplanation struct {
	// Word is the word as it is in the text.
	Word string `json:"word"`

	// Corrected are the words that were looked for in its place, because no product has it.
	Corrected []string `json:"corrected,omitempty"`

	// Synonyms are those that were looked for as well.
	Synonyms []string `json:"synonyms,omitempty"`

	// LeftOut: no product has it, or anything like it.
	LeftOut bool `json:"left_out,omitempty"`

	// Optional: it says little beside the others, and counts only for the order.
	Optional bool `json:"optional,omitempty"`
}

// Query returns the query for what a shopper types into a search box, over an index with the mapping that [NewMapping]
// returns.
//
//   - Products that have all words come first. If they are few, those follow that lack some.
//   - Words in names, brands and categories count more than those in descriptions, and a whole code or id most.
//   - Singular and plural, accents and the like do not matter: see [NewMapping]. Words are found joined and split, as
//     in RTX4090 and RTX 4090, 990pro and 990 PRO, sun glasses and sunglasses. A word that no product has is corrected
//     by a letter or two.
//   - Synonyms are those of the mapping: see [ProductMapping.DefineSynonyms].
//
// Of a long text the first 24 words count. An empty one finds everything. [ProductQuery.Explanation] returns the
// words that were looked for.
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

// Validate reports a language that is not known.
func (q *ProductQuery) Validate() error {
	if q.options.Language == "" {
		return nil
	}
	if _, ok := analyzers.Language(q.options.Language); !ok {
		return fmt.Errorf(
			"there is no analyzer of language %q; those with one are %s",
			q.options.Language,
			strings.Join(analyzers.Tags(), ", "),
		)
	}
	return nil
}

// Explanation says what the last search with the query looked for. It is empty before that.
func (q *ProductQuery) Explanation() Explanation {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.explanation
}

// sought returns the terms that the last search looked for.
func (q *ProductQuery) sought() soughtTerms {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.terms
}

// Searcher is called by bleve.
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
	required, optional := x.sorted()
	if q.options.Exact && x.leavesOut() {
		required = nil
	}
	plan := &plan{x: x, required: required, optional: optional, codes: x.codes(q.text), min: len(required)}
	if len(required) == 0 && len(plan.codes) == 0 {
		return searcher.NewMatchNoneSearcher(x.reader)
	}
	if err := x.relax(plan); err != nil {
		return nil, err
	}
	x.explanation.Required = plan.min
	return x.filtered(plan)
}

// few is up to how many products are so few that others are shown after them, which lack a word, or have one that is
// like it.
const few = 10

// relax lets a plan find more if it finds few: products with similar words first, then those that lack some.
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

// findsUpTo returns how many products a query finds within the filter, or most if it finds more.
func (x *expansion) findsUpTo(q query.Query, most int) (n int, err error) {
	options := x.options
	x.options = search.SearcherOptions{Score: unscored}
	s, err := x.filtered(q)
	x.options = options
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	ctx := &search.SearchContext{
		DocumentMatchPool: search.NewDocumentMatchPool(s.DocumentMatchPoolSize()+1, 0),
		IndexReader:       x.reader,
	}
	for n < most {
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
