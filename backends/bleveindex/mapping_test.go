package bleveindex

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/mapping"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

var shop = []reindex.Product{
	object(
		"shoe",
		`{"id":"shoe-1","sku":"SH-01/a","ean":4006381333931,"brand":"Hewlett Packard",
		"category":{"id":"C7","name":"Running gear"},
		"name":{"de":"Rote Laufschuhe","en":"Red running shoes","de-AT":"Dirndlschuhe","xx":"schuhoj"},
		"price":89.5,"active":true,
		"tags":["sale","new arrival"],"createdAt":"2026-03-01T10:00:00Z","attributes":{"sole":"natural rubber","width":12}}`,
	),
	object(
		"sock",
		`{"id":7,"sku":"SO-02","brand":"Acme","category":"Socks","name":"Woollen socks, warm and soft",
		"price":9,"active":false,
		"createdAt":"2025-03-01T10:00:00+01:00","released":"2024-05-06","attributes":"none"}`,
	),
	object(
		"gift",
		`{"name":["Gift card","Voucher"],"price":"on request","brand":["Acme","Zeta"],`+
			`"attributes":[{"sole":"n/a"},3,true,null]}`,
	),
	object("bare", `{}`),
}

// mappingTests are query strings, and the products of shop that each one finds by the default mapping.
var mappingTests = []struct {
	query string
	want  []string
}{
	{`name.de:laufschuh`, []string{"shoe"}},   // stemmed
	{`name.de:Laufschuhe`, []string{"shoe"}},  //
	{`name.de:dirndlschuh`, []string{"shoe"}}, // from de-AT
	{`name.en:shoe`, []string{"shoe"}},        //
	{`name.xx:schuhoj`, []string{"shoe"}},     // an unknown language
	{`name.xx:schuhojs`, []string{"shoe"}},    // is stemmed lightly
	{`name.de:"rote laufschuhe"`, []string{"shoe"}},
	{`name:socks`, []string{"sock"}},            // no language
	{`name:voucher`, []string{"gift"}},          // arrays
	{`name:"warm soft"`, []string{}},            // a phrase with a word missing
	{`name:"woollen socks"`, []string{"sock"}},  //
	{`name.en:"red running"`, []string{"shoe"}}, //
	{`sku:SH\-01\/a`, []string{"shoe"}},         // keywords, as a whole
	{`sku:SH`, []string{}},                      //
	{`ean:4006381333931`, []string{"shoe"}},     // numbers as keywords
	{`id:7`, []string{"sock"}},                  //
	{`brand:Acme`, []string{"gift", "sock"}},    //
	{`brand:acme`, []string{"gift", "sock"}},    // folded
	{`category.id:C7`, []string{"shoe"}},        //
	{`category.name:gear`, []string{"shoe"}},    //
	{`category:Socks`, []string{"sock"}},        //
	{`tags:"new arrival"`, []string{"shoe"}},    //
	{`price:>10`, []string{"shoe"}},             // numbers
	{`price:>=9 price:<10`, []string{"shoe", "sock"}},
	{`+price:>=9 +price:<10`, []string{"sock"}},   //
	{`price:request`, []string{"gift"}},           // text in the place of a number
	{`brand:"Hewlett Packard"`, []string{"shoe"}}, //
	{`createdAt:>"2026-01-01T00:00:00Z"`, []string{"shoe"}},
	{`released:2024`, []string{"sock"}},          // a date without a time is text
	{`attributes.sole:rubber`, []string{"shoe"}}, // other fields
	{`attributes.width:>11`, []string{"shoe"}},   //
	{`attributes:none`, []string{"sock"}},        // a scalar where others have an object
	{`attributes:>2`, []string{"gift"}},          //
	{`laufschuhe`, []string{"shoe"}},             // _all has the words of all texts
	{`shoes`, []string{"shoe"}},                  //
	{`"running shoes"`, []string{"shoe"}},        // with phrases
	{`"rote running"`, []string{}},               // that do not span texts
	{`packard`, []string{"shoe"}},                // and keywords
	{`"new arrival"`, []string{"shoe"}},          //
	{`"SH-01/a"`, []string{"shoe"}},              //
	{`4006381333931`, []string{"shoe"}},          //
	{`rubber`, []string{"shoe"}},                 // and other texts
	{`C7`, []string{"shoe"}},                     //
	{`12`, []string{"shoe"}},                     // and numbers
}

// The default mapping finds the values of products by their types and names, even after the index was opened again.
func TestDefaultMapping(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", shop...)
	check := func(t *testing.T) {
		for active, want := range map[bool]string{true: "shoe", false: "sock"} {
			q := bleve.NewBoolFieldQuery(active)
			q.SetField("active")
			if got := hits(t, ix, "acme", bleve.NewSearchRequest(q)); !slices.Equal(got, []string{want}) {
				t.Errorf("active:%t finds %q, want %s", active, got, want)
			}
		}
		for _, test := range mappingTests {
			if got := find(t, ix, "acme", test.query); !slices.Equal(got, test.want) {
				t.Errorf("%s finds %q, want %q", test.query, got, test.want)
			}
		}
	}
	t.Run("new", check)
	mustClose(t, ix)
	ix = open(t, dir, nil)
	t.Run("opened again", check)
}

func TestSortAndFacets(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", shop[:2]...)
	req := bleve.NewSearchRequest(bleve.NewMatchAllQuery())
	req.AddFacet("brands", bleve.NewFacetRequest("brand", 10))
	for _, test := range []struct{ by, first string }{
		{"price", "sock"}, {"-price", "shoe"}, {"sku", "shoe"}, {"-sku", "sock"},
		{"createdAt", "sock"}, {"-attributes.width", "shoe"}, // by fields without doc values
	} {
		req.SortBy([]string{test.by})
		result, err := ix.Search(t.Context(), "acme", req)
		if err != nil {
			t.Fatal(err)
		}
		if result.Hits[0].ID != test.first {
			t.Errorf("sorted by %s, the first hit is %s, want %s", test.by, result.Hits[0].ID, test.first)
		}
		terms := result.Facets["brands"].Terms.Terms()
		if len(terms) != 2 || terms[0].Term != "Acme" || terms[1].Term != "Hewlett Packard" || terms[1].Count != 1 {
			t.Errorf("the facet of brands has %+v, want Acme and one Hewlett Packard", terms)
		}
	}
}

// Fields that a host adds to the mapping are searched like the others.
func TestMappingOfTheHost(t *testing.T) {
	m := NewMapping()
	m.DefaultMapping.AddFieldMappingsAt("material", bleve.NewKeywordFieldMapping())
	plain := bleve.NewTextFieldMapping()
	plain.Analyzer = "product-de"
	plain.IncludeInAll = false
	m.DefaultMapping.AddFieldMappingsAt("notiz", plain)
	for _, test := range []struct {
		name    string
		mapping mapping.IndexMapping
		query   string
		found   bool
	}{
		{"keyword", m, `material:"Pure wool"`, true},
		{"part of a keyword", m, `material:wool`, false},
		{"keyword in _all", m, `wool`, true},
		{"analyzer", m, `notiz:häuser`, true},
		{"not in _all", m, `haus`, false},
		{"bleve's own", bleve.NewIndexMapping(), `material:wool`, true},
		{"bleve's own in _all", bleve.NewIndexMapping(), `haus`, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			ix := open(t, t.TempDir(), &Config{Mapping: test.mapping})
			publish(t, ix, "acme", object("1", `{"material":"Pure wool","notiz":"Haus"}`))
			if got := find(t, ix, "acme", test.query); (len(got) == 1) != test.found {
				t.Errorf("%s finds %q, want the product: %v", test.query, got, test.found)
			}
		})
	}
}

func TestInvalidConfig(t *testing.T) {
	if _, err := Open(t.TempDir(), &Config{BatchBytes: -1}); err == nil {
		t.Error("a negative size: no error")
	}
	m := bleve.NewIndexMapping()
	m.DefaultAnalyzer = "nonesuch"
	if _, err := Open(t.TempDir(), &Config{Mapping: m}); err == nil {
		t.Error("a mapping with an unknown analyzer: no error")
	}
	if _, err := Open(t.TempDir(), &Config{Mapping: unreadable{bleve.NewIndexMapping()}}); err == nil {
		t.Error("a mapping that bleve cannot read back: no error")
	}
}

// unreadable is a mapping whose JSON bleve cannot read.
type unreadable struct{ mapping.IndexMapping }

func (unreadable) MarshalJSON() ([]byte, error) { return []byte(`"opaque"`), nil }

// All products of the real catalogues are indexed, and each sampled one is found by all words of its name.
func TestRealCatalogues(t *testing.T) {
	for _, name := range []string{"retail.jsonl.gz", "pcparts.jsonl.gz"} {
		t.Run(name, func(t *testing.T) {
			products := someOf(readCatalogue(t, name))
			if reindextest.RaceDetected { // CI also runs this test without the race detector
				products = products[:len(products)/8]
			}
			ix := open(t, t.TempDir(), nil)
			load(t, ix, "acme", products)
			if n, err := ix.DocCount(t.Context(), "acme"); err != nil || n != int64(len(products)) {
				t.Errorf("%d documents, error %v, want %d", n, err, len(products))
			}
			for i := 0; i < len(products); i += len(products) / 10 {
				var head struct {
					Name string `json:"name"`
				}
				if err := json.Unmarshal(products[i].Body, &head); err != nil {
					t.Fatal(err)
				}
				words := bleve.NewMatchQuery(head.Name)
				words.SetOperator(1) // all of them
				req := bleve.NewSearchRequestOptions(words, len(products), 0, false)
				if !slices.Contains(hits(t, ix, "acme", req), products[i].ID) {
					t.Errorf("%q does not find its product", head.Name)
				}
			}
		})
	}
}
