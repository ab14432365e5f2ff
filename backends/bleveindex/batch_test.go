package bleveindex

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/mapping"

	"productindex/reindex"
)

// manyChanges is a number of changes for which several goroutines make the documents.
const manyChanges = 10 * changesPerGoroutine

// Of several changes of one product in a call the last one counts, even if other goroutines make the documents of the
// earlier ones.
func TestChangesOfOneProductInOneCall(t *testing.T) {
	const ids = 25
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", products(1, "old")...)
	var changes []reindex.Change
	want := map[string]string{"p0": "old"}
	for i := range manyChanges {
		id := fmt.Sprint("n", i%ids)
		if i%3 == 0 {
			changes = append(changes, deletion(id))
			delete(want, id)
			continue
		}
		changes = append(changes, upsert(id, fmt.Sprint("r", i)))
		want[id] = fmt.Sprint("r", i)
	}
	update(t, ix, "acme", changes...)
	found, err := revs(t.Context(), ix, "acme")
	if err != nil || !maps.Equal(found, want) {
		t.Errorf("the products are %v, error %v, want %v", found, err, want)
	}
}

// fragile is a host's mapping. It panics for products that have a field with the name in panics.
type fragile struct {
	*mapping.IndexMappingImpl

	panics string
}

func (f *fragile) MapDocument(doc *document.Document, data any) error {
	if fields, ok := data.(map[string]any); ok && fields[f.panics] != nil {
		panic("no luck")
	}
	return f.IndexMappingImpl.MapDocument(doc, data)
}

// Of many changes in a call, those whose documents cannot be made are refused by their ids, and the others are applied.
func TestManyChangesWithDefects(t *testing.T) {
	defects := map[int]string{3: `["no object"]`, manyChanges / 2: `{"fragile":1}`, manyChanges - 1: `{`}
	ix := open(t, t.TempDir(), &Config{Mapping: &fragile{bleve.NewIndexMapping(), "fragile"}})
	publish(t, ix, "acme", products(1, "old")...)
	changes, want := make([]reindex.Change, manyChanges), map[string]string{"p0": "old"}
	for i := range changes {
		changes[i] = upsert(fmt.Sprint("n", i), "new")
		if body, defect := defects[i]; defect {
			changes[i].Body = []byte(body)
			continue
		}
		want[changes[i].ID] = "new"
	}
	err := ix.Update(t.Context(), "acme", changes)
	failed, ok := errors.AsType[*reindex.BatchError](err)
	if !ok || len(failed.Items) != len(defects) {
		t.Fatalf("update: error %v, want a BatchError with %d products", err, len(defects))
	}
	for _, item := range failed.Items {
		var i int
		if _, err := fmt.Sscanf(item.ID, "n%d", &i); err != nil || defects[i] == "" || item.Err == nil {
			t.Errorf("product %q is refused with the error %v, want only the defective ones refused", item.ID, item.Err)
		}
	}
	found, err := revs(t.Context(), ix, "acme")
	if err != nil || !maps.Equal(found, want) {
		t.Errorf("%d products are live, error %v, want %d", len(found), err, len(want))
	}
}

// Many edits before Seal are several batches. Products that cannot be mapped are reported from each. If a product has
// several changes, the last one counts.
func TestManyEdits(t *testing.T) {
	for _, again := range []bool{false, true} {
		ix := open(t, t.TempDir(), nil)
		gen := begin(t, ix, "acme")
		if err := gen.Write(t.Context(), products(2*editsPerBatch, "old")); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		changes := []reindex.Change{{ID: "first", Body: []byte(`[]`)}}
		for i := range 2 * editsPerBatch {
			id := fmt.Sprint("p", i)
			if i%10 == 0 {
				changes = append(changes, deletion(id))
				continue
			}
			changes = append(changes, upsert(id, "new"))
			want[id] = "new"
		}
		if again {
			changes = append(changes, upsert("p0", "again"), deletion("p1"))
			want["p0"] = "again"
			delete(want, "p1")
		}
		changes = append(changes, reindex.Change{ID: "last", Body: []byte(`[]`)})
		failed, ok := errors.AsType[*reindex.BatchError](gen.Edit(t.Context(), changes))
		if !ok || len(failed.Items) != 2 || failed.Items[0].ID != "first" || failed.Items[1].ID != "last" {
			t.Errorf("edit: error %v, want one for the first and the last product", failed)
		}
		if sealed, err := gen.Seal(t.Context()); err != nil || sealed.Documents != int64(len(want)) {
			t.Errorf("sealed %+v, error %v, want %d documents", sealed, err, len(want))
		}
		if err := gen.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if found, err := revs(t.Context(), ix, "acme"); err != nil || !maps.Equal(found, want) {
			t.Errorf("%d products are live, error %v, want %d", len(found), err, len(want))
		}
	}
}

// nameless is a host's field whose name cannot be read.
type nameless struct{ document.Field }

func (nameless) Name() string { panic("no luck") }

// illegible is a host's mapping. The document of a product with a field named illegible cannot be read.
type illegible struct{ *mapping.IndexMappingImpl }

func (illegible) MapDocument(doc *document.Document, data any) error {
	if fields, ok := data.(map[string]any); ok && fields["illegible"] != nil {
		doc.AddNestedDocument(document.NewDocument("nested")) // so that the document stays one of bleve's own
		doc.AddField(nameless{document.NewTextField("name", nil, nil)})
	}
	return nil
}

// If a goroutine that makes documents panics, the call fails, and none of its changes is applied.
func TestPanicWhileDocumentsAreMade(t *testing.T) {
	ix := open(t, t.TempDir(), &Config{Mapping: illegible{bleve.NewIndexMapping()}, OmitBodies: true})
	publish(t, ix, "acme", products(1, "old")...)
	changes := make([]reindex.Change, manyChanges)
	for i := range changes {
		changes[i] = upsert(fmt.Sprint("n", i), "new")
	}
	changes[manyChanges/2].Body = []byte(`{"illegible":1}`)
	if err := ix.Update(t.Context(), "acme", changes); err == nil || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("update: error %v, want that of the panic", err)
	}
	if n, err := ix.DocCount(t.Context(), "acme"); n != 1 || err != nil {
		t.Errorf("%d products are live, error %v, want 1", n, err)
	}
}
