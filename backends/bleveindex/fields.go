package bleveindex

import (
	"strings"

	"github.com/blevesearch/bleve/v2/analysis/analyzer/keyword"
	"github.com/blevesearch/bleve/v2/mapping"
)

// The fields of products that the default mapping knows by name. Each exists in the spellings that spellings makes of it.
const (
	textFields = "name title description shortDescription longDescription summary"

	codeFields = "code sku ean gtin upc mpn isbn asin barcode productCode productNumber articleNumber itemNumber partNumber"

	// Nobody types these into a search box, and random ones make _all large: it does without them.
	referenceFields = "id parentId parentVariantId brandId categoryId categoryIds supplierId vendorId"

	// Values that many products share. Where they are objects, the fields of groupKeys in them are keywords.
	groupFields = "brand category categories tag tags label labels manufacturer vendor supplier productType type status condition" +
		" currency color gender availability"
	groupKeys = "id code key slug"

	numberFields = "price originalPrice salePrice listPrice amount stock currentStock quantity rating popularity position"
)

// addProductFields adds the known fields to a mapping.
func addProductFields(dm *mapping.DocumentMapping) {
	for _, name := range spellings(textFields) {
		text := mapping.NewDocumentMapping()
		text.AddFieldMapping(newText(""))
		for tag, analyzer := range languages {
			text.AddFieldMappingsAt(tag, newText(sharedPrefix+analyzer))
		}
		dm.AddSubDocumentMapping(name, text)
	}
	for _, name := range spellings(codeFields) {
		dm.AddFieldMappingsAt(name, newKeyword(), newNumber())
	}
	for _, name := range spellings(referenceFields) {
		reference := newKeyword()
		reference.IncludeInAll = false
		dm.AddFieldMappingsAt(name, reference, newNumber())
	}
	for _, name := range spellings(groupFields) {
		dm.AddFieldMappingsAt(name, newKeyword(), newNumber())
		for key := range strings.FieldsSeq(groupKeys) {
			dm.Properties[name].AddFieldMappingsAt(key, newKeyword(), newNumber())
		}
	}
	for _, name := range spellings(numberFields) {
		number := newNumber()
		number.DocValues = true
		dm.AddFieldMappingsAt(name, number, newText("")) // "on request" is text
	}
}

const textType = "text"

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

// newText maps text in which phrases are found, with the analyzer of that name, or the mapping's default for an empty one.
func newText(analyzer string) *mapping.FieldMapping {
	return &mapping.FieldMapping{Type: textType, Analyzer: analyzer, Index: true, IncludeTermVectors: true, IncludeInAll: true}
}

// newKeyword maps text that matches as a whole, and can be sorted and faceted by. The term vectors make brand:"Hewlett Packard" match,
// which bleve takes for a phrase.
func newKeyword() *mapping.FieldMapping {
	return &mapping.FieldMapping{Type: textType, Analyzer: keyword.Name, Index: true, IncludeTermVectors: true, IncludeInAll: true, DocValues: true}
}

func newNumber() *mapping.FieldMapping {
	return &mapping.FieldMapping{Type: "number", Index: true}
}
