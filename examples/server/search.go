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

// question has the parameters of a search.
type question struct {
	Text     string
	Language string              // the shopper's, such as de-AT; empty means any
	Prefix   bool                // the last word may be the beginning of a word
	Filters  map[string][]string // values by field; a product must have one of each field; "10..20" is a range of numbers
	Facets   []string            // fields whose values are counted
	Sort     string              // a field, with - before it for descending order; empty means by relevance
	From     int                 // the number of hits to skip
}

// found is the result of a search.
type found struct {
	Total  int64              `json:"total"`
	Hits   []hit              `json:"hits"`
	Facets map[string][]count `json:"facets,omitempty"`
	// Explanation lists the words that were corrected or left out.
	Explanation any `json:"explanation,omitempty"`
}

// hit is a product that matches a search.
type hit struct {
	ID      string          `json:"id"`
	Product json.RawMessage `json:"product,omitempty"`
	// Highlights are excerpts of texts by field, as HTML with the found words in <mark>.
	Highlights map[string][]string `json:"highlights,omitempty"`
}

// count is the number of products with a value.
type count struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

var (
	// errNoIndex means that the tenant has not been indexed yet.
	errNoIndex = errors.New("the tenant has not been indexed yet")

	// errPlainOnly means that the backend supports only some parameters.
	errPlainOnly = errors.New("this backend supports only the parameters q and from")
)

const (
	hits   = 10  // the greatest number of hits in a result
	values = 20  // the greatest number of values of a facet
	most   = 10  // the greatest number of filters, and of facets, in a question
	deep   = 990 // the greatest number of hits to skip
)

// read parses the parameters of a search. Its error names the parameter that is not valid.
func read(query url.Values) (question, error) {
	q := question{
		Text: query.Get("q"), Language: query.Get("lang"), Facets: query["facet"], Sort: query.Get("sort"),
		Filters: map[string][]string{},
	}
	var err error
	if text := query.Get("prefix"); text != "" {
		if q.Prefix, err = strconv.ParseBool(text); err != nil {
			return q, fmt.Errorf("prefix is %.50q; it must be true or false", text)
		}
	}
	if text := query.Get("from"); text != "" {
		if q.From, err = strconv.Atoi(text); err != nil || q.From < 0 || q.From > deep {
			return q, fmt.Errorf("from is %.50q; it must be a number from 0 to %d", text, deep)
		}
	}
	for _, filter := range query["filter"] {
		field, value, ok := strings.Cut(filter, ":")
		if !ok || field == "" {
			return q, fmt.Errorf("filter is %.50q; it must be field:value, or field:10..20 for a range of numbers", filter)
		}
		q.Filters[field] = append(q.Filters[field], value)
	}
	if len(query["filter"]) > most || len(q.Facets) > most || slices.Contains(q.Facets, "") {
		return q, fmt.Errorf("at most %d filters and %d facets are allowed, and each facet must be the name of a field",
			most, most)
	}
	return q, nil
}

// plain reports whether a question has no other parameters than q and from.
func (q question) plain() bool {
	return q.Language == "" && !q.Prefix && len(q.Filters)+len(q.Facets) == 0 && q.Sort == ""
}

// searchHandler answers a search for products, ten at a time:
//
//	GET /search/{tenant}?q=words&lang=de&filter=color:red&filter=price:10..50&facet=brand&sort=-price&from=10
//
// With prefix=true the last word may be the beginning of a word, as in a search while a shopper types. The handler does
// not authorize requests; httpapi.Protect does.
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
			http.Error(w, errNoIndex.Error(), http.StatusNotFound)
			return
		case errors.Is(err, errPlainOnly):
			http.Error(w, errPlainOnly.Error(), http.StatusBadRequest)
			return
		case err != nil:
			log.ErrorContext(r.Context(), "search failed", "tenant", tenant, "error", err)
			http.Error(w, "the search failed; the service's log has the details", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			log.WarnContext(r.Context(), "writing the answer failed", "error", err)
		}
	}
}
