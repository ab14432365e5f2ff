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

	// maxFields is the largest number of different fields in a generation. bleve counts the fields of a segment in 16
	// bits, and does not detect an overflow.
	maxFields = 65_000
)

var (
	errEmptyID  = errors.New("the id is empty")
	errNoObject = errors.New("the body is not an object")
)

// mapper builds the documents of one index.
type mapper struct {
	mapping    mapping.IndexMapping
	omitBodies bool
	fields     fieldCounter

	learning sync.Mutex
	bodies   atomic.Pointer[bodies.Codec] // nil: bodies are stored uncompressed
}

// learn builds the dictionary for compressing bodies from these products, unless there is one, and returns the
// dictionary. It returns nil if bodies are not compressed.
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

// document returns the bleve document of a product. bleve's own mappings leave out fields of the product whose names
// are reserved for the index; the stored body has them.
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

// decode decodes JSON, with numbers as json.Number.
func decode(body []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err = decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err = decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is data after the value")
	}
	return value, nil
}

// mapDocument maps the fields of a product. It returns a panic as an error: bleve panics if the value of a field that
// is mapped as a shape is not a shape.
func mapDocument(
	m mapping.IndexMapping, id string, fields map[string]any, buffer *compact.Buffer,
) (mapped index.Document, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the mapping panicked: %v", cause)
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

// deleteReserved deletes the fields whose names are reserved for the index.
func deleteReserved(fields map[string]any) {
	delete(fields, idField) // bleve would use it as the id
	delete(fields, allName)
	delete(fields, BodyField)
}

// fieldCounter counts the different fields of a generation.
type fieldCounter struct {
	mu    sync.RWMutex
	names map[string]struct{}
}

// add counts the fields of a document. If there would be too many it counts none of them and returns an error.
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
		return fmt.Errorf("its field %.100q exceeds the %d different fields that an index can have; "+
			"do not use ids or other values as names of fields", added[0], maxFields)
	}
	if c.names == nil {
		c.names = map[string]struct{}{}
	}
	for _, name := range added {
		c.names[name] = struct{}{}
	}
	return nil
}
