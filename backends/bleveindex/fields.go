package bleveindex

import (
	"strings"

	"github.com/blevesearch/bleve/v2/analysis/analyzer/keyword"
	"github.com/blevesearch/bleve/v2/mapping"

	"productindex/backends/bleveindex/analyzers"
)

// The fields of products that the default mapping knows by name, each in all of its spellings. The name of a field
// determines how its strings are compared and the weight of its words, but never whether a value is found.
const (
	nameFields = "name title"

	// Texts that may be long, by which nobody sorts or filters.
	textFields = "description shortDescription longDescription summary"

	codeFields = "code sku ean gtin upc mpn isbn asin barcode productCode productNumber articleNumber " +
		"itemNumber partNumber"

	// Ids, which are left out of _all: nobody types them into a search box, and random ones would make it large.
	referenceFields = "id parentId parentVariantId brandId categoryId categoryIds supplierId vendorId"

	// Values that many products share and that describe the kind of product.
	groupFields = "brand category categories manufacturer vendor productType type style"

	// Numbers, possibly with a currency or a decimal comma.
	numberFields = "price originalPrice salePrice listPrice amount"
)

const textType = "text"

// addProductFields adds the fields whose analyzer differs from the default to a mapping.
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
		code.IncludeTermVectors = false // a code is one word
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

// spellings returns the names unchanged and, if they have several words, also in snake_case.
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

// nameSet returns the spellings of the names as a set.
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

// isTranslated reports whether an object in this field holds a text in several languages.
func isTranslated(field string) bool { return texts[field] }

// newText returns the mapping of text that can be searched for phrases, with the analyzer of that name.
func newText(analyzer string) *mapping.FieldMapping {
	return &mapping.FieldMapping{
		Type:               textType,
		Analyzer:           analyzer,
		Index:              true,
		IncludeTermVectors: true,
		IncludeInAll:       true,
	}
}
