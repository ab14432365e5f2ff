package bleveindex

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/blevesearch/bleve/v2/mapping"

	"productindex/reindex"
)

// An index that was opened again takes updates as its other documents were made, also if the host has another mapping
// by now.
func TestUpdateKeepsTheMapping(t *testing.T) {
	german := func() mapping.IndexMapping {
		m := NewMapping()
		if err := m.SetLanguage("de"); err != nil {
			t.Fatal(err)
		}
		return m
	}
	dir := t.TempDir()
	ix := open(t, dir, &Config{Mapping: german()})
	publish(t, ix, "acme", object("a", `{"name":"Gartenstühle","price":"1.299,00 €"}`))
	for _, m := range []mapping.IndexMapping{german(), NewMapping()} {
		if err := ix.Close(); err != nil {
			t.Fatal(err)
		}
		ix = open(t, dir, &Config{Mapping: m})
		update(t, ix, "acme", reindex.Change{ID: "b", Body: []byte(`{"name":"Gartenstühle","price":"1.299,00 €"}`)})
		for _, query := range []string{"name:Gartenstuhl", "price:>=1299 price:<1300"} {
			if found := find(t, ix, "acme", query); !slices.Equal(found, []string{"a", "b"}) {
				t.Errorf("with a %T, %s finds %q", m, query, found)
			}
		}
		update(t, ix, "acme", deletion("b"))
	}
}

// An index that was opened again takes no more fields than others.
func TestUpdateCountsFields(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", object("a", `{"known":1}`))
	closeIdle(t, ix, "acme")
	update(t, ix, "acme", deletion("nothing"))
	names := mustTenant(t, ix, "acme").live.Load().mapper.fields.names
	if _, ok := names["known"]; !ok {
		t.Errorf("the fields are %v", names)
	}
	for i := range maxFields - len(names) {
		names[fmt.Sprint("other", i)] = struct{}{}
	}
	update(t, ix, "acme", reindex.Change{ID: "a", Body: []byte(`{"known":2}`)})
	err := ix.Update(t.Context(), "acme", []reindex.Change{{ID: "b", Body: []byte(`{"unknown":2}`)}})
	if !errors.As(err, new(*reindex.BatchError)) {
		t.Errorf("one more field: %v", err)
	}
}
