package bleveindex

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/analysis/datetime/flexible"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/mapping"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/backends/bleveindex/analyzers"
	"productindex/backends/bleveindex/internal/compact"
)

// timestamps is the name of the parser of the strings that are dates.
const timestamps = "timestamps"

// ProductMapping is the mapping of products that [NewMapping] returns: a bleve mapping with a way of its own to index
// what it does not name. It is safe for concurrent use once it is in a [Config]; a host changes it before that.
type ProductMapping struct {
	*mapping.IndexMappingImpl

	synonyms map[string][]*bleve.SynonymDefinition // by collection

	once  sync.Once
	all   analysis.Analyzer // of _all
	roots map[string]*node  // by document type
	mu    sync.RWMutex      // guards the children of all nodes, and known
	known int

	formless bool // a host took the keyword forms out
}

// NewMapping returns the default mapping of products. Every value of every product is indexed as what it is, whatever
// the name of its field:
//
//   - Strings are text, with the analyzer [analyzers.Words] in any language. Phrases are found.
//   - In name, title, description and summary, where they are an object with languages as keys, as in {"de": "…",
//     "en-GB": "…"}, each language has its own analyzer: search name.de. Texts tagged with a region or in capitals, as
//     de-AT or DE, are also in name.de.
//   - In sku, ean and other fields of codes, strings are one term, folded; in id, brandId and the like one term as it
//     is.
//   - Numbers are numbers, and so are strings that are one, as "49.99". In price and the like a string may have a
//     currency or a decimal comma. Digits that a float64 cannot hold are text as well.
//   - Booleans are booleans. Strings that are RFC 3339 timestamps, or days as 2026-01-31, are dates.
//   - Every value of up to 256 bytes has a keyword form beside that, by which [Index.Search] sorts, counts facets, and
//     [Filter] filters: compared folded, shown as it is written.
//   - _all, which is searched where a query names no field, holds the words of every text but for ids, and the digits
//     of every number.
//
// Nothing is stored field by field: see [Index.Search] for how hits get their fields.
//
// A product's own top-level fields _id, _all, _body and _keyword, and one without a name, are indexed with one more
// underscore.
//
// A host can add fields of its own to DefaultMapping. Values of another type than such a field has are indexed as
// above.
func NewMapping() *ProductMapping {
	m := bleve.NewIndexMapping()
	m.StoreDynamic = false
	m.DocValuesDynamic = false
	m.DefaultAnalyzer = analyzers.Words
	parser := map[string]any{"type": flexible.Name, "layouts": []any{layouts[0], layouts[1]}}
	if err := m.AddCustomDateTimeParser(timestamps, parser); err != nil {
		panic(err) //nolint:forbidigo // bleve has this parser, and the layouts are constant
	}
	m.DefaultDateTimeParser = timestamps
	addProductFields(m.DefaultMapping)
	return &ProductMapping{IndexMappingImpl: m}
}

// SetLanguage makes the names and descriptions that are not tagged with a language be of this one, as in a catalogue
// with one language.
func (m *ProductMapping) SetLanguage(tag string) error {
	known, ok := analyzers.Language(tag)
	if !ok {
		return fmt.Errorf(
			"bleveindex: there is no analyzer of language %q; those with one are %s",
			tag,
			strings.Join(analyzers.Tags(), ", "),
		)
	}
	for _, name := range spellings(nameFields + " " + textFields) {
		if text := m.DefaultMapping.Properties[name]; text != nil {
			text.Fields = []*mapping.FieldMapping{newText(analyzers.For(known))}
		}
	}
	return nil
}

// MapDocument adds the fields of a product to doc: see [NewMapping].
func (m *ProductMapping) MapDocument(doc *document.Document, data any) error {
	product, ok := data.(map[string]any)
	if !ok {
		encoded, err := json.Marshal(data)
		if err == nil {
			err = json.Unmarshal(encoded, &product)
		}
		if err != nil {
			return fmt.Errorf("a product has to be an object: %w", err)
		}
	}
	w := takeWalk()
	defer w.giveBack()
	w.m, w.doc = m, doc
	return w.product(product)
}

// compactDocument makes the document that MapDocument makes, in its compact form.
func (m *ProductMapping) compactDocument(
	id string, product map[string]any, buffer *compact.Buffer,
) (index.Document, error) {
	m.once.Do(m.prepare)
	if len(m.root(product).foreign) > 0 {
		doc := document.NewDocument(id)
		err := m.MapDocument(doc, product)
		return buffer.Convert(doc), err
	}
	w := takeWalk()
	defer w.giveBack()
	w.m, w.compact = m, buffer.New(id)
	return w.compact, w.product(product)
}

// phrases are the options of text in which phrases are found.
const phrases = index.IndexField | index.IncludeTermVectors

// prepare makes the roots.
func (m *ProductMapping) prepare() {
	m.all = m.AnalyzerNamed(m.AnalyzerNameForPath(allName))
	forms := m.DefaultMapping.Properties[formsName]
	m.formless = forms == nil || !forms.Enabled
	m.roots = map[string]*node{"": m.newRoot(m.DefaultMapping)}
	for name, dm := range m.TypeMapping {
		m.roots[name] = m.newRoot(dm)
	}
}

// root returns the node of a product as a whole.
func (m *ProductMapping) root(product map[string]any) *node {
	if len(m.roots) > 1 {
		kind, ok := product[m.TypeField].(string)
		if !ok {
			kind = m.DefaultType
		}
		if root := m.roots[kind]; root != nil && kind != "" {
			return root
		}
	}
	return m.roots[""]
}
