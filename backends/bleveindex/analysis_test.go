package bleveindex

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/mapping"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/backends/bleveindex/internal/compact"
	"productindex/reindex/reindextest"
)

// A generation has the same terms, frequencies, norms and positions as an index that bleve alone makes of the same
// products and mapping.
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
			products = append(
				products,
				object(
					"twice",
					`{"name":["red red wine","wine red"],"sizes":[1,2,2,3],"a":{"b":7},"a.b":[7,8],`+
						`"flags":["x","x"],"price":7}`,
				),
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
			indexPlainly(t, plain, products, false)

			got, want := terms(t, live.index), terms(t, plain)
			if len(want) < 300 {
				t.Fatalf("bleve's index has only %d terms, want at least 300", len(want))
			}
			for _, term := range slices.Sorted(maps.Keys(want)) {
				if got[term] != want[term] {
					t.Fatalf("%s\ngot  %s\nwant %s", term, got[term], want[term])
				}
			}
			for term := range got {
				if want[term] == "" {
					t.Errorf("the generation has the term %s, bleve's index does not", term)
				}
			}
		})
	}
}

// terms returns a description of the postings of each term of an index.
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
				v.ArrayPositions = nil // the number of the text among all texts, which a walk over maps makes random
			}
			places = append(places, fmt.Sprint(*v))
		}
		slices.Sort(places) // a mapping walks maps, so the order of fields is random
		docs = append(docs, fmt.Sprint(id, " × ", doc.Freq, " norm ", doc.Norm, " at ", places))
	}
	slices.Sort(docs)
	return fmt.Sprint(docs)
}

// A document has the terms that bleve gives it, whatever its fields contain, even if a segment reads it several times
// and after other documents.
func FuzzSameTermsAsBleve(f *testing.F) {
	for _, body := range []string{
		`{"name":"red red wine","tags":["red","red wine"],"price":7,"sizes":[1,1,2.5],"ok":[true,false,true],` +
			`"at":"2026-01-01T00:00:00Z"}`,
		`{"name":{"de":"Rote Schuhe","de-AT":"rote Schuh","":"x"},"name.de":["Schuhe",1],"sku":12,"ean":[1,"1"]}`,
		`{"a":{"b":[1,"x",true,null,{"c":[[2]]}]},"a.b":1,"":[""],` +
			`"at":["2026-01-01T00:00:00Z","2026-01-01T00:00:00+01:00"]}`,
		`{"where":{"lat":1.5,"lon":2.5},"whereabouts":[1,2],"price":[7,7],"flags":["x","x",1],"area":[1]}`,
		`{"where":[5,{"lat":1.5,"lon":2.5}],"n":5}`,
		`{"flags":3,"m":3}`,
		`{"area":{"type":"point","coordinates":[1.5,2.5]},"name":"with a shape"}`,
		`{"ÿ":"ÿ","name":"\u0000 ß İ"}`,
	} {
		f.Add(body)
	}
	own := bleve.NewIndexMapping()
	flags := bleve.NewKeywordFieldMapping()
	flags.SkipFreqNorm = true
	vectors := bleve.NewNumericFieldMapping()
	vectors.IncludeTermVectors = true
	number := bleve.NewNumericFieldMapping()
	number.SkipFreqNorm = true
	own.DefaultMapping.AddFieldMappingsAt("flags", flags, number)
	own.DefaultMapping.AddFieldMappingsAt("price", vectors)
	own.DefaultMapping.AddFieldMappingsAt("where", bleve.NewGeoPointFieldMapping(), bleve.NewNumericFieldMapping())
	own.DefaultMapping.AddFieldMappingsAt("area", bleve.NewGeoShapeFieldMapping(), number)
	noAll := NewMapping()
	noAll.DefaultMapping.AddSubDocumentMapping(allName, bleve.NewDocumentDisabledMapping())
	mappings := []mapping.IndexMapping{NewMapping(), noAll, own}
	buffer, analyze := new(compact.Buffer), newAnalysis(f)
	f.Fuzz(func(t *testing.T, body string) {
		var fields map[string]any
		if json.Unmarshal([]byte(body), &fields) != nil {
			return
		}
		for _, m := range mappings {
			var docs []index.Document
			for range 2 {
				doc, err := mapDocument(m, "id", maps.Clone(fields), buffer)
				if err != nil {
					return
				}
				docs = append(docs, doc)
			}
			plain := document.NewDocument("id")
			if m == own {
				deleteReserved(fields)
			}
			if err := m.MapDocument(plain, fields); err != nil {
				t.Fatal(err)
			}
			want := readAsSegment(analyze, plain)[0]
			for _, got := range readAsSegment(analyze, docs...) {
				if got != want {
					t.Fatalf("got  %s\nwant %s", got, want)
				}
			}
		}
	})
}

// readAsSegment analyzes documents, and reads their terms as a segment does: all documents twice, one after the other,
// merging the fields of the same name the second time. It returns a description of the terms of each document.
func readAsSegment(analyze func(index.Document), docs ...index.Document) (described []string) {
	visit := func(doc index.Document, visit func(index.Field)) {
		doc.VisitComposite(func(field index.CompositeField) { visit(field) })
		doc.VisitFields(visit)
	}
	for _, doc := range docs {
		analyze(doc)
	}
	for _, doc := range docs {
		visit(doc, func(field index.Field) { field.AnalyzedTokenFrequencies() })
	}
	for _, doc := range docs {
		lengths, terms := map[string]int{}, map[string]index.TokenFrequencies{}
		visit(doc, func(field index.Field) {
			name := field.Name()
			lengths[name] += field.AnalyzedLength()
			if known := terms[name]; known != nil {
				known.MergeAll(name, field.AnalyzedTokenFrequencies())
			} else {
				terms[name] = field.AnalyzedTokenFrequencies()
			}
		})
		var all []string
		for name, found := range terms {
			for term, frequency := range found {
				all = append(all, fmt.Sprintf("%s (%d): %q × %d at %s",
					name, lengths[name], term, frequency.Frequency(), places(name, frequency.Locations)))
			}
		}
		slices.Sort(all)
		described = append(described, strings.Join(all, "\n"))
	}
	return described
}

// places returns a description of the locations of a term in a field.
func places(field string, of []*index.TokenLocation) string {
	var all []string
	for _, place := range of {
		p := *place
		if p.Field == "" {
			p.Field = field // an empty name means the field itself
		}
		if p.Field == allName {
			p.ArrayPositions = nil // the number of the text among all texts, which a walk over maps makes random
		}
		all = append(all, fmt.Sprint(p))
	}
	slices.Sort(all)
	return fmt.Sprint(all)
}
