package bleveindex

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/search/query"

	"productindex/backends/bleveindex/analyzers"
	"productindex/reindex"
)

// Names of fields, and values, for generated products.
var (
	someNames = []string{
		"id", "sku", "ean", "brandId", "name", "title", "description", "brand", "category", "price", "amount", "stock",
		"availability", "tags",
		"attributes", "value", "x", "a.b", "", "_id", "_all", "_body", "_keyword", "__id", "de", "DE-at", "_type", "größe",
	}
	someStrings = []string{
		"burgundy", "Navy Blue", "navy  blue", "49.99", "1984", "-7", "007", "12345678901234567890", "On", "The Who",
		"true", "JBL", "jbl", "SH-01/a",
		"2026-01-31", "2026-03-01T10:00:00Z", "1500-01-01T00:00:00Z", "Größe", "L'Oréal", "<b>Bold</b> &amp; brave", "手机壳",
		"มือถือ", "1.299,00 €",
		"6579c22f-be2b-444c-a52b-0116dd82df6c", "ISTANBUL İĞNE", "m²", "½ l", "x\x00y", "knives",
		strings.Repeat("long word ", 40),
	}
	someNumbers = []string{
		"0", "-0", "42", "-3.5", "49.99", "1984", "1e3", "9007199254740993", "12345678901234567890", "0.1", "1e300",
	}
)

// randomValue returns a random value in JSON. Values more than three levels deep have no values in them.
func randomValue(r *rand.Rand, depth int) string {
	switch n := r.IntN(10); {
	case n < 5 || depth > 3:
		return quoted(someStrings[r.IntN(len(someStrings))])
	case n < 7:
		return someNumbers[r.IntN(len(someNumbers))]
	case n == 7:
		return []string{"true", "false", "null"}[r.IntN(3)]
	case n == 8:
		all := make([]string, r.IntN(4))
		for i := range all {
			all[i] = randomValue(r, depth+1)
		}
		return "[" + strings.Join(all, ",") + "]"
	default:
		return randomObject(r, depth+1)
	}
}

// quoted returns a string in JSON.
func quoted(s string) string {
	encoded, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

func randomObject(r *rand.Rand, depth int) string {
	fields := map[string]string{}
	for range 1 + r.IntN(4) {
		fields[someNames[r.IntN(len(someNames))]] = randomValue(r, depth)
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		all = append(all, quoted(name)+":"+fields[name])
	}
	return "{" + strings.Join(all, ",") + "}"
}

// scan calls f for every value of a product, with the field in which a search must find it.
func scan(path string, value any, f func(field string, value any)) {
	switch value := value.(type) {
	case map[string]any:
		for name, child := range value {
			below := path + "." + name
			if path == "" {
				below = unreserved(name)
			} else if tag, ok := analyzers.Language(name); ok && isTranslated(path) {
				below = path + "." + tag
			}
			scan(below, child, f)
		}
	case []any:
		for _, child := range value {
			scan(path, child, f)
		}
	case nil:
	default:
		f(path, value)
	}
}

// Every value of generated products is found in its field and by its words. Queries for numbers and booleans, and
// filters, find exactly the products that a scan of all products finds.
func TestEveryValueIsFound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	ix := open(t, t.TempDir(), nil)
	var all []reindex.Product
	decoded := map[string]any{}
	for i := range 300 {
		p := object(fmt.Sprint("p", i), randomObject(r, 0))
		body, err := decode(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		all, decoded[p.ID] = append(all, p), body
	}
	gen := begin(t, ix, "acme")
	for batch := range slices.Chunk(all, 25) {
		if err := gen.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	sealAndCommit(t, gen)
	merge(t, ix, "acme")
	checked := map[string]bool{}
	for _, p := range all {
		scan("", decoded[p.ID], func(field string, value any) {
			for name, q := range queriesFor(field, value) {
				if key := fmt.Sprint(field, "\x00", name, value); !checked[key] {
					checked[key] = true
					checkAgainstScan(t, ix, decoded, field, name, q, value, p.ID)
				}
			}
		})
	}
	if len(checked) < 1000 {
		t.Fatalf("only %d values are checked, want at least 1000", len(checked))
	}
}

// merge merges all segments of the live index into one.
func merge(t *testing.T, ix *Index, tenant string) {
	t.Helper()
	live, err := ix.acquire(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	defer live.done()
	inner, err := live.index.Advanced()
	if err != nil {
		t.Fatal(err)
	}
	all, ok := inner.(*scorch.Scorch)
	if !ok {
		t.Fatalf("the index is a %T, want *scorch.Scorch", inner)
	}
	if err := all.ForceMerge(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// checkAgainstScan checks that a query for a value finds its product, and the same other products as a scan.
func checkAgainstScan(
	t *testing.T, ix *Index, products map[string]any, field, name string, q query.Query, value any, id string,
) {
	t.Helper()
	got := hits(t, ix, "acme", bleve.NewSearchRequestOptions(q, len(products), 0, false))
	if !slices.Contains(got, id) {
		t.Errorf("%s: %s of %#v does not find %s: %v", field, name, value, id, products[id])
		return
	}
	if name == "words" || name == "date" {
		return // these queries also find other values
	}
	want := []string{}
	for other, product := range products {
		found := false
		scan("", product, func(in string, other any) {
			found = found || in == field && sameAs(name, field, value, other)
		})
		if found {
			want = append(want, other)
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: %s of %#v finds %q, want %q, as a scan finds", field, name, value, got, want)
	}
}

// sameAs reports whether a query for a value of a field must also find the other value in that field.
func sameAs(name, field string, value, other any) bool {
	if name == "boolean" {
		return value == other
	}
	n, isNumber := asNumber(field, value)
	m, also := asNumber(field, other)
	if isNumber && also && n == m {
		return true
	}
	return name == "filter" && analyzers.Fold(fmt.Sprint(value)) == analyzers.Fold(fmt.Sprint(other))
}

// asNumber returns the number that a value of a field represents, and reports whether it represents one.
func asNumber(field string, value any) (float64, bool) {
	s, ok := value.(string)
	if !ok {
		n, _, err := number(value)
		return n, err == nil
	}
	n, ok := numberIn(s)
	if !ok && prices[field[strings.LastIndexByte(field, '.')+1:]] {
		n, ok = priceIn(s)
	}
	return n, ok && !isCode(field)
}

// queriesFor returns the queries that must find a value of a field, by kind.
func queriesFor(field string, value any) map[string]query.Query {
	queries := map[string]query.Query{}
	text := fmt.Sprint(value)
	switch value := value.(type) {
	case bool:
		q := bleve.NewBoolFieldQuery(value)
		q.SetField(field)
		queries["boolean"] = q
	case json.Number:
		n, _, _ := number(value)
		n += 0 // without a sign of zero
		inclusive := true
		q := bleve.NewNumericRangeInclusiveQuery(&n, &n, &inclusive, &inclusive)
		q.SetField(field)
		if !nameSet(referenceFields)[field] {
			queries["number"] = q
		}
	case string:
		if date, err := time.Parse(time.RFC3339, value); err == nil && date.Year() > 1700 && !isCode(field) {
			inclusive := true
			q := bleve.NewDateRangeInclusiveQuery(date, date, &inclusive, &inclusive)
			q.SetField(field)
			queries["date"] = q
		}
	}
	_, isDate := queries["date"]
	if !isDate && queries["boolean"] == nil && !nameSet(referenceFields)[field] && hasWords(text) {
		q := bleve.NewMatchQuery(text)
		q.SetOperator(query.MatchQueryOperatorAnd)
		queries["words"] = q
	}
	long := longTexts[strings.SplitN(field, ".", 2)[0]]
	if !nameSet(referenceFields)[field] && !long && len(text) <= maxForm && analyzers.Fold(text) != "" &&
		!analyzers.IsUUID(text) {
		queries["filter"] = Filter(field, text)
	}
	return queries
}

func isCode(field string) bool { return nameSet(codeFields)[field] || nameSet(referenceFields)[field] }

func hasWords(text string) bool {
	m := NewMapping()
	return len(m.AnalyzerNamed(analyzers.Words).Analyze([]byte(text))) > 0
}
