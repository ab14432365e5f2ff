package analyzers

import (
	"slices"
	"strings"
	"unicode"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/analysis/lang/ar"
	"github.com/blevesearch/bleve/v2/analysis/lang/bg"
	"github.com/blevesearch/bleve/v2/analysis/lang/ca"
	"github.com/blevesearch/bleve/v2/analysis/lang/cjk"
	"github.com/blevesearch/bleve/v2/analysis/lang/ckb"
	"github.com/blevesearch/bleve/v2/analysis/lang/cs"
	"github.com/blevesearch/bleve/v2/analysis/lang/da"
	"github.com/blevesearch/bleve/v2/analysis/lang/de"
	"github.com/blevesearch/bleve/v2/analysis/lang/el"
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
	"github.com/blevesearch/bleve/v2/analysis/token/stop"
	"github.com/blevesearch/bleve/v2/registry"
)

// language holds the stemmer and the list of frequent words of a language.
type language struct {
	bleve string // the name of bleve's analyzer; empty: it has none
	words string // the name of bleve's list of frequent words; empty: it has none
	ends  suffixes
}

// languages holds the languages by tag. Czech and Slovak words lose their case endings. Bulgarian, Greek and Ukrainian
// are stemmed like any text in their scripts. Thai has no endings, and is split into pairs of characters.
var languages = map[string]language{
	"ar": {bleve: ar.AnalyzerName, words: ar.StopName}, "bg": {words: bg.StopName}, "ca": {words: ca.StopName},
	"ckb": {bleve: ckb.AnalyzerName, words: ckb.StopName}, "cs": {words: cs.StopName, ends: czechEnds},
	"da": {bleve: da.AnalyzerName, words: da.StopName}, "de": {bleve: de.AnalyzerName, words: de.StopName},
	"el": {words: el.StopName}, "en": {bleve: en.AnalyzerName, words: en.StopName},
	"es": {bleve: es.AnalyzerName, words: es.StopName}, "fa": {bleve: fa.AnalyzerName, words: fa.StopName},
	"fi": {bleve: fi.AnalyzerName, words: fi.StopName}, "fr": {bleve: fr.AnalyzerName, words: fr.StopName},
	"hi": {bleve: hi.AnalyzerName, words: hi.StopName}, "hr": {bleve: hr.AnalyzerName, words: hr.StopName},
	"hu": {bleve: hu.AnalyzerName, words: hu.StopName}, "it": {bleve: it.AnalyzerName, words: it.StopName},
	"ja": {bleve: cjk.AnalyzerName}, "ko": {bleve: cjk.AnalyzerName}, "zh": {bleve: cjk.AnalyzerName},
	"nb": {bleve: no.AnalyzerName, words: no.StopName}, "nn": {bleve: no.AnalyzerName, words: no.StopName},
	"no": {bleve: no.AnalyzerName, words: no.StopName}, "nl": {bleve: nl.AnalyzerName, words: nl.StopName},
	"pl": {bleve: pl.AnalyzerName, words: pl.StopName}, "pt": {bleve: pt.AnalyzerName, words: pt.StopName},
	"ro": {bleve: ro.AnalyzerName, words: ro.StopName}, "ru": {bleve: ru.AnalyzerName, words: ru.StopName},
	"sk": {ends: czechEnds}, "sv": {bleve: sv.AnalyzerName, words: sv.StopName}, "th": {},
	"tr": {bleve: tr.AnalyzerName, words: tr.StopName}, "uk": {},
}

// Tags returns the sorted tags of the languages that have an analyzer of their own.
func Tags() []string {
	tags := make([]string, 0, len(languages))
	for tag := range languages {
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	return tags
}

// Language returns the tag among [Tags] for a language tag such as de, de-AT, zh_Hans_CN or DE. It reports false if
// there is none.
func Language(tag string) (string, bool) {
	end := strings.IndexAny(tag, "-_")
	if end < 0 {
		end = len(tag)
	}
	if end > len("ckb") {
		return "", false
	}
	tag = strings.ToLower(tag[:end])
	_, ok := languages[tag]
	return tag, ok
}

// newLanguage returns the analyzer of a language. It is bleve's analyzer without its stop words, with the tokenizer and
// the folding of this package.
func newLanguage(l language, cache *registry.Cache) (analysis.Analyzer, error) {
	a := &analysis.DefaultAnalyzer{Tokenizer: newTokenizer()}
	if l.bleve == "" {
		a.TokenFilters = []analysis.TokenFilter{folding{stem: l.ends == nil}}
		if l.ends != nil {
			a.TokenFilters = append(a.TokenFilters, l.ends)
		}
		return a, nil
	}
	theirs, err := cache.AnalyzerNamed(l.bleve)
	if err != nil {
		return nil, err
	}
	parts, ok := theirs.(*analysis.DefaultAnalyzer)
	if !ok {
		return theirs, nil
	}
	a.CharFilters = parts.CharFilters
	a.TokenFilters = append(
		a.TokenFilters,
		letterCase{turkish: l.bleve == tr.AnalyzerName, romanian: l.bleve == ro.AnalyzerName},
	)
	for _, filter := range parts.TokenFilters {
		if _, ok := filter.(*stop.StopTokensFilter); ok {
			continue
		}
		if l.bleve != cjk.AnalyzerName {
			filter = stemming{filter}
		}
		a.TokenFilters = append(a.TokenFilters, filter)
	}
	a.TokenFilters = append(a.TokenFilters, folding{})
	if l.bleve == cjk.AnalyzerName {
		a.Tokenizer = parts.Tokenizer // a token filter builds the pairs
		return cleaning{a}, nil
	}
	return a, nil
}

// maxStemmed is the length of the longest word that is stemmed, in bytes. Some of bleve's stemmers need seconds for a
// word of 40 KB.
const maxStemmed = 256

// stemming is one of bleve's token filters, restricted to words of up to maxStemmed bytes.
type stemming struct{ words analysis.TokenFilter }

func (s stemming) Filter(input analysis.TokenStream) analysis.TokenStream {
	isLong := func(token *analysis.Token) bool { return len(token.Term) > maxStemmed }
	if !slices.ContainsFunc(input, isLong) {
		return s.words.Filter(input)
	}
	all := make(analysis.TokenStream, 0, len(input))
	for len(input) > 0 {
		if n := slices.IndexFunc(input, isLong); n != 0 {
			if n < 0 {
				n = len(input)
			}
			all, input = append(all, s.words.Filter(input[:n:n])...), input[n:]
			continue
		}
		all, input = append(all, input[0]), input[1:]
	}
	return all
}

// cleaning cleans a text before the whole analyzer, whose character filters would otherwise shift the positions of
// words.
type cleaning struct{ words *analysis.DefaultAnalyzer }

func (c cleaning) Analyze(input []byte) analysis.TokenStream {
	text, spans := clean(input)
	tokens := c.words.Analyze(text)
	for _, found := range tokens {
		if end := min(found.End, len(spans)); found.Start < end {
			found.Start, found.End = int(spans[found.Start].start), int(spans[end-1].end)
		}
	}
	return tokens
}

// letterCase converts words to lower case by the rules of their language, and to the letters that the stemmer expects.
type letterCase struct{ turkish, romanian bool }

func (c letterCase) Filter(input analysis.TokenStream) analysis.TokenStream {
	for _, token := range input {
		if word, plain := lower(token.Term); plain && !c.turkish {
			token.Term = word
			continue
		}
		token.Term = []byte(c.lower(string(token.Term)))
	}
	return input
}

func (c letterCase) lower(word string) string {
	if c.turkish {
		return strings.ToLowerSpecial(unicode.TurkishCase, word)
	}
	word = strings.ToLower(word)
	if c.romanian {
		word = strings.NewReplacer("ș", "ş", "ț", "ţ").Replace(word)
	}
	return word
}
