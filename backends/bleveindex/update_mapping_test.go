package bleveindex

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/blevesearch/bleve/v2/mapping"

	"productindex/reindex"
)

// Updates of an index that was opened again use the mapping of the index, even if the host has another mapping by now.
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
		mustClose(t, ix)
		ix = open(t, dir, &Config{Mapping: m})
		update(t, ix, "acme", reindex.Change{ID: "b", Body: []byte(`{"name":"Gartenstühle","price":"1.299,00 €"}`)})
		for _, query := range []string{"name:Gartenstuhl", "price:>=1299 price:<1300"} {
			if found := find(t, ix, "acme", query); !slices.Equal(found, []string{"a", "b"}) {
				t.Errorf("with a %T, %s finds %q, want a and b", m, query, found)
			}
		}
		update(t, ix, "acme", deletion("b"))
	}
}

// The limit on fields also holds for updates of an index that was opened again.
func TestUpdateCountsFields(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", object("a", `{"known":1}`))
	closeIdle(t, ix, "acme")
	update(t, ix, "acme", deletion("nothing"))
	names := mustTenant(t, ix, "acme").live.Load().mapper.fields.names
	if _, ok := names["known"]; !ok {
		t.Errorf("the counted fields are %v, want also known", names)
	}
	for i := range maxFields - len(names) {
		names[fmt.Sprint("other", i)] = struct{}{}
	}
	update(t, ix, "acme", reindex.Change{ID: "a", Body: []byte(`{"known":2}`)})
	err := ix.Update(t.Context(), "acme", []reindex.Change{{ID: "b", Body: []byte(`{"unknown":2}`)}})
	if !errors.As(err, new(*reindex.BatchError)) {
		t.Errorf("update with one more field: error %v, want a BatchError", err)
	}
}
