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

// queryCount is the number of queries that are measured.
const queryCount = 300

// queryOf returns the first two to four words of a product's name, of one language after the other if it is in several;
// empty: it has none.
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

// pickQueries picks from the queries of all products, the same ones each time, from all over the catalogue.
func pickQueries(all []string) []string {
	var queries []string
	for i := range min(queryCount, len(all)) {
		if q := all[i*7919%len(all)]; q != "" {
			queries = append(queries, q)
		}
	}
	return queries
}

// queries are those that are measured.
type queries struct {
	Names   []string `json:"names"`   // the beginnings of products' names
	Shopper []string `json:"shopper"` // what shoppers type; none: they are not known for this catalogue
}

// shopperFile has a line for each query that shoppers make in one of the real catalogues: its name, the query, and the
// rule that right hits follow.
const shopperFile = "queries.tsv"

// shopperQueries returns the shoppers' queries of a catalogue, or none.
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

// latency is how long queries take, in microseconds.
type latency struct {
	P50 float64 `json:"p50_us"`
	P95 float64 `json:"p95_us"`
}

// found is how long queries take, and how many products they find together.
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

// measure makes queries twice, one after the other, and measures the second time. It returns how many products they
// find.
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
