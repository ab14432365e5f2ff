package bleveindex

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/analysis/analyzer/keyword"
	"github.com/blevesearch/bleve/v2/analysis/datetime/flexible"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/mapping"
	index "github.com/blevesearch/bleve_index_api"
)

// timestamps is the name of the parser that takes RFC 3339 timestamps, and nothing else, for dates.
const timestamps = "timestamps"

// ProductMapping is the mapping of products that [NewMapping] returns: bleve's own with another way to index what it does not name, and
// to fill the field _all. It is safe for concurrent use once it is in a [Config]; a host changes it before that.
type ProductMapping struct {
	*mapping.IndexMappingImpl

	once     sync.Once
	explicit map[string]textField // the text fields that the mapping names
	all      analysis.Analyzer    // of _all
}

// textField is what MapDocument knows of a text field that the mapping names.
type textField struct {
	kind     kind
	keyword  bool
	analyzer analysis.Analyzer
	options  index.FieldIndexingOptions
}

// kind is how a field goes into _all.
type kind int

const (
	dynamic    kind = iota // the mapping does not name it: as it is
	asIs                   // its terms are those of _all's analyzer
	reanalyzed             // they are not
	hidden                 // it does not
)

// NewMapping returns the default mapping of products. A host can add fields of its own to its DefaultMapping. What it does:
//
//   - name, title, description and the like are text. Where they are an object with languages as keys, as in {"de": "…", "en-GB": "…"},
//     each language has bleve's analyzer for it: search name.de. What is tagged with a region, as de-AT, is in name.de too. Text without a
//     known language has bleve's standard analyzer. Phrases are found.
//   - id, brandId and the like, sku, ean and other codes, and brand, category, tags, status and the like are keywords: they match as a
//     whole, and can be sorted and faceted by. A number in their place is a keyword too.
//   - price, stock, rating and the like are numbers that can be sorted by.
//   - Every other field is indexed as what it is: numbers, booleans, strings that are RFC 3339 timestamps as dates, all other strings as
//     text, without phrases.
//   - _all, which is searched where a query names no field, holds the words of every text and every keyword but for ids, as bleve's
//     standard analyzer makes them: without stemming, so that one query fits all languages.
//
// Nothing is stored field by field: see [Index.Search] for how hits get their fields. Highlighting needs a field that a host's mapping
// stores. Numbers are indexed as 64-bit floats: integers are exact up to 2⁵³.
func NewMapping() *ProductMapping {
	m := bleve.NewIndexMapping()
	m.StoreDynamic = false
	m.DocValuesDynamic = false
	if err := m.AddCustomDateTimeParser(timestamps, map[string]any{"type": flexible.Name, "layouts": []any{time.RFC3339}}); err != nil {
		panic(err) //nolint:forbidigo // bleve has this parser, and the layouts are constant
	}
	m.DefaultDateTimeParser = timestamps
	addProductFields(m.DefaultMapping)
	return &ProductMapping{IndexMappingImpl: m}
}

// MapDocument adds the fields of a product to doc, as bleve's mapping does, then leaves out what searches do not need of those that the
// mapping does not name, and makes _all what NewMapping says.
func (m *ProductMapping) MapDocument(doc *document.Document, data any) error {
	if err := m.IndexMappingImpl.MapDocument(doc, data); err != nil {
		return err
	}
	m.once.Do(m.prepare)
	excluded := m.refineAll(doc)
	if len(doc.CompositeFields) > 0 { // a mapping can switch _all off
		doc.CompositeFields = []*document.CompositeField{
			document.NewCompositeFieldWithIndexingOptions(allName, true, nil, excluded, phrases),
		}
	}
	return nil
}

// refineAll refines the fields of a document, and returns the names of those that do not go into _all.
func (m *ProductMapping) refineAll(doc *document.Document) (excluded []string) {
	excluded = []string{idField, allName}
	for i, field := range doc.Fields {
		field, kind := m.refine(field)
		doc.Fields[i] = field
		if kind == reanalyzed {
			// The number of the text's own field keeps phrases from spanning texts.
			position := []uint64{uint64(i)}
			doc.AddField(document.NewTextFieldCustom(allName, position, field.Value(), phrases, m.all))
		}
		if kind == reanalyzed || kind == hidden {
			excluded = append(excluded, field.Name())
		}
	}
	return excluded
}

// phrases are the options of text in which phrases are found.
const phrases = index.IndexField | index.IncludeTermVectors

// refine returns the field to index in place of one that bleve's mapping made, and how it goes into _all.
func (m *ProductMapping) refine(field document.Field) (document.Field, kind) {
	switch f := field.(type) {
	case *document.TextField:
		if named, ok := m.explicit[f.Name()]; ok {
			return f, named.kind
		}
		if name, named, ok := m.withoutRegion(f.Name()); ok {
			return document.NewTextFieldCustom(name, f.ArrayPositions(), f.Value(), named.options, named.analyzer), named.kind
		}
		return document.NewTextFieldCustom(f.Name(), f.ArrayPositions(), f.Value(), index.IndexField, f.Analyzer()), dynamic
	case *document.NumericField:
		named := m.explicit[f.Name()]
		number, err := f.Number()
		if !named.keyword || err != nil {
			return f, hidden
		}
		digits := strconv.AppendFloat(nil, number, 'f', -1, 64)
		return document.NewTextFieldCustom(f.Name(), f.ArrayPositions(), digits, named.options, named.analyzer), named.kind
	default:
		return f, hidden
	}
}

// withoutRegion finds the field name.de for one whose name is name.de-AT, name.de_AT or name.zh-Hans-CN.
func (m *ProductMapping) withoutRegion(name string) (string, textField, bool) {
	dot := strings.LastIndexByte(name, '.')
	end := strings.IndexAny(name[dot+1:], "-_")
	if dot < 0 || end < 0 || languages[name[dot+1:][:end]] == "" {
		return "", textField{}, false
	}
	name = name[:dot+1+end]
	named, ok := m.explicit[name]
	return name, named, ok
}

// prepare notes the text fields that the mapping names.
func (m *ProductMapping) prepare() {
	all := m.AnalyzerNameForPath(allName)
	m.all = m.AnalyzerNamed(all)
	m.explicit = map[string]textField{}
	var visit func(dm *mapping.DocumentMapping, path []string)
	visit = func(dm *mapping.DocumentMapping, path []string) {
		for _, f := range dm.Fields {
			if f.Type != textType {
				continue
			}
			name := strings.Join(path, ".")
			analyzer := f.Analyzer
			if analyzer == "" {
				analyzer = m.AnalyzerNameForPath(name)
			}
			if f.Name != "" {
				name = strings.Join(append(path[:len(path)-1:len(path)-1], f.Name), ".")
			}
			named := textField{reanalyzed, analyzer == keyword.Name, m.AnalyzerNamed(analyzer), f.Options()}
			switch {
			case !f.IncludeInAll:
				named.kind = hidden
			case analyzer == all:
				named.kind = asIs
			}
			m.explicit[name] = named
		}
		for property, child := range dm.Properties {
			visit(child, append(slices.Clip(path), property))
		}
	}
	visit(m.DefaultMapping, nil)
	for _, dm := range m.TypeMapping {
		visit(dm, nil)
	}
}
