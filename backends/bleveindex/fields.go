package bleveindex

import (
	"strings"

	"github.com/blevesearch/bleve/v2/analysis/analyzer/keyword"
	"github.com/blevesearch/bleve/v2/mapping"

	"productindex/backends/bleveindex/analyzers"
)

// The fields of products that the default mapping knows by name. Each exists in the spellings that spellings makes of
// it. The name of a field decides how strings in it are compared and how much a word in it counts, never whether a
// value is found.
const (
	nameFields = "name title"

	// Texts that may be long: nobody sorts or filters by them.
	textFields = "description shortDescription longDescription summary"

	codeFields = "code sku ean gtin upc mpn isbn asin barcode productCode productNumber articleNumber " +
		"itemNumber partNumber"

	// Nobody types these into a search box, and random ones make _all large: it does without them.
	referenceFields = "id parentId parentVariantId brandId categoryId categoryIds supplierId vendorId"

	// Values that many products share, which say what kind of product it is.
	groupFields = "brand category categories manufacturer vendor productType type style"

	// Numbers, also with a currency or a decimal comma.
	numberFields = "price originalPrice salePrice listPrice amount"
)

const textType = "text"

// addProductFields adds to a mapping what queries have to know of the known fields: the analyzers that differ from the
// default.
func addProductFields(dm *mapping.DocumentMapping) {
	for _, name := range spellings(nameFields + " " + textFields) {
		text := mapping.NewDocumentMapping()
		for _, tag := range analyzers.Tags() {
			text.AddFieldMappingsAt(tag, newText(analyzers.For(tag)))
		}
		dm.AddSubDocumentMapping(name, text)
	}
	for _, name := range spellings(codeFields) {
		code := newText(analyzers.Keyword)
		code.IncludeTermVectors = false // it is one word
		dm.AddFieldMappingsAt(name, code)
	}
	for _, name := range spellings(referenceFields) {
		reference := newText(keyword.Name)
		reference.IncludeInAll, reference.DocValues, reference.IncludeTermVectors = false, true, false
		dm.AddFieldMappingsAt(name, reference)
	}
	forms := mapping.NewDocumentMapping()
	forms.DefaultAnalyzer = analyzers.Keyword
	dm.AddSubDocumentMapping(formsName, forms)
}

// spellings returns names as they are, and those of several words in snake_case too.
func spellings(names string) []string {
	var all []string
	for name := range strings.FieldsSeq(names) {
		all = append(all, name)
		snake := strings.Builder{}
		for _, r := range name {
			if r >= 'A' && r <= 'Z' {
				snake.WriteByte('_')
				r += 'a' - 'A'
			}
			snake.WriteRune(r)
		}
		if snake.String() != name {
			all = append(all, snake.String())
		}
	}
	return all
}

// nameSet returns the spellings of names.
func nameSet(names string) map[string]bool {
	set := map[string]bool{}
	for _, name := range spellings(names) {
		set[name] = true
	}
	return set
}

var (
	longTexts = nameSet(textFields)
	texts     = nameSet(nameFields + " " + textFields)
	prices    = nameSet(numberFields)
	groups    = nameSet(groupFields)
	words     = nameSet(nameFields + " " + textFields + " " + groupFields)
)

// isTranslated reports whether values of a field in an object are texts in several languages.
func isTranslated(field string) bool { return texts[field] }

// newText maps text in which phrases are found, with the analyzer of that name.
func newText(analyzer string) *mapping.FieldMapping {
	return &mapping.FieldMapping{
		Type:               textType,
		Analyzer:           analyzer,
		Index:              true,
		IncludeTermVectors: true,
		IncludeInAll:       true,
	}
}
