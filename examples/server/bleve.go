package main

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/search/query"

	"productindex/backends/bleveindex"
	"productindex/reindex"
)

// openBleve opens an index in this process, in a folder.
func openBleve(cfg config) (backend, error) {
	index, err := bleveindex.Open(cfg.Index, &bleveindex.Config{KeepPrevious: cfg.KeepPrevious})
	if err != nil {
		return backend{}, err
	}
	search := func(ctx context.Context, tenant string, q question) (found, error) {
		answer, err := searchBleve(ctx, index, tenant, q)
		if errors.Is(err, reindex.ErrNoLiveIndex) || errors.Is(err, reindex.ErrTenant) {
			return found{}, errNoIndex
		}
		return answer, err
	}
	return backend{index, search, bleveindex.Golden, index.Close}, nil
}

func searchBleve(ctx context.Context, index *bleveindex.Index, tenant string, q question) (found, error) {
	options := &bleveindex.QueryOptions{Prefix: q.Prefix, Filter: bleveFilter(q.Filters), Language: q.Language}
	words := bleveindex.Query(q.Text, options)
	if words.Validate() != nil { // the language has no analyzer, so search as without a language
		options.Language = ""
		words = bleveindex.Query(q.Text, options)
	}
	request := bleve.NewSearchRequestOptions(words, hits, q.From, false)
	request.Fields = []string{bleveindex.BodyField}
	request.Highlight = bleve.NewHighlightWithStyle("html")
	for _, field := range q.Facets {
		request.AddFacet(field, bleve.NewFacetRequest(field, values))
	}
	if q.Sort != "" {
		request.SortBy([]string{q.Sort, "-_score", "_id"})
	}
	result, err := index.Search(ctx, tenant, request)
	if err != nil {
		return found{}, err
	}
	//nolint:gosec // a number of documents
	answer := found{Total: int64(result.Total), Hits: []hit{}, Explanation: words.Explanation()}
	for _, match := range result.Hits {
		body, _ := bleveindex.Body(match)
		answer.Hits = append(answer.Hits, hit{match.ID, body, match.Fragments})
	}
	for field, facet := range result.Facets {
		if answer.Facets == nil {
			answer.Facets = map[string][]count{}
		}
		answer.Facets[field] = []count{}
		for _, term := range facet.Terms.Terms() {
			answer.Facets[field] = append(answer.Facets[field], count{term.Term, term.Count})
		}
	}
	return answer, nil
}

// bleveFilter returns the query for the products that have one of the values of every field, or nil for none.
func bleveFilter(filters map[string][]string) query.Query {
	var all []query.Query
	for field, values := range filters {
		var ranges []query.Query
		var plain []string
		for _, value := range values {
			if low, high, ok := numberRange(value); ok {
				inclusive := true
				between := bleve.NewNumericRangeInclusiveQuery(low, high, &inclusive, &inclusive)
				between.SetField(field)
				ranges = append(ranges, between)
			} else {
				plain = append(plain, value)
			}
		}
		if len(plain) > 0 {
			ranges = append(ranges, bleveindex.Filter(field, plain...))
		}
		all = append(all, bleve.NewDisjunctionQuery(ranges...))
	}
	if len(all) == 0 {
		return nil
	}
	return bleve.NewConjunctionQuery(all...)
}

// numberRange returns the bounds of a range such as 10..20, 10.. or ..20.
func numberRange(value string) (low, high *float64, ok bool) {
	from, to, ok := strings.Cut(value, "..")
	if !ok || from == "" && to == "" {
		return nil, nil, false
	}
	low, first := bound(from)
	high, second := bound(to)
	return low, high, first && second
}

// bound returns a bound of a range, or nil if the range is open.
func bound(text string) (*float64, bool) {
	if text == "" {
		return nil, true
	}
	n, err := strconv.ParseFloat(text, 64)
	return &n, err == nil
}
