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

// timestamps is the name of the parser of dates in strings.
const timestamps = "timestamps"

// ProductMapping is a bleve mapping with rules of its own for the fields that it does not name; see [NewMapping]. A
// host must not change it once it is in a [Config]. From then on it is safe for concurrent use.
type ProductMapping struct {
	*mapping.IndexMappingImpl

	synonyms map[string][]*bleve.SynonymDefinition // by collection

	once  sync.Once
	all   analysis.Analyzer // of _all
	roots map[string]*node  // by document type
	mu    sync.RWMutex      // guards the children of all nodes, and known
	known int

	formless bool // a host has removed the keyword forms
}

// NewMapping returns the default mapping of products. Every value of a product is indexed by its own type, whatever the
// name of its field:
//
//   - Strings are text, with the analyzer [analyzers.Words] in any language. Phrases are found.
//   - If name, title, description or summary is an object with languages as keys, such as {"de": "…", "en-GB": "…"},
//     the text of each language has the analyzer of that language, in a field such as name.de. Texts with a region or
//     in capitals, such as de-AT or DE, are also in name.de.
//   - In sku, ean and other fields of codes, a string is one folded term. In id, brandId and similar fields, a string
//     is one unchanged term.
//   - Numbers are numbers, and so are strings such as "49.99". In price and similar fields a string may have a currency
//     or a decimal comma. A number whose digits a float64 cannot hold is also text.
//   - Booleans are booleans. RFC 3339 timestamps, and days such as 2026-01-31, are dates.
//   - Every value of up to 256 bytes also has a keyword form, which is used for sorting, for facets, and by [Filter].
//     Keyword forms are compared folded and shown as they are written.
//   - _all, which a query without a field searches, has the words of every text except for ids, and the digits of every
//     number.
//
// No field is stored: see [Index.Search] for the fields of hits.
//
// A product's own top-level fields _id, _all, _body and _keyword, and a field with an empty name, get one more
// underscore in the index.
//
// A host can add fields of its own to DefaultMapping. A value of another type than the added field is indexed as above.
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

// SetLanguage sets the language of names and descriptions that are not tagged with one, for a catalogue with one
// language. It returns an error if there is no analyzer for the tag.
func (m *ProductMapping) SetLanguage(tag string) error {
	known, ok := analyzers.Language(tag)
	if !ok {
		return fmt.Errorf(
			"bleveindex: there is no analyzer of language %q; the languages with one are %s",
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
			return fmt.Errorf("a product must be an object: %w", err)
		}
	}
	w := takeWalk()
	defer w.giveBack()
	w.m, w.doc = m, doc
	return w.product(product)
}

// compactDocument returns the document that MapDocument builds, in its compact form.
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

// phrases are the options of text that can be searched for phrases.
const phrases = index.IndexField | index.IncludeTermVectors

// prepare builds the root nodes.
func (m *ProductMapping) prepare() {
	m.all = m.AnalyzerNamed(m.AnalyzerNameForPath(allName))
	forms := m.DefaultMapping.Properties[formsName]
	m.formless = forms == nil || !forms.Enabled
	m.roots = map[string]*node{"": m.newRoot(m.DefaultMapping)}
	for name, dm := range m.TypeMapping {
		m.roots[name] = m.newRoot(dm)
	}
}

// root returns the root node for a product: that of its type, or the default one.
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
