package reindextest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// errorsOf records the errors of a test instead of failing it.
type errorsOf struct {
	testing.TB

	texts []string
}

func (e *errorsOf) Helper() {}

func (e *errorsOf) Errorf(format string, args ...any) {
	e.texts = append(e.texts, fmt.Sprintf(format, args...))
}

// A snapshot has the products of the moment at which it was opened. Bodies that are missing, different or left over are
// errors.
func TestEditable(t *testing.T) {
	var e Editable
	e.Edit(upsert("a", "1"), upsert("b", "1"), upsert("c", "1"), deletion("c"))
	snapshot, err := e.Open(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	before := e.Bodies()
	e.Edit(upsert("b", "2"), deletion("a"), upsert("d", "1"))
	for p, err := range snapshot.Products(t.Context()) {
		if err != nil || before[p.ID] != string(p.Body) {
			t.Errorf("the snapshot has product %s with the body %s, error %v; want %s", p.ID, p.Body, err, before[p.ID])
		}
		delete(before, p.ID)
	}
	if len(before) > 0 {
		t.Errorf("the snapshot lacks the products %v", before)
	}
	live := map[string]string{"b": string(upsert("b", "2").Body), "d": string(upsert("d", "1").Body)}
	if !maps.Equal(e.Bodies(), live) {
		t.Errorf("the products are %v, want %v", e.Bodies(), live)
	}
	e.AssertEqual(t, live)
	found, recorded := e.Bodies(), &errorsOf{TB: t}
	found["b"], found["left over"] = "other", "body"
	delete(found, "d")
	e.AssertEqual(recorded, found)
	slices.Sort(recorded.texts)
	want := []string{
		fmt.Sprintf(`product "b" has the body other, want %s`, upsert("b", "2").Body),
		fmt.Sprintf(`product "d" is missing, want the body %s`, upsert("d", "1").Body),
		`product "left over" has the body body, want it deleted`,
	}
	if !slices.Equal(recorded.texts, want) {
		t.Errorf("the errors are %q, want %q", recorded.texts, want)
	}
}
