package esindex

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// catalogue returns the products of one of the real catalogues.
func catalogue(tb testing.TB, name string) reindextest.Slice {
	tb.Helper()
	file, err := os.Open(reindextest.Catalogue(tb, name))
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		tb.Fatal(err)
	}
	var products reindextest.Slice
	lines := bufio.NewScanner(unpacked)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var p struct {
			ID string `json:"id"`
		}
		body := []byte(strings.Clone(lines.Text()))
		if err := json.Unmarshal(body, &p); err != nil {
			tb.Fatal(err)
		}
		products = append(products, reindex.Product{ID: p.ID, Body: body})
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
	return products
}

// matching returns the number of live products that a query finds.
func matching(t *testing.T, ix *Index, query string) int {
	t.Helper()
	status, text := request(t, ix.transport, http.MethodPost, "/"+ix.Alias(acme)+"/_count", `{"query":`+query+`}`)
	var answer struct {
		Count int `json:"count"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("count of %s: status %d: %s", query, status, text)
	}
	return answer.Count
}

// run reindexes products through the engine, and checks that none is rejected.
func run(t *testing.T, ix *Index, products reindextest.Slice) {
	t.Helper()
	engine, err := reindex.New(products, ix, nil)
	if err != nil {
		t.Fatal(err)
	}
	report, err := engine.Run(t.Context(), acme)
	if err != nil || report.Indexed != int64(len(products)) {
		t.Fatalf("%d of %d products indexed, rejected %v, error %v, want all indexed",
			report.Indexed, len(products), report.Rejections, err)
	}
}

func TestRealCatalogues(t *testing.T) {
	for _, test := range []struct {
		file    string
		queries map[string]int // the least number of products that each query finds
	}{
		{"retail.jsonl.gz", map[string]int{
			`{"match":{"name":{"query":"expedition backpack","operator":"and"}}}`: 1,
			`{"term":{"category.keyword":"accessories"}}`:                         10,
			`{"range":{"price":{"gte":100,"lt":130}}}`:                            10,
		}},
		{"pcparts.jsonl.gz", map[string]int{
			`{"match":{"name":{"query":"razer mouse dock pro","operator":"and"}}}`: 1,
			`{"term":{"brand.keyword":"Razer"}}`:                                   700,
			`{"range":{"metadata.releaseYear":{"gte":2024}}}`:                      2000,
			`{"bool":{"must":[{"exists":{"field":"size.keyword"}}]}}`:              3781,
		}},
	} {
		t.Run(test.file, func(t *testing.T) {
			if strings.HasPrefix(test.file, "pcparts") && (!inCI() || reindextest.RaceDetected) {
				t.Skip("47,551 products are indexed only in CI, without the race detector")
			}
			ix := open(t, nil)
			run(t, ix, catalogue(t, test.file))
			for query, least := range test.queries {
				if n := matching(t, ix, query); n < least {
					t.Errorf("%s finds %d products, want at least %d", query, n, least)
				}
			}
		})
	}
}

func TestDefaultMappings(t *testing.T) {
	product := func(id int, v any) reindex.Product {
		return reindextest.NewProduct(fmt.Sprint(id), map[string]any{"v": v})
	}
	ix := open(t, nil)
	lacks(t, ix, func(a *abilities) bool { return a.noSubobjects })
	run(t, ix, reindextest.Slice{
		product(1, 12), product(2, "twelve"), product(3, 12.5), product(4, map[string]any{"w": true}),
		product(5, []any{map[string]any{"w": "x"}, 7}),
		product(6, 1e300), product(7, json.Number("123456789012345678901234567890")), product(8, "2026-01-01"),
		product(9, strings.Repeat("long", 20000)),
		product(10, nil), product(11, []any{}), product(12, false),
		product(13, map[string]any{"w": map[string]any{"x": []int{1}}}),
	})
	for query, want := range map[string]int{
		`{"range":{"v":{"gte":7,"lt":13}}}`:   3,
		`{"term":{"v.keyword":"twelve"}}`:     1,
		`{"term":{"v.keyword":"2026-01-01"}}`: 1,
		`{"match":{"v.w":"true"}}`:            1,
		`{"term":{"v.w.keyword":"x"}}`:        1,
		`{"term":{"v.w.x":1}}`:                1,
	} {
		if n := matching(t, ix, query); n != want {
			t.Errorf("%s finds %d products, want %d", query, n, want)
		}
	}
}

// A new field with values of two types is accepted, in any order of the values and the products.
func TestMixedTypes(t *testing.T) {
	values := map[string]any{
		"first a number": []any{1, "x"}, "first text": []any{"x", 1}, "number and boolean": []any{true, 2.5},
		"in objects": []any{map[string]any{"w": 1}, map[string]any{"w": "x"}},
		"three":      []any{"x", false, 7}, "number": 3, "text": "x",
	}
	for name, value := range values {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s,first=%v", name, first), func(t *testing.T) {
				ix := open(t, nil)
				products := reindextest.Slice{
					reindextest.NewProduct("mixed", map[string]any{"m": value, "n": value, "o.p": value}),
				}
				for _, other := range []any{1, "y", 2.5, []any{"z", 3}} {
					if name == "in objects" {
						other = map[string]any{"w": other}
					}
					p := reindextest.NewProduct(fmt.Sprint(other), map[string]any{"m": other, "n": "y"})
					products = append(products, p)
				}
				if name == "in objects" {
					for i := range products[1:] {
						products[i+1] = reindextest.NewProduct(products[i+1].ID,
							map[string]any{"m": map[string]any{"w": i}, "n": map[string]any{"w": "y"}})
					}
				}
				if !first {
					slices.Reverse(products)
				}
				run(t, ix, products)
				_, mapping := request(t, ix.transport, http.MethodGet, "/"+ix.Alias(acme)+"/_mapping", "")
				if flat := !ix.abilities.lacksSubobjects(); flat && strings.Contains(mapping, `"o":{`) {
					t.Errorf("the field o.p is mapped as an object: %s", mapping)
				}
			})
		}
	}
}

// Concurrent batches whose products have the same new fields, with values of different types, are all accepted.
func TestMixedTypesAtTheSameTime(t *testing.T) {
	ix := open(t, nil)
	products := reindextest.Slice{}
	for i := range 200 {
		fields := map[string]any{}
		for j := range 8 {
			fields[fmt.Sprintf("f%d", (i/4+j)%40)] = []any{i, fmt.Sprint("t", i), true}[(i+j)%3]
		}
		products = append(products, reindextest.NewProduct(fmt.Sprint(i), fields))
	}
	engine, err := reindex.New(products, ix, &reindex.Config{BatchDocs: 5, Workers: 8})
	if err != nil {
		t.Fatal(err)
	}
	if report, err := engine.Run(t.Context(), acme); err != nil || report.Indexed != 200 {
		t.Errorf("indexed %d, rejected %v, error %v, want 200 indexed", report.Indexed, report.Rejections, err)
	}
}

// A field that is an object in one product and a value in another is accepted in any order, even by a server without
// "subobjects".
func TestObjectsAndValues(t *testing.T) {
	products := reindextest.Slice{}
	for i := range 400 {
		n := i / 5
		fields := map[string]any{
			"plain": i,
			"m":     []any{i, map[string]any{"w": i}, "x", []any{map[string]any{"w": 1}, 2}}[n%4],
			"o":     map[string]any{"p": []any{map[string]any{"q": "x"}, 7}[n%2], "r": i},
		}
		if i == 399 {
			fields["late"] = map[string]any{"x": 1}
		} else {
			fields["late"] = i
		}
		products = append(products, reindextest.NewProduct(fmt.Sprint(i), fields))
	}
	ix := open(t, nil)
	for range 2 {
		run(t, ix, products)
		if n := matching(t, ix, `{"range":{"plain":{"gte":100}}}`); n != 300 {
			t.Errorf("%d products are found by another field, want 300", n)
		}
		if n := matching(t, ix, `{"range":{"o.r":{"gte":100}}}`); n != 300 {
			t.Errorf("%d products are found by another field of the same object, want 300", n)
		}
	}
}

// lacks skips the test if the server lacks an ability that the test needs.
func lacks(t *testing.T, ix *Index, what func(*abilities) bool) {
	t.Helper()
	begin(t, ix) // finds out the abilities
	ix.abilities.mu.Lock()
	defer ix.abilities.mu.Unlock()
	if what(&ix.abilities) {
		t.Skip("the server lacks an ability that this test needs")
	}
}

// Thousands of fields do not make thousands of mappings, and no product is rejected. The report counts the fields
// beyond the limit, which cannot be searched. It does not count values that do not fit their field.
func TestManyFields(t *testing.T) {
	var products reindextest.Slice
	for i := range 30 {
		fields := map[string]any{"name": fmt.Sprintf("Product %d", i)}
		for j := range 100 {
			fields[fmt.Sprintf("attribute-%d-%d", i, j)] = j
		}
		products = append(products, reindextest.NewProduct(fmt.Sprint(i), fields))
	}
	products = append(products,
		reindextest.NewProduct("30", map[string]any{"name": "Product 30", "attribute-0-0": "no number"}),
		reindextest.NewProduct("31", map[string]any{"name": strings.Repeat("long ", 400)}))
	ix := open(t, nil)
	lacks(t, ix, func(a *abilities) bool { return a.noLimit })
	engine, err := reindex.New(products, ix, nil)
	if err != nil {
		t.Fatal(err)
	}
	report, err := engine.Run(t.Context(), acme)
	if err != nil || report.Indexed != 32 {
		t.Fatalf("%d of 32 products indexed, rejected %v, error %v, want all indexed", report.Indexed, report.Rejections, err)
	}
	_, mapping := request(t, ix.transport, http.MethodGet, "/"+ix.Alias(acme)+"/_mapping", "")
	searched := strings.Count(mapping, `"attribute-`)
	if want := ignoredFields(t, ix, 3000-searched); report.Ignored != want || searched == 0 {
		t.Errorf("%d fields are ignored, want %d", report.Ignored, want)
	}
	if n := matching(t, ix, `{"match":{"name":"product"}}`); n != 31 {
		t.Errorf("%d products are found by their name, want 31", n)
	}
	if n := strings.Count(mapping, `"type":`); n > 1100 {
		t.Errorf("%d fields are mapped, want at most 1100", n)
	}
}

// ignoredFields returns the number of ignored fields in a report if there are n of them. It is -1, for unknown, on
// Elasticsearch before 8.15, which does not name these fields.
func ignoredFields(t *testing.T, ix *Index, n int) int64 {
	t.Helper()
	_, text := request(t, ix.transport, http.MethodGet, "/_nodes?filter_path=nodes.*.version", "")
	if regexp.MustCompile(`"version":"8\.1[34]\.`).MatchString(text) {
		return -1
	}
	return int64(n)
}

func TestOwnMappings(t *testing.T) {
	ix := open(t, func(c *Config) {
		c.Mappings = []byte(`{"dynamic":false,"_meta":{"version":7},"properties":{"sku":{"type":"keyword"}}}`)
		c.Settings = []byte(`{"index":{"number_of_shards":2}}`)
	})
	run(t, ix, reindextest.Slice{reindextest.NewProduct("1", map[string]any{"sku": "A-1", "name": "x"})})
	if matching(t, ix, `{"term":{"sku":"A-1"}}`) != 1 || matching(t, ix, `{"match":{"name":"x"}}`) != 0 {
		t.Error("a search for sku finds nothing, or one for name finds something, want the mappings of the host")
	}
	_, text := request(t, ix.transport, http.MethodGet, "/"+ix.Alias(acme), "")
	for _, want := range []string{`"version":7`, `"number_of_shards":"2"`, `"tenant":"acme"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the index does not have %s: %s", want, text)
		}
	}
}

// A refusal by a server without "subobjects" names the field that cannot be searched.
func TestLearnUnsearched(t *testing.T) {
	ix, err := New(answers{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ix.abilities.noSubobjects = true
	for reason, field := range map[string]string{
		"object mapping for [o.p] tried to parse field [p] as object, but found a concrete value": "o.p",
		"can't merge a non object mapping [n] with an object mapping":                             "n",
		"failed to parse field [v] of type [double] in document with id '2'. Preview of field's value: '{w=2}': Current " +
			"token (START_OBJECT) not numeric": "v",
		"failed to parse field [t.x] of type [text] in document with id '6'. Preview of field's value: '{x=1}': Can't " +
			"get text on a START_OBJECT at 1:6": "t.x",
		"failed to parse field [m.keyword] of type [keyword] in document with id '5'. Preview of field's value: 'null': " +
			"Can't get text on a END_OBJECT at 1:30": "m",
		"failed to parse field [_id] of type [_id] in document with id 'body-15'. Preview of field's value: 'x': Field " +
			"[_id] is a metadata field": "",
		"failed to parse: The depth of the field has exceeded the allowed limit of [20].": "",
	} {
		g := &generation{ix: ix, names: ix.names(reason[:20]), name: "x"}
		err := g.writer("x").learnUnsearched([]reindex.ItemError{{ID: "1", Err: &ServerError{Status: 400, Reason: reason}}})
		if learned := ix.unsearchedFields(g.names.tenant, target{}); field == "" && err != nil ||
			field != "" && (!errors.Is(err, reindex.ErrAgain) || !slices.Contains(learned, field)) {
			t.Errorf("%s: learned %v, error %v, want %q", reason, learned, err, field)
		}
		ix.unsearched = map[string][]string{}
	}
}
