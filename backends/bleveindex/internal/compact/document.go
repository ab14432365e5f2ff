// Package compact holds the bleve documents of a batch in a fraction of the memory that bleve's own form needs.
package compact

import (
	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/numeric"
	index "github.com/blevesearch/bleve_index_api"
)

// Doc is a bleve document with the same terms, frequencies and positions as one of bleve's own documents. Its fields
// are analyzed when they are added, and keep their tokens in a compact form. bleve builds a segment from one document
// after the other, and reads each document twice. The [Buffer] of the batch expands the terms of a document to bleve's
// form only while bleve reads that document. All values with the same name are one field, since bleve looks up the name
// of each field many times.
//
// A Doc must not be used after its buffer is given back. It is not safe for concurrent use.
type Doc struct {
	id          string
	size        int // for bleve's statistics
	indexed     bool
	first, last *field // a list, with one field per name
	others      []index.Field
	composites  []*composedField
	foreign     bool // some of the others have terms of their own
	buffer      *Buffer
}

var (
	_ index.Document = (*Doc)(nil)
	_ index.Field    = (*field)(nil)
)

// fieldBytes is the approximate memory of a field without its value.
const fieldBytes = 500

// Text adds a text. The positions are copied.
func (d *Doc) Text(
	name string, positions []uint64, value string, options index.FieldIndexingOptions, analyzer analysis.Analyzer,
) {
	if options.IsStored() || !options.IsIndexed() {
		d.Add(document.NewTextFieldCustom(name, d.buffer.positions.clone(positions), []byte(value), options, analyzer))
		return
	}
	d.size += fieldBytes + len(value)
	tokens, known := d.buffer.text(value, analyzer, options)
	d.add(name, part{tokens: tokens, positions: d.buffer.positions.clone(positions), options: options}, known)
}

// Number adds a number. The positions are copied.
func (d *Doc) Number(name string, positions []uint64, value float64, options index.FieldIndexingOptions) {
	if options.IsStored() || !options.IsIndexed() {
		positions = d.buffer.positions.clone(positions)
		d.Add(document.NewNumericFieldWithIndexingOptions(name, positions, value, options))
		return
	}
	d.size += fieldBytes
	tokens, known := d.buffer.number(numeric.Float64ToInt64(value), options)
	d.add(name, part{tokens: tokens, positions: d.buffer.positions.clone(positions), options: options}, known)
}

// Form adds a [Form]. The positions are copied.
func (d *Doc) Form(name string, positions []uint64, value string, again bool) {
	d.size += fieldBytes + len(value)
	form := &d.buffer.forms.take(1)[0]
	copied := d.buffer.bytes.take(len(value))
	copy(copied, value)
	*form = Form{Field: name, Positions: d.buffer.positions.clone(positions), Form: copied, Again: again}
	d.others = append(d.others, form)
}

// Add adds one of bleve's fields. Fields of rare types are not converted.
func (d *Doc) Add(f document.Field) { d.addField(f) }

// addField adds a field, and returns the part into which it was converted, or nil.
func (d *Doc) addField(f document.Field) *part {
	d.size += fieldBytes + len(f.Value())
	switch f.(type) {
	case *document.TextField, *document.NumericField, *document.BooleanField, *document.DateTimeField:
	default:
		d.others = append(d.others, f)
		d.foreign = true
		return nil
	}
	options := f.Options()
	if !options.IsIndexed() {
		d.others = append(d.others, f)
		return nil
	}
	if options.IsStored() {
		d.others = append(d.others, storedField{f})
		options &^= index.StoreField
	}
	tokens, known := d.buffer.value(f, options)
	return d.add(f.Name(), part{tokens: tokens, positions: f.ArrayPositions(), options: options}, known)
}

// add adds a value to the field with this name, and returns it.
func (d *Doc) add(name string, added part, known *value) *part {
	p := &d.buffer.parts.take(1)[0]
	*p = added
	if f := d.buffer.names[name]; f != nil {
		f.last.next, f.last, f.known = p, p, nil
		f.options |= p.options
		f.length += len(p.tokens)
		return p
	}
	f := d.newField(name, p)
	if len(p.positions) == 0 {
		f.known = known
	}
	d.buffer.names[name] = f
	return p
}

func (d *Doc) newField(name string, p *part) *field {
	f := &d.buffer.fields.take(1)[0]
	*f = field{name: name, doc: d, options: p.options, length: len(p.tokens), first: p, last: p}
	if d.last == nil {
		d.first = f
	} else {
		d.last.following = f
	}
	d.last = f
	return f
}

// AddIDField adds a field with the id. scorch calls it.
func (d *Doc) AddIDField() {
	const name = "_id"
	token := d.buffer.tokens.take(1)
	token[0] = newToken(d.id)
	d.newField(name, &part{tokens: token, options: index.IndexField})
	d.others = append(d.others, document.NewTextFieldCustom(name, nil, []byte(d.id), index.StoreField, nil))
}

// SetIndexed marks the document as indexed, for bleve's statistics.
func (d *Doc) SetIndexed() { d.indexed = true }

func (d *Doc) ID() string                { return d.id }
func (d *Doc) Indexed() bool             { return d.indexed }
func (d *Doc) Size() int                 { return d.size }
func (d *Doc) NumPlainTextBytes() uint64 { return uint64(d.size) } //nolint:gosec // not negative
func (d *Doc) StoredFieldsBytes() uint64 { return 0 }

// HasComposite returns false, so that scorch does not compose fields during the analysis. A composite field is composed
// when a segment reads its terms.
func (d *Doc) HasComposite() bool { return false }

func (d *Doc) VisitComposite(visit index.CompositeFieldVisitor) {
	for _, c := range d.composites {
		visit(c)
	}
}

func (d *Doc) VisitFields(visit index.FieldVisitor) {
	for f := d.first; f != nil; f = f.following {
		visit(f)
	}
	for _, f := range d.others {
		visit(f)
	}
}

// field holds all texts, numbers, booleans and dates with the same name.
type field struct {
	name        string
	doc         *Doc
	options     index.FieldIndexingOptions // of all parts
	length      int                        // of all parts
	first, last *part
	following   *field
	known       *value                 // the shared tokens and terms, if the field has only this value
	composed    bool                   // its terms are part of a composite field with the same name
	terms       index.TokenFrequencies // set while the document is in the buffer
}

// part is one value of a field.
type part struct {
	tokens    []token
	positions []uint64 // the indexes of the value in the arrays around it
	options   index.FieldIndexingOptions
	next      *part
}

// token is a word of a text, with its byte offsets and its position.
type token struct {
	term                 string
	start, end, position int32
}

func (f *field) Name() string                        { return f.name }
func (f *field) Value() []byte                       { return nil }
func (f *field) ArrayPositions() []uint64            { return nil }
func (f *field) EncodedFieldType() byte              { return 't' }
func (f *field) Analyze()                            {}
func (f *field) Options() index.FieldIndexingOptions { return f.options }
func (f *field) AnalyzedLength() int                 { return f.length }
func (f *field) NumPlainTextBytes() uint64           { return 0 }

func (f *field) AnalyzedTokenFrequencies() index.TokenFrequencies {
	if f.composed {
		return nil
	}
	if shared := f.shared(); shared != nil {
		return shared
	}
	f.doc.buffer.hold(f.doc)
	return f.terms
}

// shared returns the terms that all fields with the same single value share, or nil if the field has terms of its own.
func (f *field) shared() index.TokenFrequencies {
	if f.known == nil || f.doc.foreign { // bleve may merge other terms into these
		return nil
	}
	return f.known.shared()
}

// storedField holds only the stored value of a field that is also indexed.
type storedField struct{ document.Field }

func (storedField) Options() index.FieldIndexingOptions              { return index.StoreField }
func (storedField) Analyze()                                         {}
func (storedField) AnalyzedLength() int                              { return 0 }
func (storedField) AnalyzedTokenFrequencies() index.TokenFrequencies { return nil }
