package compact

import (
	"errors"

	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"
)

// Form keeps a keyword form of a value for sorting and facets. As terms the forms of all values would take a fifth of
// the index. bleve stores what a document is sorted by beside the terms of a field for shapes alone, so that is what
// this field is to it; and it merges that of segments only if the field has a term, so that every document has the same
// one.
type Form struct {
	Field     string
	Positions []uint64
	Form      []byte
	Again     bool // the document has another one, which has the term
}

var (
	_ document.Field      = (*Form)(nil)
	_ index.GeoShapeField = (*Form)(nil)
)

var errNoShape = errors.New("a keyword form is not a shape")

// FormTerm is the term of all documents that have a form. No form is like it: they have a zero byte.
const FormTerm = "*"

// formTerms are never changed: a document returns them once.
var formTerms = index.TokenFrequencies{FormTerm: &index.TokenFreq{}}

func (f *Form) Name() string             { return f.Field }
func (f *Form) ArrayPositions() []uint64 { return f.Positions }
func (f *Form) Options() index.FieldIndexingOptions {
	return index.IndexField | index.DocValues | index.SkipFreqNorm
}
func (f *Form) Analyze()                         {}
func (f *Form) Value() []byte                    { return f.Form }
func (f *Form) NumPlainTextBytes() uint64        { return uint64(len(f.Form)) }
func (f *Form) Size() int                        { return fieldBytes + len(f.Form) }
func (f *Form) EncodedFieldType() byte           { return 't' }
func (f *Form) GeoShape() (index.GeoJSON, error) { return nil, errNoShape }
func (f *Form) EncodedShape() []byte             { return f.Form }

func (f *Form) AnalyzedLength() int {
	if f.Again {
		return 0
	}
	return 1
}

func (f *Form) AnalyzedTokenFrequencies() index.TokenFrequencies {
	if f.Again {
		return nil
	}
	return formTerms
}
