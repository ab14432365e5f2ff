// Package compact holds bleve documents on their way into a segment in a fraction of the memory that bleve's own take.
package compact

import (
	"bytes"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"
)

// compactDocument is a bleve document with the same terms, frequencies and positions as bleve's own, in a fraction of
// the memory. Its fields keep their tokens in a compact form. Only while a segment reads a document are its terms what
// bleve wants to read, in a [Buffer] that all documents of a batch use in turn: a segment reads documents one after
// the other, each of them twice.
type compactDocument struct {
	*document.Document

	size       int // for bleve's statistics
	fields     []*analyzedField
	composites []*composedField
	foreign    bool // some of the fields are bleve's own
	numbers    *Numbers
	buffer     *Buffer
}

// Document takes over a document and its fields, and returns it in its compact form. Fields of rare types are left as
// they are, and so is a document with a geo shape, which bleve adds to composite fields in a way of its own. The
// document is read before buffer is given back.
func Document(doc *document.Document, numbers *Numbers, buffer *Buffer) index.Document {
	d := &compactDocument{
		Document: doc,
		numbers:  numbers,
		buffer:   buffer,
		fields:   make([]*analyzedField, 0, len(doc.Fields)+1),
	}
	for _, field := range doc.Fields {
		if _, ok := field.(index.GeoShapeField); ok && !isForm(field) {
			return doc
		}
		d.size += fieldBytes + len(field.Value())
	}
	ours := make([]analyzedField, len(doc.Fields))
	for i, field := range doc.Fields {
		switch field.(type) {
		case *document.TextField, *document.NumericField, *document.BooleanField, *document.DateTimeField:
			ours[i] = analyzedField{Field: field, doc: d}
			if i > 0 && sameTokens(doc.Fields[i-1], field) {
				ours[i].same = &ours[i-1]
			}
			d.fields = append(d.fields, &ours[i])
			doc.Fields[i] = &ours[i]
		case *Form: // it has no terms
		default:
			d.foreign = true
		}
	}
	for _, field := range doc.CompositeFields {
		d.composites = append(d.composites, d.compose(field))
	}
	buffer.mergeNames(d)
	return d
}

func isForm(field document.Field) bool {
	_, ok := field.(*Form)
	return ok
}

// AllField is the field that is composed of others: its texts follow those that they are taken from.
const AllField = "_all"

// sameTokens reports whether a text is that of the field before it, analyzed in the same way: of a text that is also in
// _all.
func sameTokens(before, field document.Field) bool {
	text, ok := field.(*document.TextField)
	if !ok || text.Name() != AllField {
		return false
	}
	if ours, ok := before.(*analyzedField); ok {
		before = ours.Field
	}
	other, ok := before.(*document.TextField)
	if !ok || !bytes.Equal(other.Value(), text.Value()) {
		return false
	}
	theirs, ok := other.Analyzer().(*analysis.DefaultAnalyzer)
	return ok && text.Analyzer() == analysis.Analyzer(theirs)
}

// fieldBytes is about what a field takes in memory besides its value.
const fieldBytes = 500

func (d *compactDocument) Size() int                 { return d.size }
func (d *compactDocument) NumPlainTextBytes() uint64 { return uint64(d.size) } //nolint:gosec // not negative

// AddIDField is called by scorch.
func (d *compactDocument) AddIDField() {
	d.Document.AddIDField()
	last := len(d.Fields) - 1
	id := &analyzedField{Field: d.Fields[last], doc: d}
	d.fields = append(d.fields, id)
	d.Fields[last] = id
}

// HasComposite reports to scorch that there are no fields to compose while others are analyzed: they are when a segment
// reads them.
func (d *compactDocument) HasComposite() bool { return false }

func (d *compactDocument) VisitComposite(visit index.CompositeFieldVisitor) {
	for _, field := range d.composites {
		visit(field)
	}
}

// analyzedField is a text, a number, a boolean or a date.
type analyzedField struct {
	document.Field

	doc    *compactDocument
	tokens []token
	same   *analyzedField         // has the same tokens, and is analyzed before
	next   *analyzedField         // the next one of the same name, whose tokens are among the terms of the first
	merged bool                   // it is not the first
	terms  index.TokenFrequencies // while the document is in the buffer
	shared index.TokenFrequencies // of all equal numbers
}

// token is a word of a text, at bytes and at a position of it.
type token struct {
	term                 string
	start, end, position int32
}

// Analyze does what that of bleve's field does.
func (f *analyzedField) Analyze() {
	if f.same != nil {
		f.tokens = f.same.tokens
		return
	}
	if text, ok := f.Field.(*document.TextField); ok {
		f.tokens = textTokens(text)
		return
	}
	var shared index.TokenFrequencies
	f.tokens, shared = f.doc.numbers.of(f.Field)
	options := f.Options()
	if f.next == nil && !f.merged && !f.doc.foreign && !options.IncludeTermVectors() {
		f.shared = shared // else bleve merges others into the terms, or wants different ones
	}
}

func (f *analyzedField) AnalyzedLength() int { return len(f.tokens) }

func (f *analyzedField) AnalyzedTokenFrequencies() index.TokenFrequencies {
	if f.merged || f.shared != nil || f.tokens == nil {
		return f.shared
	}
	f.doc.buffer.hold(f.doc)
	return f.terms
}

// composedField is a field that is composed of others.
type composedField struct {
	*document.CompositeField

	doc   *compactDocument
	parts []index.Field
	next  *analyzedField // the first field of the same name
	terms index.TokenFrequencies
}

// compose finds out which fields bleve would compose.
func (d *compactDocument) compose(f *document.CompositeField) *composedField {
	c := &composedField{CompositeField: f, doc: d, parts: make([]index.Field, 0, len(d.Fields))}
	for _, field := range d.Fields {
		if !field.Options().IsIndexed() {
			continue
		}
		before := f.AnalyzedLength()
		f.Compose(field.Name(), 1, nil)
		if f.AnalyzedLength() > before {
			c.parts = append(c.parts, field)
		}
	}
	return c
}

func (c *composedField) AnalyzedLength() (length int) {
	for _, field := range c.parts {
		length += field.AnalyzedLength()
	}
	return length
}

func (c *composedField) AnalyzedTokenFrequencies() index.TokenFrequencies {
	c.doc.buffer.hold(c.doc)
	return c.terms
}
