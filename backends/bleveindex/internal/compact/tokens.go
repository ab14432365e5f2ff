package compact

import (
	"strings"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/numeric"
)

// tokenize returns the tokens of a text, in memory of take. Their terms are parts of one string. If the analyzer is
// nil, the whole text is one token.
func (b *Buffer) tokenize(text string, analyzer analysis.Analyzer, take func(n int) []token) []token {
	if analyzer == nil {
		tokens := take(1)
		tokens[0] = newToken(text)
		return tokens
	}
	b.analyzed = append(b.analyzed[:0], text...) // analyzers modify their input
	stream := analyzer.Analyze(b.analyzed)
	size := 0
	for _, found := range stream {
		size += len(found.Term)
	}
	var terms strings.Builder
	terms.Grow(size)
	for _, found := range stream {
		terms.Write(found.Term)
	}
	rest := terms.String()
	tokens := take(len(stream))
	for i, found := range stream {
		n := len(found.Term)
		start, end, position := int32(found.Start), int32(found.End), int32(found.Position) //nolint:gosec // below 2 GiB
		tokens[i] = token{rest[:n], start, end, position}
		rest = rest[n:]
	}
	return tokens
}

// newToken returns the token of a whole value.
func newToken(term string) token {
	return token{term: term, end: int32(len(term)), position: 1} //nolint:gosec // as above
}

// numberTokens returns the tokens of a number in bleve's encoding for range queries: the number, and its prefixes of
// decreasing precision.
func numberTokens(number int64) []token {
	const (
		step = document.DefaultPrecisionStep
		most = 64 / step
		size = 11 // the first token is the longest
	)
	terms, ends := make([]byte, 0, most*size), make([]int, 0, most)
	for shift := uint(0); shift < 64; shift += step {
		term, err := numeric.NewPrefixCodedInt64(number, shift)
		if err != nil {
			break
		}
		terms = append(terms, term...)
		ends = append(ends, len(terms))
	}
	all, start := string(terms), 0
	tokens := make([]token, len(ends))
	for i, end := range ends {
		tokens[i] = newToken(all[start:end])
		start = end
	}
	return tokens
}
