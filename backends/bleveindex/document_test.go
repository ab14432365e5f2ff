package bleveindex

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/reindex"
)

// A product that cannot be indexed is rejected by its id. The others of its batch are accepted.
func TestItemErrors(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	gen := begin(t, ix, "acme")
	err := gen.Write(t.Context(), []reindex.Product{
		object("good", `{"rev":"1"}`),
		object("huge", `{"rev":1e400}`),
		object("list", `[1]`),
		object("", `{"rev":"1"}`),
		object("also", `{"rev":"1"}`),
	})
	var failed *reindex.BatchError
	if !errors.As(err, &failed) || len(failed.Items) != 3 {
		t.Fatalf("write: error %v, want a BatchError with 3 products", err)
	}
	for i, id := range []string{"huge", "list", ""} {
		if item := failed.Items[i]; item.ID != id || item.Retryable || item.Err == nil {
			t.Errorf("item %d is %+v, want %q with an error and not retryable", i, item, id)
		}
	}
	sealed, err := gen.Seal(t.Context())
	if err != nil || sealed.Documents != 2 {
		t.Fatalf("sealed %+v, error %v, want 2 documents", sealed, err)
	}
	mustCommit(t, gen)
	assertLive(t, ix, "acme", 2, "1")
}

// If bleve panics while it maps a shape that is not valid, only that product is rejected.
func TestMappingPanics(t *testing.T) {
	shapes := bleve.NewIndexMapping()
	shapes.DefaultMapping.AddFieldMappingsAt("area", bleve.NewGeoShapeFieldMapping())
	ix := open(t, t.TempDir(), &Config{Mapping: shapes})
	gen := begin(t, ix, "acme")
	err := gen.Write(t.Context(), []reindex.Product{object("bad", `{"area":{"type":[]}}`), object("good", `{"rev":"1"}`)})
	var failed *reindex.BatchError
	if !errors.As(err, &failed) || len(failed.Items) != 1 || failed.Items[0].ID != "bad" {
		t.Fatalf("write: error %v, want a BatchError with only the product bad", err)
	}
	if sealed, err := gen.Seal(t.Context()); err != nil || sealed.Documents != 1 {
		t.Errorf("sealed %+v, error %v, want 1 document", sealed, err)
	}
}

// bleve stores the id of a product, and the index its body, in reserved fields. Fields of a product with these names do
// not change the reserved ones.
func TestReservedFields(t *testing.T) {
	for name, cfg := range map[string]*Config{"default": nil, "bleve's own mapping": {Mapping: bleve.NewIndexMapping()}} {
		t.Run(name, func(t *testing.T) {
			ix := open(t, t.TempDir(), cfg)
			body := `{"_id":"other","_all":"thing","_body":{"a":1},"_type":"x","":{"":1},"rev":"1"}`
			publish(t, ix, "acme", object("own", body), object("second", `{"_id":"own","rev":"1"}`))
			assertLive(t, ix, "acme", 2, "1")
			req := bleve.NewSearchRequest(bleve.NewDocIDQuery([]string{"own"}))
			req.Fields = []string{BodyField, "_id"}
			result, err := ix.Search(t.Context(), "acme", req)
			if err != nil || len(result.Hits) != 1 {
				t.Fatalf("found %v, error %v, want the product own", result, err)
			}
			if got, ok := Body(result.Hits[0]); !ok || string(got) != body {
				t.Errorf("the body is %s, want %s", got, body)
			}
		})
	}
}

// bleve confuses fields if an index has more of them than it can count. A product that would add such a field is
// rejected; others are indexed.
func TestTooManyFields(t *testing.T) {
	var counter fieldCounter
	fields := func(from, n int) *document.Document {
		doc := document.NewDocument("id")
		for i := range n {
			doc.AddField(document.NewNumericField(fmt.Sprint("f", from+i), nil, 1))
		}
		return doc
	}
	if err := counter.add(fields(0, maxFields-1)); err != nil {
		t.Fatal(err)
	}
	if err := counter.add(fields(maxFields-1, 2)); err == nil || !strings.Contains(err.Error(), `"f64999"`) {
		t.Errorf("two fields for one place: error %v, want one with the field f64999", err)
	}
	if err := counter.add(fields(maxFields-10, 10)); err != nil {
		t.Errorf("one field for one place: %v", err)
	}
	if err := counter.add(fields(maxFields-10, 11)); err == nil {
		t.Error("one field more than the largest number is accepted")
	}
	if err := counter.add(fields(100, 100)); err != nil {
		t.Errorf("known fields: %v", err)
	}
}

func TestRejectsTooManyFields(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	gen := begin(t, ix, "acme")
	for i := range maxFields {
		if gen.mapper.fields.names == nil {
			gen.mapper.fields.names = map[string]struct{}{}
		}
		gen.mapper.fields.names[fmt.Sprint(i)] = struct{}{}
	}
	var failed *reindex.BatchError
	if err := gen.Write(t.Context(), products(1, "1")); !errors.As(err, &failed) || failed.Items[0].ID != "p0" {
		t.Errorf("write: error %v, want a BatchError with the product p0", err)
	}
	if err := gen.Abort(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSearchFields(t *testing.T) {
	body := `{"name":"Sock","price":9.5,"in":true,"none":null,"dim":{"w":1,"h.x":2},"parts":[{"n":"a"},{"n":"b"},{}],` +
		`"l":{"de":"Socke"},"a.b":3}`
	stored := bleve.NewIndexMapping()
	for name, test := range map[string]struct {
		cfg    *Config
		fields []string
		want   map[string]any
	}{
		"none": {nil, nil, nil},
		"some": {
			nil,
			[]string{
				"name", "price", "in", "dim.w", "dim.h.x", "parts.n", "l", "a.b", "none", "nonesuch", "name.de", "dim.nonesuch",
			},
			map[string]any{
				"name": "Sock", "price": 9.5, "in": true, "dim.w": 1.0, "dim.h.x": 2.0, "parts.n": []any{"a", "b"},
				"l":   map[string]any{"de": "Socke"},
				"a.b": 3.0, "none": nil,
			},
		},
		"all": {nil, []string{"*"}, map[string]any{
			"name": "Sock", "price": 9.5, "in": true, "none": nil, "dim": map[string]any{"w": 1.0, "h.x": 2.0}, "a.b": 3.0,
			"parts": []any{map[string]any{"n": "a"}, map[string]any{"n": "b"}, map[string]any{}},
			"l":     map[string]any{"de": "Socke"},
		}},
		"body":           {nil, []string{BodyField}, map[string]any{BodyField: body}},
		"without bodies": {&Config{OmitBodies: true}, []string{"name", BodyField}, nil},
		"stored": {
			&Config{Mapping: stored, OmitBodies: true}, []string{"name", "dim.w"},
			map[string]any{"name": "Sock", "dim.w": 1.0},
		},
		"stored and body": {
			&Config{Mapping: stored}, []string{"name", "dim"},
			map[string]any{"name": "Sock", "dim": map[string]any{"w": 1.0, "h.x": 2.0}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			ix := open(t, t.TempDir(), test.cfg)
			publish(t, ix, "acme", object("1", body))
			req := bleve.NewSearchRequest(bleve.NewMatchAllQuery())
			req.Fields = test.fields
			result, err := ix.Search(t.Context(), "acme", req)
			if err != nil {
				t.Fatal(err)
			}
			if got := result.Hits[0].Fields; len(got)+len(test.want) > 0 && !reflect.DeepEqual(got, test.want) {
				t.Errorf("the fields are %v, want %v", got, test.want)
			}
			if result.Request != req || !reflect.DeepEqual(req.Fields, test.fields) {
				t.Errorf("the search has changed the fields of the request to %v, want %v", req.Fields, test.fields)
			}
		})
	}
}

func TestSearchErrors(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", products(1, "1")...)
	if _, err := ix.Search(t.Context(), "acme", nil); !errors.Is(err, errNoRequest) {
		t.Errorf("without a request: error %v, want %v", err, errNoRequest)
	}
	if _, err := ix.Search(t.Context(), "acme", bleve.NewSearchRequest(bleve.NewQueryStringQuery("a:b:c^"))); err == nil {
		t.Error("a query string that is not valid: no error")
	}
	_, err := ix.Search(t.Context(), "nonesuch", bleve.NewSearchRequest(bleve.NewMatchAllQuery()))
	if !errors.Is(err, reindex.ErrNoLiveIndex) {
		t.Errorf("a tenant without an index: error %v, want %v", err, reindex.ErrNoLiveIndex)
	}
}

// A product is found, with its id and its body, for all names and values of its fields.
func FuzzDocument(f *testing.F) {
	for _, body := range []string{
		`{}`, `{"name":{"de":"x","de-CH":"y","":"z"}}`, `{"price":"1","sku":1e300,"ean":-0.5,"brand":{"id":[1,{"code":2}]}}`,
		`{"_id":1,"a":[[[{"b":null}]],"2026-01-01T00:00:00Z"]}`, `{"x":{"y":1},"x":"z","name.de":"q","":""}`,
	} {
		f.Add(body)
	}
	ix, err := Open(f.TempDir(), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { ix.Close() })
	f.Fuzz(func(t *testing.T, body string) {
		gen := begin(t, ix, "acme")
		err := gen.Write(t.Context(), []reindex.Product{object("id", body)})
		if _, rejected := errors.AsType[*reindex.BatchError](err); rejected {
			if err := gen.Abort(t.Context()); err != nil {
				t.Error(err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		sealAndCommit(t, gen)
		req := bleve.NewSearchRequest(bleve.NewMatchAllQuery())
		req.Fields = []string{"*", BodyField}
		result, err := ix.Search(t.Context(), "acme", req)
		if err != nil || len(result.Hits) != 1 || result.Hits[0].ID != "id" || result.Hits[0].Fields[BodyField] != body {
			t.Errorf("found %v, error %v, want the product with the body %s", result, err, body)
		}
	})
}

// Bodies are compressed, including those of updates after the index was opened again. They are read as they were
// written.
func TestBodiesAreCompressed(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, nil)
	publish(t, ix, "acme", products(300, "1")...)
	mustClose(t, ix)
	ix = open(t, dir, nil)
	later := products(301, "2")[300]
	if err := ix.Update(t.Context(), "acme", []reindex.Change{{ID: later.ID, Body: later.Body}}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{later.ID: string(later.Body)}
	for _, p := range products(300, "1") {
		want[p.ID] = string(p.Body)
	}
	if got := storedBodies(t, ix, "acme"); !maps.Equal(got, want) {
		t.Errorf("the bodies are %v, want %v", got, want)
	}
	l, err := ix.acquire(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	defer l.done()
	for _, id := range []string{"p0", "p299", later.ID} {
		doc, err := l.index.Document(id)
		if err != nil {
			t.Fatal(err)
		}
		doc.VisitFields(func(field index.Field) {
			if field.Name() == BodyField && len(field.Value()) > len(want[id])*2/3 {
				t.Errorf("the body of %s, %d bytes, is stored in %d bytes, want at most two thirds",
					id, len(want[id]), len(field.Value()))
			}
		})
	}
}

// A body that a scan has yielded does not change while others are read, even if it was stored uncompressed.
func TestScannedBodiesStay(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	want := map[string]string{"a": `{"name":"wool sock"}`, "b": `{"name":"oak table"}`, "c": `{"name":"tin spoon"}`}
	publish(t, ix, "acme", object("a", want["a"]), object("b", want["b"]), object("c", want["c"]))
	got := map[string]reindex.Product{}
	for p, err := range ix.ScanLive(t.Context(), "acme") {
		if err != nil {
			t.Fatal(err)
		}
		got[p.ID] = p
	}
	for id, body := range want {
		if string(got[id].Body) != body {
			t.Errorf("the body of %s is %s, want %s", id, got[id].Body, body)
		}
	}
}
