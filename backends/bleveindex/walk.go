package bleveindex

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/backends/bleveindex/analyzers"
	"productindex/backends/bleveindex/internal/compact"
)

// walk builds the fields of one product.
type walk struct {
	m         *ProductMapping
	doc       *document.Document // gets the fields
	compact   *compact.Doc       // replaces doc if it is not nil
	positions []uint64           // the indexes in the arrays around the value
	texts     uint64             // the number of texts in _all
	noAll     bool               // the mapping disables _all
	inAll     map[string]struct{}
	formed    map[string]string // the fields that have a keyword form, with the key of the first one
	// formedAlso holds the fields and keys of further keyword forms.
	formedAlso map[[2]string]bool
}

// walks is the pool of unused walks.
var walks sync.Pool

func takeWalk() *walk {
	if w, ok := walks.Get().(*walk); ok {
		return w
	}
	return &walk{inAll: map[string]struct{}{}, formed: map[string]string{}}
}

func (w *walk) giveBack() {
	w.m, w.doc, w.compact = nil, nil, nil
	w.positions, w.texts = w.positions[:0], 0
	clear(w.inAll)
	clear(w.formed)
	clear(w.formedAlso)
	walks.Put(w)
}

// product adds the fields of a product.
func (w *walk) product(product map[string]any) error {
	w.m.once.Do(w.m.prepare)
	root := w.m.root(product)
	if !root.dm.Enabled {
		return nil
	}
	all := root.dm.Properties[allName]
	w.noAll = all != nil && !all.Enabled
	if len(root.foreign) > 0 {
		if err := w.delegate(root, product); err != nil {
			return err
		}
	}
	if err := w.object(root, product); err != nil {
		return err
	}
	if w.compact != nil {
		w.compact.SetIndexed()
	} else {
		w.doc.SetIndexed()
	}
	return nil
}

// object adds the fields of an object.
func (w *walk) object(n *node, fields map[string]any) error {
	for name, value := range fields {
		if n.foreign[name] {
			continue
		}
		if err := w.value(w.m.child(n, name), value); err != nil {
			return err
		}
	}
	return nil
}

// value adds the fields of a value.
func (w *walk) value(n *node, value any) error {
	if n.disabled {
		return nil
	}
	switch value := value.(type) {
	case nil:
	case map[string]any:
		return w.object(n, value)
	case []any:
		for i, element := range value {
			w.positions = append(w.positions, uint64(i))
			if err := w.value(n, element); err != nil {
				return err
			}
			w.positions = w.positions[:len(w.positions)-1]
		}
	case string:
		w.string(n, value)
	case bool:
		w.bool(n, value)
	case json.Number, float64:
		return w.number(n, value)
	default:
		return w.foreignValue(n, value)
	}
	return nil
}

// foreignValue adds a value of a type that decoded JSON does not have.
func (w *walk) foreignValue(n *node, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("field %.100q: %w", n.name, err)
	}
	decoded, err := decode(encoded)
	if err != nil {
		return fmt.Errorf("field %.100q: %w", n.name, err)
	}
	return w.value(n, decoded)
}

// string adds a string: the fields that the mapping names, or text. It also adds the number or date that the string
// represents.
func (w *walk) string(n *node, value string) {
	date, layout, isDate := dateIn(value)
	numeric, isNumber := 0.0, false
	if !isDate {
		if numeric, isNumber = numberIn(value); !isNumber && n.price {
			numeric, isNumber = priceIn(value)
		}
	}
	named := w.namedDate(n, value)
	switch {
	case len(n.texts) > 0:
		w.namedTexts(n, value)
		isDate, isNumber = isDate && n.form != "" && !named, false // a code is not a number
	case !n.dynamic:
		return
	case !isDate || layout != layouts[0]:
		w.dynamicText(n, value)
	}
	switch {
	case isDate && !named:
		w.addDate(n.name, date, layout, w.dynamicOptions(index.IndexField))
		w.addForm(n, dateForm(date, value))
	case isNumber:
		w.addNumber(n, numeric)
		w.addForm(n, numberForm(numeric, value))
	default:
		w.addForm(n, textForm(value))
	}
}

// dynamicText adds a text that the mapping does not name.
func (w *walk) dynamicText(n *node, value string) {
	w.addText(n.name, value, w.dynamicOptions(textOptions(value)), w.m.all, true)
	if !n.group {
		return
	}
	if words := camelCase(value); words != "" {
		w.addText(n.name, words, w.dynamicOptions(phrases), w.m.all, true)
	}
}

// camelCase returns the words of a value such as CaseFan or CPUCooler, separated by spaces, or "" for other values.
func camelCase(value string) string {
	var words []byte
	for i := range len(value) {
		b := value[i]
		if b|0x20 < 'a' || b|0x20 > 'z' {
			return ""
		}
		upper := b < 'a'
		if i > 0 && upper && (value[i-1] >= 'a' || i+1 < len(value) && value[i+1] >= 'a') {
			words = append(words, ' ')
		}
		words = append(words, b)
	}
	if len(words) == len(value) {
		return ""
	}
	return string(words)
}

// namedTexts adds the text fields that the mapping names.
func (w *walk) namedTexts(n *node, value string) {
	inAll := false
	for _, f := range n.texts {
		w.addText(f.name, value, f.options, f.analyzer, f.all && !inAll)
		inAll = inAll || f.all
	}
}

// namedDate adds the dates that the mapping names.
func (w *walk) namedDate(n *node, value string) (added bool) {
	for _, f := range n.others {
		if f.kind != "datetime" {
			continue
		}
		parser := w.m.DateTimeParserNamed(f.parser)
		if parser == nil {
			continue
		}
		date, layout, err := parser.ParseDateTime(value)
		if err != nil {
			continue
		}
		added = w.addDate(f.name, date, layout, f.options) || added
	}
	return added
}

// bool adds a boolean.
func (w *walk) bool(n *node, value bool) {
	named := false
	for _, f := range n.others {
		if f.kind == "boolean" {
			w.add(document.NewBooleanFieldWithIndexingOptions(f.name, w.array(), value, f.options))
			named = true
		}
	}
	if !named {
		if !n.dynamic {
			return
		}
		w.add(document.NewBooleanFieldWithIndexingOptions(n.name, w.array(), value, w.dynamicOptions(index.IndexField)))
	}
	w.addForm(n, textForm(strconv.FormatBool(value)))
}

// number adds a number. If the field is text, number also adds its digits.
func (w *walk) number(n *node, value any) error {
	numeric, literal, err := number(value)
	if err != nil {
		return fmt.Errorf("field %.100q: the number %.50v is out of range", n.name, value)
	}
	named := false
	for _, f := range n.others {
		if f.kind == "number" {
			w.numeric(f.name, numeric, f.options)
			named = true
		}
	}
	w.namedTexts(n, literal)
	if len(n.texts) > 0 && !named {
		w.addNumber(n, numeric)
		w.addForm(n, textForm(literal))
		return nil
	}
	if !named {
		if !n.dynamic {
			return nil
		}
		w.addNumber(n, numeric)
	}
	if isExact(literal, numeric) && !n.text {
		w.addToAll(literal, index.IndexField)
	} else {
		w.addText(n.name, literal, w.dynamicOptions(index.IndexField), w.m.all, true)
	}
	w.addForm(n, numberForm(numeric, literal))
	return nil
}

// textOptions returns the options of a text, which can be searched for phrases if it may have several words.
func textOptions(value string) index.FieldIndexingOptions {
	if analyzers.IsUUID(value) {
		return index.IndexField
	}
	for i := range len(value) {
		if b := value[i]; (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'z') {
			return phrases
		}
	}
	return index.IndexField
}

// delegate lets bleve map the fields that are not built from single values.
func (w *walk) delegate(root *node, product map[string]any) error {
	some := map[string]any{}
	for name := range root.foreign {
		if value, ok := product[name]; ok {
			some[name] = plain(value)
		}
	}
	if value, ok := product[w.m.TypeField]; ok {
		some[w.m.TypeField] = value
	}
	if err := w.m.IndexMappingImpl.MapDocument(w.doc, some); err != nil {
		return err
	}
	w.doc.CompositeFields = nil
	if !root.foreign[w.m.TypeField] {
		w.doc.Fields = slices.DeleteFunc(w.doc.Fields, func(f document.Field) bool { return f.Name() == w.m.TypeField })
	}
	for _, field := range slices.Clone(w.doc.Fields) {
		named := w.m.FieldMappingForPath(field.Name())
		if text, ok := field.(*document.TextField); ok && (named.Type == "" || named.IncludeInAll) {
			w.addToAll(string(text.Value()), textOptions(string(text.Value())))
		}
	}
	return nil
}

// plain returns decoded JSON with its numbers as float64, as bleve expects them.
func plain(value any) any {
	switch value := value.(type) {
	case json.Number:
		n, err := value.Float64()
		if err != nil {
			return string(value)
		}
		return n
	case []any:
		all := make([]any, len(value))
		for i, element := range value {
			all[i] = plain(element)
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(value))
		for name, element := range value {
			all[name] = plain(element)
		}
		return all
	}
	return value
}
