package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// queryCount is the number of measured queries.
const queryCount = 300

// queryOf returns the first two to four words of a product's name. If the name has several languages, the languages
// take turns. The query is empty if the product has no name.
func queryOf(line []byte, i int) string {
	var product struct {
		Name json.RawMessage `json:"name"`
	}
	var name string
	var names map[string]string
	switch {
	case json.Unmarshal(line, &product) != nil:
	case json.Unmarshal(product.Name, &name) == nil:
	case json.Unmarshal(product.Name, &names) == nil && len(names) > 0:
		tags := sortedKeys(names)
		name = names[tags[i%len(tags)]]
	}
	words := strings.Fields(name)
	return strings.Join(words[:min(2+i%3, len(words))], " ")
}

// pickQueries picks an even sample of the queries of all products, which is the same each time.
func pickQueries(all []string) []string {
	var queries []string
	for i := range min(queryCount, len(all)) {
		if q := all[i*7919%len(all)]; q != "" {
			queries = append(queries, q)
		}
	}
	return queries
}

// queries has the measured queries.
type queries struct {
	Names   []string `json:"names"`   // the beginnings of products' names
	Shopper []string `json:"shopper"` // queries by shoppers; empty if they are not known for this catalogue
}

// shopperFile has a line per query of shoppers in a real catalogue: the catalogue's name, the query, and the rule for
// right hits.
const shopperFile = "queries.tsv"

// shopperQueries returns the shoppers' queries for a catalogue, if there are any.
func shopperQueries(catalogue string) (found []string, err error) {
	if !isReal(catalogue) {
		return nil, nil
	}
	content, err := os.ReadFile(filepath.Join(filepath.Dir(path(catalogue)), shopperFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Split(line, "\t"); len(fields) > 1 && fields[0] == catalogue {
			found = append(found, fields[1])
		}
	}
	return found, err
}

// latency has the latencies of queries in microseconds.
type latency struct {
	P50 float64 `json:"p50_us"`
	P95 float64 `json:"p95_us"`
}

// found has the latencies of queries and the number of products that all of them find.
type found struct {
	names, shopper latency
	hits           float64
}

// measureQueries measures the queries of a file, unless the index is not searched.
func (l loaded) measureQueries(ctx context.Context, file string) (f found, err error) {
	if l.search == nil {
		return f, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return f, err
	}
	var all queries
	if err := json.Unmarshal(content, &all); err != nil {
		return f, err
	}
	names, err := l.measure(ctx, all.Names, &f.names)
	if err != nil {
		return f, err
	}
	shopper, err := l.measure(ctx, all.Shopper, &f.shopper)
	f.hits = names + shopper
	return f, err
}

// measure makes all queries twice, one after the other, and measures the second time. It also returns the number of
// products that they find.
func (l loaded) measure(ctx context.Context, queries []string, took *latency) (hits float64, err error) {
	if len(queries) == 0 {
		return 0, nil
	}
	times := make([]float64, 0, len(queries))
	for _, measured := range []bool{false, true} {
		for _, q := range queries {
			start := time.Now()
			n, err := l.search(ctx, q)
			if err != nil {
				return 0, fmt.Errorf("searching for %q: %w", q, err)
			}
			if measured {
				times = append(times, float64(time.Since(start).Nanoseconds())/1e3)
				hits += float64(n)
			}
		}
	}
	slices.Sort(times)
	*took = latency{P50: median(times), P95: times[len(times)*95/100]}
	return hits, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
