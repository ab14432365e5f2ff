package bleveindex

import (
	"github.com/blevesearch/bleve/v2/analysis"
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
	"github.com/blevesearch/bleve/v2/registry"
)

// languages are bleve's analyzers by the tag of the language.
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

// sharedPrefix begins the names of analyzers that exist once in the process.
const sharedPrefix = "product-"

// An analyzer that bleve makes belongs to one mapping, and every index that is opened reads a mapping of its own: 30 ms and 6 MB for all
// languages, most of it for the stems of Polish. Analyzers have no state, so that all mappings can share those of one cache.
var sharedAnalyzers = registry.NewCache()

func init() { //nolint:gochecknoinits // the way in which bleve's analyzers become known by name
	registered := map[string]bool{}
	for _, name := range languages {
		if registered[name] {
			continue
		}
		registered[name] = true
		shared := func(map[string]any, *registry.Cache) (analysis.Analyzer, error) {
			return sharedAnalyzers.AnalyzerNamed(name)
		}
		if err := registry.RegisterAnalyzer(sharedPrefix+name, shared); err != nil {
			panic(err) //nolint:forbidigo // the name is taken: as in bleve's own packages
		}
	}
}
