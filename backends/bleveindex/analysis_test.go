package bleveindex

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/mapping"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/reindex/reindextest"
)

// TestSameIndexAsBleve compares all terms of all fields, with their frequencies, norms and positions, with what bleve makes of the
// same products and mapping by itself.
func TestSameIndexAsBleve(t *testing.T) {
	stored := bleve.NewIndexMapping()
	withVectors := bleve.NewNumericFieldMapping()
	withVectors.IncludeTermVectors = true
	stored.DefaultMapping.AddFieldMappingsAt("price", withVectors)
	noAll := NewMapping()
	noAll.DefaultMapping.AddSubDocumentMapping(allName, bleve.NewDocumentDisabledMapping())
	noFrequencies := NewMapping()
	flags := bleve.NewKeywordFieldMapping()
	flags.SkipFreqNorm = true
	noFrequencies.DefaultMapping.AddFieldMappingsAt("flags", flags)
	for name, m := range map[string]mapping.IndexMapping{
		"products": NewMapping(), "bleve's own": stored, "without _all": noAll, "without frequencies": noFrequencies,
	} {
		t.Run(name, func(t *testing.T) {
			products := append(slices.Clone(shop), reindextest.Products(50, "x")...)
			products = append(products,
				object("twice", `{"name":["red red wine","wine red"],"sizes":[1,2,2,3],"a":{"b":7},"a.b":[7,8],"flags":["x","x"],"price":7}`),
				object("seven", `{"sizes":7,"flags":"x","price":7,"a":{"b":7}}`),
				object("empty", `{"name":"","sizes":[],"description":" . "}`),
			)
			ix := open(t, t.TempDir(), &Config{Mapping: m, OmitBodies: true})
			publish(t, ix, "acme", products...)
			live, err := ix.acquire(t.Context(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			defer live.done()
			plain, err := bleve.New(filepath.Join(t.TempDir(), "plain"), m)
			if err != nil {
				t.Fatal(err)
			}
			defer plain.Close()
			indexPlainly(t, plain, products)

			got, want := terms(t, live.index), terms(t, plain)
			if len(want) < 300 {
				t.Fatalf("bleve has %d terms only", len(want))
			}
			for _, term := range slices.Sorted(maps.Keys(want)) {
				if got[term] != want[term] {
					t.Fatalf("%s\ngot  %s\nwant %s", term, got[term], want[term])
				}
			}
			for term := range got {
				if want[term] == "" {
					t.Errorf("%s is not in bleve's index", term)
				}
			}
		})
	}
}

// terms describes the postings of each field's terms.
func terms(t *testing.T, of bleve.Index) map[string]string {
	t.Helper()
	advanced, err := of.Advanced()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := advanced.Reader()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	fields, err := reader.Fields()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, field := range fields {
		dict, err := reader.FieldDict(field)
		if err != nil {
			t.Fatal(err)
		}
		for entry, err := dict.Next(); entry != nil || err != nil; entry, err = dict.Next() {
			if err != nil {
				t.Fatal(err)
			}
			found[fmt.Sprintf("%s:%q", field, entry.Term)] = postings(t, reader, field, entry.Term)
		}
		if err := dict.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func postings(t *testing.T, reader index.IndexReader, field, term string) string {
	t.Helper()
	list, err := reader.TermFieldReader(t.Context(), []byte(term), field, true, true, true)
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	var docs []string
	for doc, err := list.Next(nil); doc != nil || err != nil; doc, err = list.Next(nil) {
		if err != nil {
			t.Fatal(err)
		}
		id, err := reader.ExternalID(doc.ID)
		if err != nil {
			t.Fatal(err)
		}
		var places []string
		for _, v := range doc.Vectors {
			if v.Field == allName {
				v.ArrayPositions = nil // the number of a text among all, which comes from a walk over maps, too
			}
			places = append(places, fmt.Sprint(*v))
		}
		slices.Sort(places) // a mapping walks maps: the order of fields is random
		docs = append(docs, fmt.Sprint(id, " × ", doc.Freq, " norm ", doc.Norm, " at ", places))
	}
	slices.Sort(docs)
	return fmt.Sprint(docs)
}
