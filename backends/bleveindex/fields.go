package bleveindex

import (
	"strings"

	"github.com/blevesearch/bleve/v2/analysis/analyzer/keyword"
	"github.com/blevesearch/bleve/v2/analysis/lang/ar"
	"github.com/blevesearch/bleve/v2/analysis/lang/cjk"
	"github.com/blevesearch/bleve/v2/analysis/lang/ckb"
	"github.com/blevesearch/bleve/v2/analysis/lang/da"
	"github.com/blevesearch/bleve/v2/analysis/lang/de"
	"github.com/blevesearch/bleve/v2/analysis/lang/en"
	"github.com/blevesearch/bleve/v2/analysis/lang/es"
	"github.com/blevesearch/bleve/v2/analysis/lang/fa"
	"github.com/blevesearch/bleve/v2/analysis/lang/fi"
	"github.com/blevesearch/bleve/v2/analysis/lang/fr"
	"github.com/blevesearch/bleve/v2/analysis/lang/hi"
	"github.com/blevesearch/bleve/v2/analysis/lang/hr"
	"github.com/blevesearch/bleve/v2/analysis/lang/hu"
	"github.com/blevesearch/bleve/v2/analysis/lang/it"
	"github.com/blevesearch/bleve/v2/analysis/lang/nl"
	"github.com/blevesearch/bleve/v2/analysis/lang/no"
	"github.com/blevesearch/bleve/v2/analysis/lang/pl"
	"github.com/blevesearch/bleve/v2/analysis/lang/pt"
	"github.com/blevesearch/bleve/v2/analysis/lang/ro"
	"github.com/blevesearch/bleve/v2/analysis/lang/ru"
	"github.com/blevesearch/bleve/v2/analysis/lang/sv"
	"github.com/blevesearch/bleve/v2/analysis/lang/tr"
	"github.com/blevesearch/bleve/v2/mapping"
)

// The fields of products that the default mapping knows by name. Each exists in the spellings that spellings makes of it.
const (
	textFields = "name title description shortDescription longDescription summary"

	codeFields = "id code sku ean gtin upc mpn isbn asin barcode productCode productNumber articleNumber itemNumber partNumber" +
		" parentId parentVariantId brandId categoryId categoryIds supplierId vendorId"

	// Values that many products share. Where they are objects, the fields of groupKeys in them are keywords.
	groupFields = "brand category categories tag tags label labels manufacturer vendor supplier productType type status condition" +
		" currency color gender availability"
	groupKeys = "id code key slug"

	numberFields = "price originalPrice salePrice listPrice amount stock currentStock quantity rating popularity position"
)

// languages are the analyzers of languages by their tags.
var languages = map[string]string{
	"ar":  ar.AnalyzerName,
	"ckb": ckb.AnalyzerName,
	"da":  da.AnalyzerName,
	"de":  de.AnalyzerName,
	"en":  en.AnalyzerName,
	"es":  es.AnalyzerName,
	"fa":  fa.AnalyzerName,
	"fi":  fi.AnalyzerName,
	"fr":  fr.AnalyzerName,
	"hi":  hi.AnalyzerName,
	"hr":  hr.AnalyzerName,
	"hu":  hu.AnalyzerName,
	"it":  it.AnalyzerName,
	"ja":  cjk.AnalyzerName,
	"ko":  cjk.AnalyzerName,
	"nb":  no.AnalyzerName,
	"nl":  nl.AnalyzerName,
	"nn":  no.AnalyzerName,
	"no":  no.AnalyzerName,
	"pl":  pl.AnalyzerName,
	"pt":  pt.AnalyzerName,
	"ro":  ro.AnalyzerName,
	"ru":  ru.AnalyzerName,
	"sv":  sv.AnalyzerName,
	"tr":  tr.AnalyzerName,
	"zh":  cjk.AnalyzerName,
}

// addProductFields adds the known fields to a mapping.
func addProductFields(dm *mapping.DocumentMapping) {
	for _, name := range spellings(textFields) {
		text := mapping.NewDocumentMapping()
		text.AddFieldMapping(newText(""))
		for tag, analyzer := range languages {
			text.AddFieldMappingsAt(tag, newText(analyzer))
		}
		dm.AddSubDocumentMapping(name, text)
	}
	for _, name := range spellings(codeFields) {
		dm.AddFieldMappingsAt(name, newKeyword(), newNumber())
	}
	for _, name := range spellings(groupFields) {
		dm.AddFieldMappingsAt(name, newKeyword(), newNumber())
		for _, key := range strings.Fields(groupKeys) {
			dm.Properties[name].AddFieldMappingsAt(key, newKeyword(), newNumber())
		}
	}
	for _, name := range spellings(numberFields) {
		number := newNumber()
		number.DocValues = true
		dm.AddFieldMappingsAt(name, number, newText("")) // "on request" is text
	}
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

// newText maps text in which phrases are found, with the analyzer of that name, or the mapping's default for an empty one.
func newText(analyzer string) *mapping.FieldMapping {
	return &mapping.FieldMapping{Type: "text", Analyzer: analyzer, Index: true, IncludeTermVectors: true, IncludeInAll: true}
}

// newKeyword maps text that matches as a whole, and can be sorted and faceted by. How often it occurs does not count.
func newKeyword() *mapping.FieldMapping {
	return &mapping.FieldMapping{Type: "text", Analyzer: keyword.Name, Index: true, IncludeInAll: true, DocValues: true}
}

func newNumber() *mapping.FieldMapping {
	return &mapping.FieldMapping{Type: "number", Index: true}
}
