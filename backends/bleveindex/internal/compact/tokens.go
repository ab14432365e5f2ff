package compact

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/numeric"
	index "github.com/blevesearch/bleve_index_api"
)

// textTokens returns the tokens of a text, whose terms are all in one string.
func textTokens(t *document.TextField) []token {
	value := t.Value()
	if t.Options().IsStored() {
		value = slices.Clone(value) // analyzers write to what they are given
	}
	analyzer := t.Analyzer()
	if analyzer == nil {
		return []token{newToken(string(value))}
	}
	stream := analyzer.Analyze(value)
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
	tokens := make([]token, len(stream))
	for i, found := range stream {
		n := len(found.Term)
		start, end, position := int32(found.Start), int32(found.End), int32(found.Position) //nolint:gosec // below 2 GiB
		tokens[i] = token{rest[:n], start, end, position}
		rest = rest[n:]
	}
	return tokens
}

// newToken returns the token that a value is as a whole.
func newToken(term string) token {
	return token{term: term, end: int32(len(term)), position: 1} //nolint:gosec // as above
}

// valueTokens returns the tokens of a value that is not a text.
func valueTokens(f document.Field) []token {
	switch f := f.(type) {
	case *document.NumericField:
		return numberTokens(f.Value())
	case *document.DateTimeField:
		date, _, _ := bytes.Cut(f.Value(), []byte{0xff}) // what follows is the layout
		return numberTokens(date)
	default:
		return []token{newToken(string(f.Value()))}
	}
}

// numberTokens returns the tokens of a number in bleve's code, which its range queries look for: the number, and it
// with less and less of its last bits.
func numberTokens(coded numeric.PrefixCoded) []token {
	const (
		step = document.DefaultPrecisionStep
		most = 64 / step
	)
	number, err := coded.Int64()
	if err != nil {
		return []token{newToken(string(coded))}
	}
	terms, ends := make([]byte, 0, most*uint(len(coded))), make([]int, 0, most)
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

// numberKind is a value, and whether its terms have frequencies.
type numberKind struct {
	value     string
	frequency int
}

// Numbers keeps the tokens and terms of the first values of a generation that are not texts. It is safe for
// concurrent use.
type Numbers struct {
	mu    sync.RWMutex
	known map[numberKind]knownNumber
}

type knownNumber struct {
	tokens []token
	terms  index.TokenFrequencies
}

// maxNumbers bounds what a Numbers takes in memory: some 3 KB each.
const maxNumbers = 1000

// of returns the tokens of a value, and the terms if it is known.
func (c *Numbers) of(f document.Field) ([]token, index.TokenFrequencies) {
	kind := numberKind{frequency: 1}
	if f.Options().SkipFreqNorm() {
		kind.frequency = 0
	}
	c.mu.RLock()
	number, ok := c.known[numberKind{string(f.Value()), kind.frequency}]
	full := len(c.known) == maxNumbers
	c.mu.RUnlock()
	switch {
	case ok:
		return number.tokens, number.terms
	case full:
		return valueTokens(f), nil
	}
	kind.value = string(f.Value())
	number = knownNumber{valueTokens(f), index.TokenFrequencies{}}
	for _, t := range number.tokens {
		frequency := &index.TokenFreq{}
		frequency.SetFrequency(kind.frequency)
		number.terms[t.term] = frequency
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = make(map[numberKind]knownNumber)
	}
	if len(c.known) < maxNumbers {
		c.known[kind] = number
	}
	return number.tokens, number.terms
}
