package reindextest

import (
	"context"
	"maps"
	"sync"
	"testing"

	"productindex/reindex"
)

// Editable is a [reindex.Source] whose products can be edited while runs read it, as those in the database of a shop.
// Every tenant has the same products. The zero value has none. An Editable is safe for concurrent use.
type Editable struct {
	mu     sync.Mutex
	bodies map[string]string // by id
}

// Open returns a snapshot of the products at this moment.
func (e *Editable) Open(context.Context, string) (reindex.Snapshot, error) {
	var products Slice
	for id, body := range e.Bodies() {
		products = append(products, reindex.Product{ID: id, Body: []byte(body)})
	}
	return products, nil
}

// Edit makes the changes, each of which must have a body or delete its product.
func (e *Editable) Edit(changes ...reindex.Change) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.bodies == nil {
		e.bodies = map[string]string{}
	}
	for _, c := range changes {
		if c.Delete {
			delete(e.bodies, c.ID)
		} else {
			e.bodies[c.ID] = string(c.Body)
		}
	}
}

// Bodies returns a copy of the bodies of all products, by id.
func (e *Editable) Bodies() map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.bodies)
}

// AssertEqual checks that an index has exactly these products and bodies. found has the bodies in the index, by id.
func (e *Editable) AssertEqual(tb testing.TB, found map[string]string) {
	tb.Helper()
	want := e.Bodies()
	for id, body := range want {
		if got, ok := found[id]; !ok {
			tb.Errorf("product %q is missing, want the body %s", id, body)
		} else if got != body {
			tb.Errorf("product %q has the body %s, want %s", id, got, body)
		}
	}
	for id, body := range found {
		if _, ok := want[id]; !ok {
			tb.Errorf("product %q has the body %s, want it deleted", id, body)
		}
	}
}
