package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// queryCount is how many queries are measured.
const queryCount = 300

// queryOf returns the first two words of a product's name, of one language after the other where it is in several;
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
	return strings.Join(words[:min(2, len(words))], " ")
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

// latency is how long queries take, in microseconds.
type latency struct {
	P50 float64 `json:"p50_us"`
	P95 float64 `json:"p95_us"`
}

// measureQueries makes every query of a file twice, one after the other, and measures the second time. hits are what
// they find together.
func (l loaded) measureQueries(ctx context.Context, file string) (took latency, hits float64, err error) {
	if l.search == nil {
		return latency{}, 0, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return latency{}, 0, err
	}
	var queries []string
	if err := json.Unmarshal(content, &queries); err != nil || len(queries) == 0 {
		return latency{}, 0, err
	}
	times := make([]float64, 0, len(queries))
	for _, measured := range []bool{false, true} {
		for _, q := range queries {
			start := time.Now()
			n, err := l.search(ctx, q)
			if err != nil {
				return latency{}, 0, fmt.Errorf("searching for %q: %w", q, err)
			}
			if measured {
				times = append(times, float64(time.Since(start).Nanoseconds())/1e3)
				hits += float64(n)
			}
		}
	}
	slices.Sort(times)
	return latency{P50: median(times), P95: times[len(times)*95/100]}, hits, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
