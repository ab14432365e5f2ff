package bleveindex

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/search/query"

	"productindex/reindex"
)

var electronics = []reindex.Product{
	object(
		"rtx",
		`{"sku":"GV-N4090/B","name":"Gigabyte GeForce RTX 4090 Gaming","brand":"Gigabyte",`+
			`"category":"GraphicsCard","price":1699}`,
	),
	object(
		"bracket",
		`{"name":"Bracket","brand":"Nobody","category":"Accessory",`+
			`"description":"Holds any graphics card, as a GeForce RTX 4090 does"}`,
	),
	object(
		"ssd",
		`{"sku":"MZ-V9P2T0","name":"Samsung 990 PRO 2 TB","brand":"Samsung","category":"Storage","price":"159.90"}`,
	),
	object(
		"phone",
		`{"name":{"en":"Mobile phones for seniors","de":"Handys für Senioren"},"brand":"On","category":"Phones"}`,
	),
	object("shirt", `{"name":"Men's T-Shirt, crème","brand":"L'Oréal","category":"Apparel","color":"Navy Blue"}`),
	object("glasses", `{"name":"Aviator sunglasses","category":"Accessory","color":"navy blue"}`),
	object("sofa", `{"name":"Corner sofa","category":"Furniture","description":"Seats five people and a settee"}`),
	object("monitor", `{"name":"Monitor 27\" 144Hz","category":"Monitor"}`),
	object("dumbbell", `{"name":"Dumbbell 2,5 kg","category":"Sports"}`),
	object("bank", `{"name":"Power bank 10,000 mAh","category":"Chargers"}`),
}

// ranked returns the ids of the hits of a query, the best first.
func ranked(t *testing.T, ix *Index, q query.Query) []string {
	t.Helper()
	result, err := ix.Search(t.Context(), "acme", bleve.NewSearchRequest(q))
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, hit := range result.Hits {
		if math.IsNaN(hit.Score) || math.IsInf(hit.Score, 0) {
			t.Errorf("the score of %s is %v, want a finite number", hit.ID, hit.Score)
		}
		ids = append(ids, hit.ID)
	}
	return ids
}

func TestQuery(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", electronics...)
	for _, test := range []struct {
		text    string
		options *QueryOptions
		want    string // the ids of the first hits; "-" if there must be no hit
	}{
		{"geforce rtx 4090", nil, "rtx bracket"},             // names before descriptions
		{"RTX4090", nil, "rtx bracket"},                      // split
		{"990pro", nil, "ssd"},                               //
		{"samsung 990pro 2tb", nil, "ssd"},                   //
		{"144 hz monitor", nil, "monitor"},                   // joined
		{"2,5kg", nil, "dumbbell"},                           // split after a number with a comma
		{"10000 mah", nil, "bank"},                           // with and without a separator of thousands
		{"10000mah", nil, "bank"},                            //
		{"10,000mah", nil, "bank"},                           //
		{"sun glasses", nil, "glasses"},                      //
		{"tshirt", nil, "shirt"},                             //
		{"t-shirt", nil, "shirt"},                            //
		{"mens shirts creme", nil, "shirt"},                  // plurals, apostrophes, accents
		{"oreal", nil, "shirt"},                              //
		{"loreal", nil, "shirt"},                             //
		{"L’ORÉAL", nil, "shirt"},                            //
		{"graphics card", nil, "rtx bracket"},                // a kind of product before a description
		{"gigabite", nil, "rtx"},                             // misspelled
		{"samsugn", nil, "ssd"},                              //
		{"samsung 991 pro", nil, "ssd"},                      // numbers are not corrected, but left out
		{"4091", nil, "-"},                                   //
		{"sams", nil, "ssd"},                                 // the start of a word, if no word is equal
		{"mon", nil, "-"},                                    //
		{"mon", &QueryOptions{Prefix: true}, "monitor"},      // search as you type
		{"corner so", &QueryOptions{Prefix: true}, "sofa"},   //
		{"so corner ", &QueryOptions{Prefix: true}, "sofa"},  // not after a space
		{"GV-N4090/B", nil, "rtx"},                           // codes
		{"gv-n4090/b", nil, "rtx"},                           //
		{"On", nil, "phone"},                                 // brands that are common words
		{"phone for seniors", nil, "phone"},                  //
		{"phones with seniors", nil, "phone"},                // common words are optional
		{"handy", nil, "phone"},                              // stemmed in the language of the field
		{"handy", &QueryOptions{Language: "de-AT"}, "phone"}, //
		{"handys", &QueryOptions{Language: "en"}, "phone"},   // unstemmed words match in all languages
		{"samsung toaster", nil, "ssd"},                      // no product has all words
		{"samsung toaster", &QueryOptions{Exact: true}, "-"}, //
		{"gigabite", &QueryOptions{Exact: true}, "-"},        //
		{"navy blue", &QueryOptions{Filter: Filter("category", "accessory")}, "glasses"},
		{"accessory monitor", &QueryOptions{Filter: Filter("color", "NAVY BLUE")}, "glasses"},
		{"toaster", nil, "-"}, {"?!", nil, "-"},
	} {
		got := ranked(t, ix, Query(test.text, test.options))
		want := strings.Fields(test.want)
		if test.want == "-" {
			want = []string{}
		}
		if len(got) < len(want) || !slices.Equal(got[:len(want)], want) || test.want == "-" && len(got) > 0 {
			t.Errorf("%q %+v finds %q, want %q", test.text, test.options, got, want)
		}
	}
}

// A text can be very long, or empty.
func TestQueryOfUnusualTexts(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", electronics...)
	if got := ranked(t, ix, Query(strings.Repeat("x", 1<<20)+" "+strings.Repeat("word ", 1<<18), nil)); len(got) > 0 {
		t.Errorf("a long text finds %q, want no product", got)
	}
	if got := ranked(t, ix, Query(" ", nil)); len(got) != len(electronics) {
		t.Errorf("an empty text finds %q, want all %d products", got, len(electronics))
	}
	if got := ranked(t, ix, Query("", &QueryOptions{Filter: Filter("color", "navy blue")})); len(got) != 2 {
		t.Errorf("a filter without a text finds %q, want 2 products", got)
	}
}

// Words that are spelled differently in the products are found, and the explanation says how.
func TestQuerySpellings(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme",
		object("cooler", `{"name":"Noctua NH-D15 cooler"}`), object("psu", `{"name":"Gigabyte GP-P450B 450W"}`),
		object("board", `{"name":"Prime Z790-A board"}`), object("z790", `{"name":"MEG Z790 Ace"}`),
		object("cpu", `{"name":"Core i9-14900K"}`), object("juice", `{"name":"Saft 1,5 l","weight":"1.5kg"}`),
		object("coffee", `{"name":"Coffee tray"}`), object("cove", `{"name":"Cove light"}`),
		object("cup", `{"name":"Coffee cup"}`), object("pot", `{"name":"Coffee pot"}`),
		object("cuffs", `{"name":"Cuffs and collars"}`), object("rice", `{"name":"Milchreis"}`),
		object("neck", `{"name":"Neck pillow","description":"less weight"}`), object("big", `{"name":"Größe M"}`),
		object("4c1f2d6e-8f0a-4b7e-9c55-0f3f2f7b1a10", `{"id":"4c1f2d6e-8f0a-4b7e-9c55-0f3f2f7b1a10","name":"Chair"}`),
	)
	for _, test := range []struct{ text, want, leftOut string }{
		{"nhd15", "cooler", ""}, {"noctua NHD15", "cooler", ""}, {"nh d15", "cooler", ""},
		{"gpp450b", "psu", ""}, {"z790a", "board", ""}, {"i914900k", "cpu", ""},
		{"1.5 l", "juice", ""}, {"1.5l", "juice", ""}, {"1,5 kg", "juice", ""}, {"1.5 kg", "juice", ""},
		{"15 l", "juice", "15"}, {"milch reis", "rice", ""}, {"größe", "big", ""},
		{"coffe tray", "coffee", ""},
		{"neckless", "", "neckless"}, {"neckless chair", "4c1f2d6e-8f0a-4b7e-9c55-0f3f2f7b1a10", "neckless"},
		{"4c1f2d6e-8f0a-4b7e-9c55-0f3f2f7b1a10", "4c1f2d6e-8f0a-4b7e-9c55-0f3f2f7b1a10", ""},
	} {
		q := Query(test.text, nil)
		got := ranked(t, ix, q)
		if len(got) == 0 && test.want != "" || len(got) > 0 && got[0] != test.want {
			t.Errorf("%q finds %q, want %q", test.text, got, test.want)
		}
		var corrected, leftOut []string
		for _, w := range q.Explanation().Words {
			corrected = append(corrected, w.Corrected...)
			if w.LeftOut {
				leftOut = append(leftOut, w.Word)
			}
		}
		if corrected != nil || strings.Join(leftOut, " ") != test.leftOut {
			t.Errorf("%q: corrected %q, left out %q, want %q", test.text, corrected, leftOut, test.leftOut)
		}
	}
}

func TestQueryExplainsItself(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", electronics...)
	q := Query("the gigabite 4090 toaster", nil)
	if e := q.Explanation(); e.Words != nil {
		t.Errorf("the explanation before a search is %+v, want none", e)
	}
	if got := ranked(t, ix, q); len(got) == 0 || got[0] != "rtx" {
		t.Errorf("found %q, want rtx first", got)
	}
	e := q.Explanation()
	if len(e.Words) != 4 || e.Words[0].Word != "the" || !e.Words[0].LeftOut && !e.Words[0].Optional ||
		!slices.Equal(e.Words[1].Corrected, []string{"gigabyte"}) || e.Words[2].Corrected != nil || !e.Words[3].LeftOut {
		t.Errorf("the explanation is %+v, want gigabyte corrected and toaster left out", e)
	}
	q = Query("corner settee samsung", nil)
	ranked(t, ix, q)
	if e := q.Explanation(); e.Required != 1 {
		t.Errorf("%d words are required, want 1, since only one product has two of the three", e.Required)
	}
	req := bleve.NewSearchRequest(Query("x", &QueryOptions{Language: "klingon"}))
	if _, err := ix.Search(t.Context(), "acme", req); err == nil || !strings.Contains(err.Error(), "klingon") {
		t.Errorf("an unknown language: error %v, want one with its name", err)
	}
}

func TestHighlights(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(
		t,
		ix,
		"acme",
		object(
			"1",
			`{"name":"<b>Red</b> caf&eacute; chairs & more","description":"A chair, red.","tags":["Chairs","x"],`+
				`"color":"burgundy"}`,
		),
	)
	for _, test := range []struct {
		query query.Query
		field string
		want  string
	}{
		{
			Query("CAFE chair", nil), "name",
			`&lt;b&gt;Red&lt;/b&gt; <mark>caf&amp;eacute;</mark> <mark>chairs</mark> &amp; more`,
		},
		{Query("chairz", nil), "description", "A <mark>chair</mark>, red."},
		{Query("burgundy", nil), "color", "<mark>burgundy</mark>"},
		{bleve.NewMatchQuery("chairs"), "tags", "<mark>Chairs</mark>"},
		{bleve.NewQueryStringQuery("color:burgundy"), "color", "<mark>burgundy</mark>"},
		{bleve.NewMatchPhraseQuery("red cafe"), "name", "<mark>Red</mark>"},
		{bleve.NewPrefixQuery("burg"), "color", "<mark>burgundy</mark>"},
	} {
		req := bleve.NewSearchRequest(test.query)
		req.Highlight = bleve.NewHighlightWithStyle("html")
		result, err := ix.Search(t.Context(), "acme", req)
		if err != nil || len(result.Hits) != 1 {
			t.Fatalf("search for %T: %v, error %v, want one hit", test.query, result, err)
		}
		if got := strings.Join(result.Hits[0].Fragments[test.field], "|"); !strings.Contains(got, test.want) {
			t.Errorf("%T: the field %s is highlighted as %s, want %s", test.query, test.field, got, test.want)
		}
	}
	req := bleve.NewSearchRequest(Query("chair", nil))
	req.Highlight = bleve.NewHighlight()
	req.Highlight.Fields = []string{"tags"}
	result, err := ix.Search(t.Context(), "acme", req)
	if err != nil || len(result.Hits[0].Fragments) != 1 || result.Hits[0].Fields != nil {
		t.Errorf("highlights of one field: %v, error %v, want fragments of that field only", result, err)
	}
}

// A search succeeds for every text. If it finds products, at least one word is required, or some are left out.
func FuzzQuery(f *testing.F) {
	for _, text := range []string{
		"RTX4090", "t-shirt", "L'Oréal's", "手机壳 red", "<b>&amp;", "a\x00b \xff", "AND +foo -bar",
		strings.Repeat("word ", 50), "ﬁ½™", "มือถือ",
	} {
		f.Add(text, "de", true)
		f.Add(text, "", false)
	}
	ix := open(f, f.TempDir(), nil)
	publish(f, ix, "acme", slices.Concat(electronics, shop)...)
	f.Fuzz(func(t *testing.T, text, language string, prefix bool) {
		q := Query(text, &QueryOptions{Language: language, Prefix: prefix})
		if q.Validate() != nil {
			return
		}
		req := bleve.NewSearchRequest(q)
		req.Highlight = bleve.NewHighlight()
		result, err := ix.Search(t.Context(), "acme", req)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		e := q.Explanation()
		if result.Total > 0 && strings.TrimSpace(text) != "" && e.Required == 0 && len(e.Words) > 0 &&
			!slices.ContainsFunc(e.Words, func(w WordExplanation) bool { return w.LeftOut }) {
			t.Errorf("%q finds %d products, but requires no word: %+v", text, result.Total, e)
		}
	})
}
