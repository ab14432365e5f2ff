package compact

import (
	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"
)

// Convert returns the compact form of a document. A document with nested documents or a geo shape is returned
// unchanged, since bleve treats the fields of such a document in a special way.
func (b *Buffer) Convert(doc *document.Document) index.Document {
	if len(doc.NestedDocuments) > 0 {
		return doc
	}
	for _, field := range doc.Fields {
		if _, ok := field.(index.GeoShapeField); ok && !isForm(field) {
			return doc
		}
	}
	d := b.New(doc.ID())
	d.indexed = doc.Indexed()
	parts := make([]*part, len(doc.Fields))
	for i, field := range doc.Fields {
		parts[i] = d.addField(field)
	}
	for _, f := range doc.CompositeFields {
		c := &composedField{CompositeField: f, doc: d, own: b.names[f.Name()]}
		for i, field := range doc.Fields {
			if field.Options().IsIndexed() && includes(f, field.Name()) {
				c.parts = append(c.parts, composedPart{field, parts[i]})
			}
		}
		if c.own != nil {
			c.own.composed = true
		}
		d.composites = append(d.composites, c)
	}
	return d
}

func isForm(field document.Field) bool {
	_, ok := field.(*Form)
	return ok
}

// includes reports whether bleve includes fields with this name in the composite field.
func includes(f *document.CompositeField, name string) bool {
	before := f.AnalyzedLength()
	f.Compose(name, 1, nil)
	return f.AnalyzedLength() > before
}

// composedField is a composite field, such as _all. bleve's field is kept for its name and options.
type composedField struct {
	*document.CompositeField

	doc   *Doc
	parts []composedPart
	own   *field // the field of the same name, or nil
	terms index.TokenFrequencies
}

// composedPart is a field that is part of a composite field.
type composedPart struct {
	field document.Field
	own   *part // the part into which the field was converted, or nil if it was not converted
}

func (p composedPart) length() int {
	if p.own != nil {
		return len(p.own.tokens)
	}
	return p.field.AnalyzedLength()
}

// mostTerms returns an upper bound of the number of terms of the field.
func (c *composedField) mostTerms() (n int) {
	if c.own != nil {
		n = c.own.length
	}
	for _, p := range c.parts {
		if p.own != nil {
			n += len(p.own.tokens)
		} else {
			n += len(p.field.AnalyzedTokenFrequencies())
		}
	}
	return n
}

func (c *composedField) AnalyzedLength() (length int) {
	for _, p := range c.parts {
		length += p.length()
	}
	return length
}

func (c *composedField) AnalyzedTokenFrequencies() index.TokenFrequencies {
	c.doc.buffer.hold(c.doc)
	return c.terms
}
