package bleveindex

import (
	"math"
	"time"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/backends/bleveindex/internal/compact"
)

// addDate adds a date, and reports whether bleve can represent it.
func (w *walk) addDate(name string, date time.Time, layout string, options index.FieldIndexingOptions) (added bool) {
	field, err := document.NewDateTimeFieldWithIndexingOptions(name, w.array(), date, layout, options)
	if err == nil {
		w.add(field)
	}
	return err == nil
}

// addText adds a text and, if all is set, its words to _all.
func (w *walk) addText(name, value string, options index.FieldIndexingOptions, analyzer analysis.Analyzer, all bool) {
	w.text(name, w.positions, value, options, analyzer)
	if all {
		w.addToAll(value, textOptions(value))
	}
}

func (w *walk) addNumber(n *node, value float64) {
	if n.whole {
		return
	}
	value += 0 // turns -0 into 0
	options := index.IndexField | index.SkipFreqNorm
	if math.Abs(value) >= rareNumber {
		options = index.IndexField
	}
	w.numeric(n.name, value, w.dynamicOptions(options))
}

// rareNumber is the magnitude from which a number is more likely to be a code than a quantity.
const rareNumber = 1e6

// addForm adds the keyword form of a value. It adds equal values of a product only once, so that facets count products.
func (w *walk) addForm(n *node, form string) {
	if form == "" || n.form == "" || len(form) > 2*maxForm || !w.m.IndexDynamic || w.m.formless {
		return
	}
	key := formKey(form)
	first, again := w.formed[n.form]
	switch {
	case !again:
		w.formed[n.form] = key
	case first == key || w.formedAlso[[2]string{n.form, key}]:
		return
	default:
		if w.formedAlso == nil {
			w.formedAlso = map[[2]string]bool{}
		}
		w.formedAlso[[2]string{n.form, key}] = true
	}
	if w.compact != nil {
		w.compact.Form(n.form, w.positions, form, again)
		return
	}
	w.doc.AddField(&compact.Form{Field: n.form, Positions: w.array(), Form: []byte(form), Again: again})
}

// addToAll adds the words of a value to _all, once for each distinct value of the product.
func (w *walk) addToAll(value string, options index.FieldIndexingOptions) {
	if _, known := w.inAll[value]; known || w.noAll {
		return
	}
	w.inAll[value] = struct{}{}
	w.texts++
	// A position of its own for each text keeps a phrase from matching across two texts.
	w.text(allName, []uint64{w.texts}, value, options, w.m.all)
}

func (w *walk) text(
	name string, positions []uint64, value string, options index.FieldIndexingOptions, analyzer analysis.Analyzer,
) {
	if w.compact != nil {
		w.compact.Text(name, positions, value, options, analyzer)
		return
	}
	w.doc.AddField(document.NewTextFieldCustom(name, clone(positions), []byte(value), options, analyzer))
}

func (w *walk) numeric(name string, value float64, options index.FieldIndexingOptions) {
	if w.compact != nil {
		w.compact.Number(name, w.positions, value, options)
		return
	}
	w.doc.AddField(document.NewNumericFieldWithIndexingOptions(name, w.array(), value, options))
}

// add adds a field of one of bleve's own types.
func (w *walk) add(field document.Field) {
	if w.compact != nil {
		w.compact.Add(field)
		return
	}
	w.doc.AddField(field)
}

// dynamicOptions returns the options for a field that the mapping does not name.
func (w *walk) dynamicOptions(options index.FieldIndexingOptions) index.FieldIndexingOptions {
	if !w.m.IndexDynamic {
		options &^= index.IndexField
	}
	if w.m.StoreDynamic {
		options |= index.StoreField
	}
	if w.m.DocValuesDynamic {
		options |= index.DocValues
	}
	return options
}

func (w *walk) array() []uint64 { return clone(w.positions) }

// clone returns a copy of positions, or nil if there are none.
func clone(positions []uint64) []uint64 { return append([]uint64(nil), positions...) }
