package bleveindex

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/mapping"
)

func TestSynonyms(t *testing.T) {
	m := NewMapping()
	err := m.DefineSynonyms(ProductSynonyms,
		&bleve.SynonymDefinition{Synonyms: []string{"TVs", "television"}},
		&bleve.SynonymDefinition{Input: []string{"couch"}, Synonyms: []string{"sofa", "corner settee"}},
		&bleve.SynonymDefinition{Synonyms: []string{"solid state drive", "ssd"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ix := open(t, dir, &Config{Mapping: m})
	publish(t, ix, "acme",
		object("tv", `{"name":"Smart TV"}`),
		object("tele", `{"name":"Old televisions"}`),
		object("sofa", `{"name":"Red sofa"}`),
		object("settee", `{"name":"A corner settee"}`),
		object("couch", `{"name":"Couch"}`),
		object("ssd", `{"name":"Fast SSD"}`),
		object("drive", `{"name":"A solid state drive"}`),
		object("solid", `{"name":"Solid table"}`),
	)
	if n, err := ix.DocCount(t.Context(), "acme"); err != nil || n != 8 {
		t.Errorf("%d documents are counted, error %v, want 8, without those of synonyms", n, err)
	}
	for text, want := range map[string]string{
		"tv": "tele tv", "Televisions": "tele tv", "red couch": "sofa", "couches": "couch settee sofa", "sofa": "sofa",
		"ssd":                "drive ssd",
		"solid state drives": "drive ssd",
	} {
		got := ranked(t, ix, Query(text, &QueryOptions{Exact: true}))
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%q finds %q, want %s", text, got, want)
		}
	}
	if got := find(t, ix, "acme", "tv"); !slices.Equal(got, []string{"tele", "tv"}) {
		t.Errorf("a query string of bleve finds %q, want tele and tv", got)
	}
	q := Query("tv", nil)
	ranked(t, ix, q)
	if said := q.Explanation().Words[0].Synonyms; !slices.Equal(said, []string{"television"}) {
		t.Errorf("the explanation has the synonyms %q, want television", said)
	}
	if err := m.DefineSynonyms(ProductSynonyms, &bleve.SynonymDefinition{}); err == nil {
		t.Error("a definition without terms: no error")
	}
}

// Open refuses a mapping with a name that has no effect.
func TestMappingNamesInVain(t *testing.T) {
	dotted := NewMapping()
	dotted.DefaultMapping.AddFieldMappingsAt("attributes.material", bleve.NewKeywordFieldMapping())
	below := bleve.NewIndexMapping()
	object := bleve.NewDocumentMapping()
	object.AddFieldMappingsAt("a.b", bleve.NewKeywordFieldMapping())
	below.DefaultMapping.AddSubDocumentMapping("attributes", object)
	off := NewMapping()
	disabled := bleve.NewDocumentDisabledMapping()
	disabled.AddFieldMappingsAt("secret", bleve.NewKeywordFieldMapping())
	off.DefaultMapping.AddSubDocumentMapping("internal", disabled)
	source := NewMapping()
	if err := source.AddSynonymSource("english", map[string]any{"collection": "thesaurus", "analyzer": "en"}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		mapping mapping.IndexMapping
		says    string
	}{
		"below an object":            {dotted, `"attributes.material"`},
		"below an object of another": {below, `"attributes.a.b"`},
		"switched off":               {off, `"internal"`},
		"without synonyms":           {source, `"english"`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Open(t.TempDir(), &Config{Mapping: test.mapping}); err == nil ||
				!strings.Contains(err.Error(), test.says) {
				t.Errorf("open: error %v, want one with %s", err, test.says)
			}
		})
	}
	if err := source.DefineSynonyms("thesaurus", &bleve.SynonymDefinition{Synonyms: []string{"a", "b"}}); err != nil {
		t.Fatal(err)
	}
	open(t, t.TempDir(), &Config{Mapping: source})
}

func TestMappingOfTheTenant(t *testing.T) {
	german := NewMapping()
	if err := german.SetLanguage("de"); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no such shop")
	dir := t.TempDir()
	cfg := &Config{TenantMapping: func(tenant string) (mapping.IndexMapping, error) {
		switch tenant {
		case "german":
			return german, nil
		case "unknown":
			return nil, broken
		}
		return nil, nil //nolint:nilnil // the default
	}}
	ix := open(t, dir, cfg)
	for _, tenant := range []string{"german", "other"} {
		publish(t, ix, tenant, object("1", `{"name":"Rote Häuser"}`))
	}
	for _, again := range []bool{false, true} {
		if again {
			mustClose(t, ix)
			ix = open(t, dir, cfg)
		}
		for tenant, want := range map[string]int{"german": 1, "other": 0} {
			if got := find(t, ix, tenant, "name:haus"); len(got) != want {
				t.Errorf("tenant %s: name:haus finds %q, want %d products", tenant, got, want)
			}
			result, err := ix.Search(t.Context(), tenant, bleve.NewSearchRequest(Query("haus", &QueryOptions{Exact: true})))
			if err != nil || int(result.Total) != want {
				t.Errorf("tenant %s: haus finds %v, error %v, want %d products", tenant, result, err, want)
			}
		}
	}
	if _, err := ix.Begin(t.Context(), "unknown"); !errors.Is(err, broken) {
		t.Errorf("begin: error %v, want %v", err, broken)
	}
	if err := german.SetLanguage("xx"); err == nil {
		t.Error("an unknown language: no error")
	}
}
