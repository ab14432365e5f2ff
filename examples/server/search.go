package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// question is what a search asks for.
type question struct {
	Text     string
	Language string              // the shopper's, as de-AT; empty: any
	Prefix   bool                // the last word is the beginning of one
	Filters  map[string][]string // by field, values of which a product has one; "10..20" is a range of numbers
	Facets   []string            // fields whose values are counted
	Sort     string              // a field, with - before it in falling order; empty: the best first
	From     int                 // how many hits to leave out
}

// found is the answer to a search.
type found struct {
	Total  int64              `json:"total"`
	Hits   []hit              `json:"hits"`
	Facets map[string][]count `json:"facets,omitempty"`
	// Explanation says which words were corrected or left out.
	Explanation any `json:"explanation,omitempty"`
}

// hit is a product that was found.
type hit struct {
	ID      string          `json:"id"`
	Product json.RawMessage `json:"product,omitempty"`
	// Highlights are excerpts of texts, by field, as HTML with the words that were found in <mark>.
	Highlights map[string][]string `json:"highlights,omitempty"`
}

// count is the number of products that have a value.
type count struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

var (
	// errNoIndex: nothing was indexed for the tenant yet.
	errNoIndex = errors.New("no index")

	// errPlainOnly: this server searches some of its backends with words alone.
	errPlainOnly = errors.New("only q and from are understood with this backend")
)

const (
	hits   = 10  // how many hits an answer has at most
	values = 20  // how many values a facet has at most
	most   = 10  // how many filters and facets a question has at most
	deep   = 990 // how many hits can be left out
)

// read returns the question that a request asks, or an error that names the parameter that is not valid.
func read(query url.Values) (question, error) {
	q := question{
		Text: query.Get("q"), Language: query.Get("lang"), Facets: query["facet"], Sort: query.Get("sort"),
		Filters: map[string][]string{},
	}
	var err error
	if text := query.Get("prefix"); text != "" {
		if q.Prefix, err = strconv.ParseBool(text); err != nil {
			return q, fmt.Errorf("prefix is %.50q, want true or false", text)
		}
	}
	if text := query.Get("from"); text != "" {
		if q.From, err = strconv.Atoi(text); err != nil || q.From < 0 || q.From > deep {
			return q, fmt.Errorf("from is %.50q, want a number from 0 to %d", text, deep)
		}
	}
	for _, filter := range query["filter"] {
		field, value, ok := strings.Cut(filter, ":")
		if !ok || field == "" {
			return q, fmt.Errorf("filter is %.50q, want field:value, or field:10..20 for a range of numbers", filter)
		}
		q.Filters[field] = append(q.Filters[field], value)
	}
	if len(query["filter"]) > most || len(q.Facets) > most || slices.Contains(q.Facets, "") {
		return q, fmt.Errorf("at most %d filters and %d facets can be asked for, and each facet is the name of a field",
			most, most)
	}
	return q, nil
}

// plain reports whether a question is words alone.
func (q question) plain() bool {
	return q.Language == "" && !q.Prefix && len(q.Filters)+len(q.Facets) == 0 && q.Sort == ""
}

// searchHandler answers a search for products, ten at a time:
//
//	GET /search/{tenant}?q=words&lang=de&filter=color:red&filter=price:10..50&facet=brand&sort=-price&from=10
//
// With prefix=true the last word is the beginning of one, as it is while a shopper types. Whoever may not search does
// not get here.
func searchHandler(index backend, log *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		tenant := r.PathValue("tenant")
		asked, err := read(r.URL.Query())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer, err := index.search(r.Context(), tenant, asked)
		switch {
		case errors.Is(err, errNoIndex):
			http.Error(w, "there is no index of this tenant", http.StatusNotFound)
			return
		case errors.Is(err, errPlainOnly):
			http.Error(w, errPlainOnly.Error(), http.StatusBadRequest)
			return
		case err != nil:
			log.ErrorContext(r.Context(), "search failed", "tenant", tenant, "error", err)
			http.Error(w, "the search failed", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			log.WarnContext(r.Context(), "writing the answer failed", "error", err)
		}
	}
}
