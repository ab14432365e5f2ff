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

// A value is found by its type, for all names of fields and all other values of the field.
func TestValuesOfEveryType(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme",
		object("mixed", `{"attributes":[{"value":42},{"value":"burgundy"},{"value":true},{"value":"2026-03-01T10:00:00Z"}]}`),
		object("number", `{"title":1984,"sku":7,"description":5,"brand":4711,"id":9,"tags":[1,"two"]}`),
		object("bool", `{"availability":true,"price":false,"title":true,"sku":false}`),
		object("strings", `{"price":"49.99","width":"12","stock":"7 pieces","ean":"0012","depth":"-3.5"}`),
		object("amounts", `{"price":"1.299,00 €","list_price":"$1,299.00","sale_price":"CHF 1'299.50","amount":"1,299"}`),
		object("long", `{"ean":12345678901234567890,"article":9007199254740993,"serial":"9007199254740993"}`),
		object("on", `{"brand":"On","name":"The Who"}`),
		object("colour", `{"attributes":{"color":"Navy Blue","note":"blue and navy"}}`),
		object("own", `{"_id":"mine","_all":5,"_body":"text","_keyword":{"x":"y"},"":"unnamed","_":3}`),
		object("object", `{"title":{"main":"Elephant"},"price":{"net":5},"sku":{"old":"A-1"},"brand":["Zeta",3]}`),
	)
	for q, want := range map[string]string{
		`burgundy`: "mixed", `attributes.value:burgundy`: "mixed", `attributes.value:42`: "mixed",
		`attributes.value:>41`: "mixed",
		`1984`:                 "number", `title:1984`: "number", `title:>1983`: "number",
		`+sku:7`: "number", `4711`: "number",
		`brand:4711`: "number",
		`id:9`:       "number", `tags:two`: "number", `tags:1`: "number", `description:5`: "number",
		`price:>49 price:<40`: "amounts bool strings", `+price:>=49.99 +price:<=49.99`: "strings",
		`price:"49.99"`: "strings", `width:>11`: "strings",
		`stock:pieces`: "strings", `ean:0012`: "strings", `depth:<0`: "strings", `+price:>1298 +price:<1300`: "amounts",
		`list_price:>1298`: "amounts", `sale_price:>1299.4`: "amounts", `amount:1,299`: "amounts",
		`ean:12345678901234567890`: "long", `article:"9007199254740993"`: "long", `12345678901234567890`: "long",
		`serial:"9007199254740993"`: "long",
		`On`:                        "on", `brand:on`: "on", `"the who"`: "on", `the`: "on",
		`attributes.color:"Navy Blue"`: "colour", `attributes.note:"navy blue"`: "", `"navy blue"`: "colour",
		`mine`: "own", `__id:mine`: "own", `__all:5`: "own", `__body:text`: "own", `__keyword.x:y`: "own", `unnamed`: "own",
		`_:unnamed`: "own", `__:3`: "own",
		`title.main:elephant`: "object", `price.net:5`: "object", `sku.old:"A-1"`: "object", `brand:zeta`: "object",
		`brand:3`: "object",
	} {
		if q == `price:>49 price:<40` {
			continue // three ways at once are below
		}
		if got := strings.Join(find(t, ix, "acme", q), " "); got != want {
			t.Errorf("%s finds %q, want %q", q, got, want)
		}
	}
	for field, want := range map[string]bool{
		"availability":     true,
		"price":            false,
		"title":            true,
		"sku":              false,
		"attributes.value": true,
	} {
		q := bleve.NewBoolFieldQuery(want)
		q.SetField(field)
		if got := hits(t, ix, "acme", bleve.NewSearchRequest(q)); len(got) != 1 {
			t.Errorf("%s:%t finds %q", field, want, got)
		}
	}
}

// Sorting, facets and filters take values whole, whatever their case, accents and type.
func TestKeywordForms(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme",
		object("1", `{"name":"zebra Apple","color":"Navy Blue","brand":"JBL","price":"9.5","new":true}`),
		object("2", `{"name":"Apple zebra","color":"navy  blue","brand":"jbl","price":10,"new":false}`),
		object("3", `{"name":"Éclair","color":"Red","brand":"JBL","price":"100","new":true}`),
		object("4", `{"name":"banana","color":"NAVY BLUE","brand":"Ｊｂｌ Pro","price":"on request"}`),
		object("5", `{"name":"Elan","color":["Red","Green"],"price":-3}`),
	)
	for by, want := range map[string]string{
		"name": "2 4 3 5 1", "-name": "1 5 3 4 2", "price": "5 1 2 3 4", "-price": "4 3 2 1 5",
	} {
		req := bleve.NewSearchRequest(bleve.NewMatchAllQuery())
		req.SortBy([]string{by})
		result, err := ix.Search(t.Context(), "acme", req)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, hit := range result.Hits {
			got = append(got, hit.ID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("by %s: %q, want %s", by, got, want)
		}
	}
	req := bleve.NewSearchRequest(bleve.NewMatchAllQuery())
	for _, field := range []string{"color", "brand", "price", "new"} {
		req.AddFacet(field, bleve.NewFacetRequest(field, 3))
	}
	merge(t, ix, "acme")
	result, err := ix.Search(t.Context(), "acme", req)
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{
		"color": "NAVY BLUE×3 Red×2 Green×1 other 0 of 6", "brand": "JBL×3 Ｊｂｌ Pro×1 other 0 of 4",
		"price": "-3×1 10×1 100×1 other 2 of 5",
		"new":   "true×2 false×1 other 0 of 3",
	} {
		facet := result.Facets[field]
		var got []string
		for _, term := range facet.Terms.Terms() {
			got = append(got, fmt.Sprintf("%s×%d", term.Term, term.Count))
		}
		if all := fmt.Sprintf("%s other %d of %d", strings.Join(got, " "), facet.Other, facet.Total); all != want {
			t.Errorf("%s: %s, want %s", field, all, want)
		}
	}
	for _, test := range []struct {
		field, value, want string
	}{
		{"color", "navy blue", "1 2 4"}, {"color", "NAVY  Blue", "1 2 4"}, {"color", "navy", ""}, {"color", "blue", ""},
		{"color", "green", "5"},
		{"brand", "jbl", "1 2 3"}, {"brand", "jbl pro", "4"}, {"name", "eclair", "3"}, {"price", "9.50", "1"},
		{"price", "100", "3"},
		{"price", "On Request", "4"}, {"new", "true", "1 3"}, {"nonesuch", "x", ""}, {"color", "", ""},
	} {
		got := strings.Join(hits(t, ix, "acme", bleve.NewSearchRequest(Filter(test.field, test.value))), " ")
		if got != test.want {
			t.Errorf("%s is %q: %q, want %q", test.field, test.value, got, test.want)
		}
	}
	if got := hits(t, ix, "acme", bleve.NewSearchRequest(Filter("color", "red", "green"))); len(got) != 2 {
		t.Errorf("two colors: %q", got)
	}
}

func TestCountedFacetsOfAHost(t *testing.T) {
	m := NewMapping()
	m.DefaultMapping.AddFieldMappingsAt("material", bleve.NewKeywordFieldMapping())
	ix := open(t, t.TempDir(), &Config{Mapping: m})
	publish(t, ix, "acme", object("1", `{"material":"Pure wool"}`), object("2", `{"material":"pure wool"}`),
		object("3", `{"material":5}`))
	req := bleve.NewSearchRequest(bleve.NewMatchAllQuery())
	req.AddFacet("material", bleve.NewFacetRequest("material", 5))
	result, err := ix.Search(t.Context(), "acme", req)
	if err != nil {
		t.Fatal(err)
	}
	if terms := result.Facets["material"].Terms.Terms(); len(terms) != 3 || terms[0].Term != "5" {
		t.Errorf("a host's own keywords: %v", terms)
	}
	if got := find(t, ix, "acme", "material:5"); !slices.Equal(got, []string{"3"}) {
		t.Errorf("a number in a host's keyword: %q", got)
	}
}

// names of fields, and strings, for generated products.
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

// randomValue returns JSON.
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

// quoted returns a string as JSON.
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

// scan calls f for every value of a product, with the field that it is to be found in.
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

// Every value of generated products is found as what it is, in its field and by its words, and numbers, booleans and
// filters find exactly what a scan of all products finds.
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
	if _, err := gen.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
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
		t.Fatalf("%d values were checked only", len(checked))
	}
}

// merge makes one segment of those of the live index.
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
		t.Fatalf("the index is a %T", inner)
	}
	if err := all.ForceMerge(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// checkAgainstScan makes sure that a query finds the product with a value, and what else a scan finds that has it.
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
		return // others also have them
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
		t.Errorf("%s: %s of %#v finds %q, a scan %q", field, name, value, got, want)
	}
}

// sameAs reports whether a query for a value of a field has to find another one in it.
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

// asNumber returns the number that a value of a field is.
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

// queriesFor returns the ways in which a value has to be found.
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
