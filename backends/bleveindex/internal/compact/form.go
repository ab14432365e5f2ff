package compact

import (
	"errors"

	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"
)

// Form is a field that stores the keyword form of a value for sorting and facets. The form is not a term, since the
// terms of all forms would take a fifth of the index. bleve stores values apart from terms only for shapes, so a Form
// has the methods of a shape. When bleve merges segments, it keeps such values only if the field has a term, so all
// documents have the same one: FormTerm.
type Form struct {
	Field     string
	Positions []uint64
	Form      []byte
	Again     bool // another Form of the same field and document has the term
}

var (
	_ document.Field      = (*Form)(nil)
	_ index.GeoShapeField = (*Form)(nil)
)

var errNoShape = errors.New("a keyword form is not a shape")

// FormTerm is the term of all documents that have a form. It differs from all forms, since each form has a zero byte.
const FormTerm = "*"

// formTerms is shared by all documents and must not be changed.
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
