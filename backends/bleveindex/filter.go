package bleveindex

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/query"
	"github.com/blevesearch/bleve/v2/search/searcher"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/backends/bleveindex/internal/compact"
)

// valueFilter is the query that [Filter] returns.
type valueFilter struct {
	field  string
	values []string
}

// Filter returns a query that finds the products with one of the values in a field, ignoring case, accents and width.
// Numbers and booleans are written as in JSON. The query uses the keyword forms of [NewMapping], which values of more
// than 256 bytes and UUIDs do not have. It does not change scores.
func Filter(field string, values ...string) query.Query {
	return &valueFilter{field, values}
}

// Searcher implements [query.Query]. It finds the products that have the words of a value, and filters them by their
// keyword forms.
func (f *valueFilter) Searcher(
	ctx context.Context, reader index.IndexReader, m mapping.IndexMapping, _ search.SearcherOptions,
) (search.Searcher, error) {
	keys := map[string]bool{}
	var candidates []query.Query
	for _, value := range f.values {
		of := keysOf(f.field, value)
		if len(of) == 0 {
			continue
		}
		for _, key := range of {
			keys[key] = true
		}
		candidates = append(candidates, f.candidates(value, m)...)
	}
	if len(keys) == 0 {
		return searcher.NewMatchNoneSearcher(reader)
	}
	var among query.Query = query.NewMatchAllQuery()
	if !slices.Contains(candidates, nil) {
		among = query.NewDisjunctionQuery(candidates)
	}
	found, err := among.Searcher(ctx, reader, m, search.SearcherOptions{Score: unscored})
	if err != nil {
		return nil, err
	}
	forms, err := reader.DocValueReader([]string{formsName + "." + f.field})
	if err != nil {
		_ = found.Close()
		return nil, err
	}
	whole := &wholeValues{}
	whole.Searcher = searcher.NewFilteringSearcher(
		ctx,
		found,
		func(_ *search.SearchContext, match *search.DocumentMatch) bool {
			has := false
			err := forms.VisitDocValues(match.IndexInternalID, func(_ string, form []byte) {
				has = has || keys[formKey(string(form))] && string(form) != compact.FormTerm
			})
			whole.failed = errors.Join(whole.failed, err)
			return has
		},
	)
	return whole, nil
}

// wholeValues returns the matches of its searcher, or an error if the keyword forms could not be read.
type wholeValues struct {
	search.Searcher

	failed error
}

func (w *wholeValues) Next(ctx *search.SearchContext) (*search.DocumentMatch, error) {
	match, err := w.Searcher.Next(ctx)
	return match, errors.Join(err, w.failed)
}

func (w *wholeValues) Advance(ctx *search.SearchContext, id index.IndexInternalID) (*search.DocumentMatch, error) {
	match, err := w.Searcher.Advance(ctx, id)
	return match, errors.Join(err, w.failed)
}

// candidates returns queries that find all products that may have a value. A nil query stands for all products.
func (f *valueFilter) candidates(value string, m mapping.IndexMapping) []query.Query {
	var all []query.Query
	if analyzer := m.AnalyzerNamed(m.AnalyzerNameForPath(f.field)); analyzer == nil ||
		len(analyzer.Analyze([]byte(value))) == 0 {
		return []query.Query{nil}
	}
	words := query.NewMatchQuery(value)
	words.SetField(f.field)
	words.SetOperator(query.MatchQueryOperatorAnd)
	all = append(all, words)
	if b, err := strconv.ParseBool(value); err == nil {
		is := query.NewBoolFieldQuery(b)
		is.SetField(f.field)
		all = append(all, is)
	}
	inclusive := true
	if n, ok := numberOf(f.field, value); ok {
		is := query.NewNumericRangeInclusiveQuery(&n, &n, &inclusive, &inclusive)
		is.SetField(f.field)
		all = append(all, is)
	}
	if date, _, ok := dateIn(value); ok {
		is := query.NewDateRangeInclusiveQuery(date, date, &inclusive, &inclusive)
		is.SetField(f.field)
		all = append(all, is)
	}
	return all
}

// numberOf returns the number that a value of the field represents. It reports false if the value is not a number.
func numberOf(field, value string) (float64, bool) {
	n, ok := numberIn(value)
	if !ok && prices[field[strings.LastIndexByte(field, '.')+1:]] {
		n, ok = priceIn(value)
	}
	if !ok {
		parsed, err := strconv.ParseFloat(value, 64) // 1e3
		n, ok = parsed, err == nil && !math.IsInf(parsed, 0) && !math.IsNaN(parsed)
	}
	return n + 0, ok // turns -0 into 0
}

// keysOf returns the keys of the possible keyword forms of a value.
func keysOf(field, value string) (keys []string) {
	if form := textForm(value); form != "" {
		keys = append(keys, formKey(form))
	}
	if n, ok := numberOf(field, value); ok {
		keys = append(keys, formKey(numberForm(n, value)))
	}
	if date, _, ok := dateIn(value); ok {
		keys = append(keys, dateKey(date))
	}
	return keys
}
