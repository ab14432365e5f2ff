package bleveindex

import (
	"strings"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/mapping"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/backends/bleveindex/analyzers"
)

// node holds the rules of the mapping for the values at one path.
type node struct {
	name     string // the name of its field
	form     string // the name of the field with its keyword forms; empty if it has none
	dm       *mapping.DocumentMapping
	dynamic  bool // values without a field in dm are indexed
	disabled bool
	price    bool // its strings can be amounts with a currency
	whole    bool // facets count its own terms, so terms of numbers must not be added
	group    bool // its values name a kind of product
	text     bool // its numbers are also words
	texts    []textField
	others   []otherField
	children map[string]*node
	foreign  map[string]bool // in a root: the names of the fields that bleve's own mapping maps
}

// textField is a field of the mapping for strings.
type textField struct {
	name     string
	analyzer analysis.Analyzer
	options  index.FieldIndexingOptions
	all      bool // its words are also in _all
}

// otherField is a field of the mapping for other values than strings.
type otherField struct {
	name    string
	kind    string
	options index.FieldIndexingOptions
	parser  string
}

// maxNodes bounds the number of cached nodes, since a catalogue may use ids as names of fields.
const maxNodes = 2 * maxFields

func (m *ProductMapping) newRoot(dm *mapping.DocumentMapping) *node {
	root := &node{dm: dm, dynamic: dm.Dynamic, children: map[string]*node{}, foreign: map[string]bool{}}
	for name, property := range dm.Properties {
		if isForeign(property) {
			root.foreign[name] = true
		}
	}
	return root
}

// isForeign reports whether a mapping has fields that are not built from single values: shapes, points, vectors, nested
// documents.
func isForeign(dm *mapping.DocumentMapping) bool {
	if dm.Nested {
		return true
	}
	for _, f := range dm.Fields {
		switch f.Type {
		case textType, "number", "boolean", "datetime":
		default:
			return true
		}
	}
	for _, property := range dm.Properties {
		if isForeign(property) {
			return true
		}
	}
	return false
}

// child returns the node for the field with that name in the objects of n.
func (m *ProductMapping) child(n *node, name string) *node {
	m.mu.RLock()
	c := n.children[name]
	m.mu.RUnlock()
	if c != nil {
		return c
	}
	c = m.newNode(n, name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known < maxNodes {
		m.known++
		n.children[name] = c
	}
	return c
}

// newNode builds the node for a field from the mapping.
func (m *ProductMapping) newNode(parent *node, name string) *node {
	top := parent.name == ""
	path := parent.name + "." + name
	if top {
		path = unreserved(name)
	}
	n := &node{
		name:     path,
		dynamic:  parent.dynamic,
		disabled: parent.disabled,
		price:    prices[name],
		text:     top && words[name],
		group:    top && groups[name],
		children: map[string]*node{},
	}
	if parent.dm != nil {
		n.dm = propertyAt(parent.dm, name)
		if tag, ok := analyzers.Language(name); ok && n.dm == nil && parent.dm.Properties[tag] != nil &&
			m.isProductText(parent) {
			n.dm, n.name = parent.dm.Properties[tag], parent.name+"."+tag
		}
		if top && (name == formsName || path != name) {
			n.dm = nil
		}
	}
	if n.form = formsName + "." + n.name; longTexts[strings.SplitN(n.name, ".", 2)[0]] {
		n.form = ""
	}
	if n.dm != nil {
		n.dynamic, n.disabled = n.dm.Dynamic, n.disabled || !n.dm.Enabled
		m.addFields(n, path)
	}
	return n
}

// propertyAt returns the mapping of a field, whose name can be a path.
func propertyAt(dm *mapping.DocumentMapping, name string) *mapping.DocumentMapping {
	for part := range strings.SplitSeq(name, ".") {
		if dm = dm.Properties[part]; dm == nil {
			return nil
		}
	}
	return dm
}

// isProductText reports whether an object at n holds a text in several languages, by the default mapping.
func (m *ProductMapping) isProductText(n *node) bool {
	return isTranslated(n.name) && n.dm == m.DefaultMapping.Properties[n.name]
}

// addFields adds the fields that the mapping names for n.
func (m *ProductMapping) addFields(n *node, path string) {
	for _, f := range n.dm.Fields {
		name := n.name
		if f.Name != "" {
			name = name[:strings.LastIndexByte(name, '.')+1] + f.Name
		}
		if f.Type != textType {
			n.others = append(n.others, otherField{name, f.Type, f.Options(), f.DateFormat})
			continue
		}
		analyzer := f.Analyzer
		if analyzer == "" {
			analyzer = m.AnalyzerNameForPath(path)
		}
		n.texts = append(n.texts, textField{name, m.AnalyzerNamed(analyzer), f.Options(), f.IncludeInAll})
		if f.DocValues {
			n.form, n.whole = "", true // the field itself is used for sorting and facets
		}
	}
}

// unreserved returns the name that a top-level field of a product has in the index.
func unreserved(name string) string {
	first, _, _ := strings.Cut(name, ".")
	switch strings.TrimLeft(first, "_") {
	case "":
		return "_" + name
	case idField[1:], allName[1:], BodyField[1:], formsName[1:]:
		if strings.HasPrefix(name, "_") {
			return "_" + name
		}
	}
	return name
}
