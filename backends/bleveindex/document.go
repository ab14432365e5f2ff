package bleveindex

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/mapping"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/backends/bleveindex/internal/bodies"
	"productindex/backends/bleveindex/internal/compact"
	"productindex/reindex"
)

const (
	idField = "_id"
	allName = "_all"

	// maxFields is how many different fields a generation has at most. bleve counts the fields of a segment in 16 bits,
	// and does not notice when they overflow.
	maxFields = 65_000
)

var (
	errEmptyID  = errors.New("the id is empty")
	errNoObject = errors.New("the body is not an object")
)

// mapper makes the documents of one index.
type mapper struct {
	mapping    mapping.IndexMapping
	omitBodies bool
	fields     fieldCounter

	learning sync.Mutex
	bodies   atomic.Pointer[bodies.Codec] // nil: bodies are stored as they are
}

// learn makes bodies small from now on if they are not yet and these products say how, and returns the dictionary for
// that, or nil.
func (m *mapper) learn(products []reindex.Product) ([]byte, error) {
	if m.omitBodies {
		return nil, nil
	}
	m.learning.Lock()
	defer m.learning.Unlock()
	if m.bodies.Load() == nil {
		codec, err := bodies.Learn(len(products), func(i int) []byte { return products[i].Body })
		if err != nil {
			return nil, err
		}
		m.bodies.Store(codec)
	}
	return m.bodies.Load().Dictionary(), nil
}

// document makes a bleve document of a product. Bleve's own mappings leave out fields of the product that have the name
// of one that the index uses itself; in the stored body they are.
func (m *mapper) document(p reindex.Product, buffer *compact.Buffer) (index.Document, error) {
	if p.ID == "" {
		return nil, errEmptyID
	}
	body, err := decode(p.Body)
	if err != nil {
		return nil, fmt.Errorf("the body cannot be decoded: %w", err)
	}
	fields, ok := body.(map[string]any)
	if !ok {
		return nil, errNoObject
	}
	doc, err := mapDocument(m.mapping, p.ID, fields, buffer)
	if err != nil {
		return nil, fmt.Errorf("the body cannot be mapped: %w", err)
	}
	if err := m.fields.add(doc); err != nil {
		return nil, err
	}
	if !m.omitBodies {
		body := document.NewTextFieldCustom(BodyField, nil, m.bodies.Load().Encode(p.Body), index.StoreField, nil)
		switch doc := doc.(type) {
		case *compact.Doc:
			doc.Add(body)
		case *document.Document:
			doc.AddField(body)
		}
	}
	return doc, nil
}

// decode decodes JSON, numbers as they are written.
func decode(body []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err = decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err = decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the value")
	}
	return value, nil
}

// mapDocument maps the fields of a product. bleve panics if a field that is mapped as a shape is not one.
func mapDocument(
	m mapping.IndexMapping, id string, fields map[string]any, buffer *compact.Buffer,
) (mapped index.Document, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the mapping panics: %v", cause)
		}
	}()
	if ours, ok := m.(*ProductMapping); ok {
		return ours.compactDocument(id, fields, buffer)
	}
	deleteReserved(fields)
	fields, _ = plain(fields).(map[string]any)
	doc := document.NewDocument(id)
	if err := m.MapDocument(doc, fields); err != nil {
		return nil, err
	}
	return buffer.Convert(doc), nil
}

// deleteReserved deletes the fields that have the name of one that the index uses itself.
func deleteReserved(fields map[string]any) {
	delete(fields, idField) // to bleve it would be the id
	delete(fields, allName)
	delete(fields, BodyField)
}

// fieldCounter counts the different fields of a generation.
type fieldCounter struct {
	mu    sync.RWMutex
	names map[string]struct{}
}

// add counts the fields of a document, or none of them where they are too many.
func (c *fieldCounter) add(doc index.Document) error {
	var added []string
	c.mu.RLock()
	doc.VisitFields(func(f index.Field) {
		if _, ok := c.names[f.Name()]; !ok {
			added = append(added, f.Name())
		}
	})
	c.mu.RUnlock()
	if added == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	added = slices.DeleteFunc(added, func(name string) bool { _, ok := c.names[name]; return ok })
	slices.Sort(added)
	added = slices.Compact(added)
	if len(c.names)+len(added) > maxFields {
		return fmt.Errorf("its field %.100q would be one more than the %d different ones that an index can have: "+
			"keep ids and the like out of the names of fields", added[0], maxFields)
	}
	if c.names == nil {
		c.names = map[string]struct{}{}
	}
	for _, name := range added {
		c.names[name] = struct{}{}
	}
	return nil
}
