package analyzers

import (
	"bytes"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/registry"
)

const (
	// Words is the name of the analyzer of text in any language.
	Words = "product-words"

	// Keyword is the name of the analyzer that turns a whole value into one folded term.
	Keyword = "product-keyword"

	// Synonyms is the name of the analyzer of synonyms, which joins the terms of Words by spaces into one term.
	Synonyms = "product-synonyms"

	prefix = "product-"
)

// For returns the name of the analyzer of a language. The tag must be one that [Language] returns.
func For(tag string) string { return prefix + "language-" + tag }

// shared builds each analyzer once per process, since analyzers have no state. bleve would build one for each mapping,
// and each open index has a mapping of its own. The analyzers of all languages take 30 ms and 6 MB, most of it for the
// stems of Polish.
var shared = registry.NewCache()

// words is the analyzer named Words.
var words = &analysis.DefaultAnalyzer{
	Tokenizer:    newTokenizer(),
	TokenFilters: []analysis.TokenFilter{folding{stem: true}},
}

func init() { //nolint:gochecknoinits // the way in which bleve's analyzers become known by name
	register(Words, func() (analysis.Analyzer, error) { return words, nil })
	register(Keyword, func() (analysis.Analyzer, error) { return keyword{}, nil })
	register(Synonyms, func() (analysis.Analyzer, error) { return synonyms{}, nil })
	former := map[string]bool{}
	for tag, l := range languages {
		register(For(tag), func() (analysis.Analyzer, error) { return shared.AnalyzerNamed(inner(tag)) })
		mustRegister(
			inner(tag),
			func(_ map[string]any, cache *registry.Cache) (analysis.Analyzer, error) { return newLanguage(l, cache) },
		)
		// Earlier releases have built indexes with bleve's own analyzer under this name.
		if l.bleve != "" && !former[l.bleve] {
			former[l.bleve] = true
			register(prefix+l.bleve, func() (analysis.Analyzer, error) { return shared.AnalyzerNamed(l.bleve) })
		}
	}
}

// inner returns the name of an analyzer in the shared cache.
func inner(tag string) string { return For(tag) + "-shared" }

func register(name string, get func() (analysis.Analyzer, error)) {
	mustRegister(name, func(map[string]any, *registry.Cache) (analysis.Analyzer, error) { return get() })
}

func mustRegister(name string, constructor registry.AnalyzerConstructor) {
	if err := registry.RegisterAnalyzer(name, constructor); err != nil {
		panic(err) //nolint:forbidigo // the name is taken: as in bleve's own packages
	}
}

// keyword is the analyzer named Keyword.
type keyword struct{}

func (keyword) Analyze(value []byte) analysis.TokenStream {
	return analysis.TokenStream{
		{Term: []byte(Fold(string(value))), End: len(value), Position: 1, Type: analysis.AlphaNumeric},
	}
}

// synonyms is the analyzer named Synonyms.
type synonyms struct{}

func (synonyms) Analyze(value []byte) analysis.TokenStream {
	end := len(value)
	var terms [][]byte
	position := 0
	for _, token := range words.Analyze(value) {
		if token.Position > position {
			terms = append(terms, token.Term)
		}
		position = token.Position
	}
	if len(terms) == 0 {
		return nil
	}
	return analysis.TokenStream{{Term: bytes.Join(terms, []byte(" ")), End: end, Position: 1, Type: analysis.AlphaNumeric}}
}

// Common reports whether a lower-case word is so frequent in a language that it hardly describes a product. An empty
// tag means English.
func Common(tag, word string) bool {
	if tag == "" {
		tag = "en"
	}
	list := languages[tag].words
	if list == "" {
		return false
	}
	all, err := shared.TokenMapNamed(list)
	return err == nil && all[word]
}
