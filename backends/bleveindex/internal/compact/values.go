package compact

import (
	"bytes"
	"hash/maphash"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/numeric"
	index "github.com/blevesearch/bleve_index_api"
)

// values caches the tokens and terms of recently added values. Most products of a catalogue share their brands, colors
// and sizes with others.
type values struct {
	texts, numbers [maxValues]*value // by hash
}

const (
	// maxValues bounds the memory of the cache. A value needs 1 to 3 KB.
	maxValues = 1024

	// maxText is the length of the longest text in the cache, in bytes.
	maxText = 48
)

var seed = maphash.MakeSeed()

// value is a cached value with its analyzer, its tokens and its terms.
type value struct {
	text     string
	analyzer *analysis.DefaultAnalyzer // nil for a number
	number   int64
	options  index.FieldIndexingOptions

	tokens []token
	terms  index.TokenFrequencies
}

// termOptions are the options on which terms depend.
const termOptions = index.IncludeTermVectors | index.SkipFreqNorm

// text returns the tokens of a text. It also returns the cached value, which is nil if the text was not added recently.
func (b *Buffer) text(
	text string, analyzer analysis.Analyzer, options index.FieldIndexingOptions,
) ([]token, *value) {
	words, ok := analyzer.(*analysis.DefaultAnalyzer)
	if !ok {
		return b.tokenize(text, analyzer, b.tokens.take), nil
	}
	if last := &b.lastText; last.analyzer == words && last.text == text { // the same text again, for _all
		return last.tokens, nil
	}
	tokens, known := b.keptText(text, words, options&termOptions)
	b.lastText = value{text: text, analyzer: words, tokens: tokens}
	return tokens, known
}

func (b *Buffer) keptText(
	text string, words *analysis.DefaultAnalyzer, options index.FieldIndexingOptions,
) ([]token, *value) {
	if len(text) > maxText {
		return b.tokenize(text, words, b.tokens.take), nil
	}
	slot := &b.values.texts[(maphash.String(seed, text)+uint64(options))%maxValues]
	if known := *slot; known != nil && known.text == text && known.analyzer == words && known.options == options {
		return known.tokens, known
	}
	tokens := b.tokenize(text, words, func(n int) []token { return make([]token, n) })
	*slot = &value{text: text, analyzer: words, options: options, tokens: tokens}
	return tokens, nil
}

// number returns the tokens of a number or a date in bleve's encoding. It also returns the cached value, which is nil
// if the number was not added recently.
func (b *Buffer) number(number int64, options index.FieldIndexingOptions) ([]token, *value) {
	options &= termOptions
	slot := &b.values.numbers[(maphash.Comparable(seed, number)+uint64(options))%maxValues]
	if known := *slot; known != nil && known.number == number && known.options == options {
		return known.tokens, known
	}
	*slot = &value{number: number, options: options, tokens: numberTokens(number)}
	return (*slot).tokens, nil
}

// value is like text and number, but takes the value from one of bleve's fields.
func (b *Buffer) value(f document.Field, options index.FieldIndexingOptions) ([]token, *value) {
	switch f := f.(type) {
	case *document.TextField:
		return b.text(string(f.Value()), f.Analyzer(), options)
	case *document.NumericField:
		if number, err := numeric.PrefixCoded(f.Value()).Int64(); err == nil {
			return b.number(number, options)
		}
	case *document.DateTimeField:
		date, _, _ := bytes.Cut(f.Value(), []byte{0xff}) // the layout follows
		if number, err := numeric.PrefixCoded(date).Int64(); err == nil {
			return b.number(number, options)
		}
	}
	return b.tokenize(string(f.Value()), nil, b.tokens.take), nil
}

// shared returns the terms of a field that has only this value. All such fields share these terms, which must not be
// changed.
func (v *value) shared() index.TokenFrequencies {
	if v.terms != nil {
		return v.terms
	}
	frequency := 1
	if v.options.SkipFreqNorm() {
		frequency = 0
	}
	v.terms = make(index.TokenFrequencies, len(v.tokens))
	frequencies := make([]index.TokenFreq, len(v.tokens))
	for i, t := range v.tokens {
		of := v.terms[t.term]
		if of == nil {
			of = &frequencies[i]
			v.terms[t.term] = of
		}
		of.SetFrequency(of.Frequency() + frequency)
		if v.options.IncludeTermVectors() {
			of.Locations = append(of.Locations,
				&index.TokenLocation{Start: int(t.start), End: int(t.end), Position: int(t.position)})
		}
	}
	return v.terms
}
