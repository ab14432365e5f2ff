package bleveindex

import (
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/search"
	index "github.com/blevesearch/bleve_index_api"
)

// formField keeps a keyword form for sorting and facets. As terms the forms of all values would take a fifth of the
// index. bleve stores what a document is sorted by beside the terms of a field for shapes alone, so that is what it
// takes the field for; and it merges that of segments only where the field has a term, so that every document has the
// same one.
type formField struct {
	name      string
	positions []uint64
	form      []byte
	again     bool // the document has another one, which has the term
}

var (
	_ document.Field      = (*formField)(nil)
	_ index.GeoShapeField = (*formField)(nil)
)

// formTerm is the term of all documents that have a form. No form is like it: they have a zero byte.
const formTerm = "*"

// formTerms are never changed: a document returns them once.
var formTerms = index.TokenFrequencies{formTerm: &index.TokenFreq{}}

func (f *formField) Name() string             { return f.name }
func (f *formField) ArrayPositions() []uint64 { return f.positions }
func (f *formField) Options() index.FieldIndexingOptions {
	return index.IndexField | index.DocValues | index.SkipFreqNorm
}
func (f *formField) Analyze()                         {}
func (f *formField) Value() []byte                    { return f.form }
func (f *formField) NumPlainTextBytes() uint64        { return uint64(len(f.form)) }
func (f *formField) Size() int                        { return fieldBytes + len(f.form) }
func (f *formField) EncodedFieldType() byte           { return 't' }
func (f *formField) GeoShape() (index.GeoJSON, error) { return nil, errNoShape }
func (f *formField) EncodedShape() []byte             { return f.form }

func (f *formField) AnalyzedLength() int {
	if f.again {
		return 0
	}
	return 1
}

func (f *formField) AnalyzedTokenFrequencies() index.TokenFrequencies {
	if f.again {
		return nil
	}
	return formTerms
}

// formSort sorts by forms.
type formSort struct{ *search.SortField }

// UpdateVisitor is called by bleve with what a document is sorted by.
func (s formSort) UpdateVisitor(field string, term []byte) {
	if string(term) != formTerm {
		s.SortField.UpdateVisitor(field, term)
	}
}

// Copy returns an order with a state of its own.
func (s formSort) Copy() search.SearchSort {
	own := *s.SortField
	return formSort{&own}
}
