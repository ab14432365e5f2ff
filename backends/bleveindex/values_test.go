package bleveindex

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"

	"productindex/reindex"
)

// A value is found as its type requires, whatever the name of its field and the other values of the field.
func TestValuesOfEveryType(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme",
		object("mixed", `{"attributes":[{"value":42},{"value":"burgundy"},{"value":true},`+
			`{"value":"2026-03-01T10:00:00Z"}]}`),
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
		`+price:>=49.99 +price:<=49.99`: "strings",
		`price:"49.99"`:                 "strings", `width:>11`: "strings",
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
			t.Errorf("%s:%t finds %q, want one product", field, want, got)
		}
	}
}

// mixed are products whose fields have values of different types and spellings.
var mixed = []reindex.Product{
	object("1", `{"name":"zebra Apple","color":"Navy Blue","brand":"JBL","price":"9.5","new":true}`),
	object("2", `{"name":"Apple zebra","color":"navy  blue","brand":"jbl","price":10,"new":false}`),
	object("3", `{"name":"Éclair","color":"Red","brand":"JBL","price":"100","new":true}`),
	object("4", `{"name":"banana","color":"NAVY BLUE","brand":"Ｊｂｌ Pro","price":"on request"}`),
	object("5", `{"name":"Elan","color":["Red","Green"],"price":-3}`),
}

// Sorting compares whole values, ignoring case and accents, even if the values of a field have different types.
func TestSortByForms(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", mixed...)
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
			t.Errorf("sorted by %s: %q, want %s", by, got, want)
		}
	}
}

// Facets count whole values, ignoring case and accents, even if the values of a field have different types.
func TestFacetsOfForms(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", mixed...)
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
			t.Errorf("facet of %s: %s, want %s", field, all, want)
		}
	}
}

// Filters compare whole values, ignoring case and accents, even if the values of a field have different types.
func TestFilter(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", mixed...)
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
			t.Errorf("the filter %s = %q finds %q, want %q", test.field, test.value, got, test.want)
		}
	}
	if got := hits(t, ix, "acme", bleve.NewSearchRequest(Filter("color", "red", "green"))); len(got) != 2 {
		t.Errorf("the filter color = red or green finds %q, want 2 products", got)
	}
}

// Facets count products, however often a product has a value, and integers that a float64 cannot hold are different
// values.
func TestEqualValues(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme",
		object("1", `{"tags":["Red","RED","red","Blue"],"stock":9007199254740993,`+
			`"stocks":[9007199254740992,9007199254740993]}`),
		object("2", `{"tags":["RED"],"stock":9007199254740992,"price":[1,1.0,"1"]}`),
		object("3", `{"tags":"blue","stock":"9007199254740993","price":1}`),
	)
	for round := range 2 { // as it was loaded, and merged
		req := bleve.NewSearchRequest(bleve.NewMatchAllQuery())
		for _, field := range []string{"tags", "stock", "price"} {
			req.AddFacet(field, bleve.NewFacetRequest(field, 5))
		}
		result, err := ix.Search(t.Context(), "acme", req)
		if err != nil {
			t.Fatal(err)
		}
		for field, want := range map[string]string{
			"tags": "blue×2 red×2", "stock": "9007199254740993×2 9007199254740992×1", "price": "1×2",
		} {
			var got []string
			for _, term := range result.Facets[field].Terms.Terms() {
				got = append(got, fmt.Sprintf("%s×%d", term.Term, term.Count))
			}
			if all := strings.ToLower(strings.Join(got, " ")); all != want {
				t.Errorf("round %d: facet of %s: %s, want %s", round, field, all, want)
			}
		}
		for _, test := range []struct{ field, value, want string }{
			{"stock", "9007199254740993", "1 3"}, {"stock", "9007199254740992", "2"}, {"stocks", "9007199254740993", "1"},
			{"stocks", "9007199254740992", "1"}, {"tags", "red", "1 2"}, {"price", "1.00", "2 3"},
		} {
			got := strings.Join(hits(t, ix, "acme", bleve.NewSearchRequest(Filter(test.field, test.value))), " ")
			if got != test.want {
				t.Errorf("round %d: the filter %s = %s finds %q, want %q", round, test.field, test.value, got, test.want)
			}
		}
		merge(t, ix, "acme")
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
		t.Errorf("the facet of a keyword field of the host has %v, want 3 terms from 5 on", terms)
	}
	if got := find(t, ix, "acme", "material:5"); !slices.Equal(got, []string{"3"}) {
		t.Errorf("material:5 finds %q, want 3", got)
	}
}
