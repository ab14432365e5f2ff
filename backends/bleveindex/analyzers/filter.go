package analyzers

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	"golang.org/x/text/unicode/norm"
)

// folding folds words, and also stems them lightly if stem is set.
type folding struct{ stem bool }

// Filter returns the folded words. An ambiguous word becomes two words at the same position: L'Oréal is oreal and
// loreal, 10,000 is also 10000.
func (f folding) Filter(input analysis.TokenStream) analysis.TokenStream {
	var more analysis.TokenStream // additional terms, in the order of their positions
	for _, token := range input {
		if other := f.fold(token); other != nil {
			more = append(more, other)
		}
	}
	if more == nil {
		return input
	}
	all := make(analysis.TokenStream, 0, len(input)+len(more))
	for _, token := range input {
		all = append(all, token)
		for len(more) > 0 && more[0].Position == token.Position {
			all = append(all, more[0])
			more = more[1:]
		}
	}
	return all
}

// fold returns the folded word, and a second reading of it or nil.
func (f folding) fold(token *analysis.Token) (other *analysis.Token) {
	if f.stem && isCapitalPlural(token.Term) {
		token.Term = token.Term[:len(token.Term)-1]
	}
	word, plain := lower(token.Term)
	if !plain {
		word = []byte(foldLetters(norm.NFKC.String(string(token.Term))))
	}
	if joined, rest, ok := withoutApostrophes(word); ok {
		word = joined
		if rest != nil {
			second := *token
			second.Term = f.stemmed(rest)
			other = &second
		}
	}
	if joined := withoutGroups(word); joined != nil {
		second := *token
		second.Term = joined
		other = &second
	}
	token.Term = f.stemmed(word)
	return other
}

// withoutGroups returns the digits of a number with separated thousands such as 10,000, or nil for other words.
func withoutGroups(word []byte) []byte {
	if len(word) < len("1,000") || bytes.IndexByte(word, ',') < 0 {
		return nil
	}
	groups := bytes.Split(word, []byte(","))
	for i, group := range groups {
		whole := len(group) == 3 || i == 0 && (len(group) == 1 || len(group) == 2)
		if !whole || len(bytes.Trim(group, "0123456789")) > 0 {
			return nil
		}
	}
	return bytes.Join(groups, nil)
}

// isCapitalPlural reports whether a word is the plural of an abbreviation in capitals, such as TVs.
func isCapitalPlural(word []byte) bool {
	last := len(word) - 1
	if last < 2 || word[last] != 's' {
		return false
	}
	for _, b := range word[:last] {
		if b < 'A' || b > 'Z' {
			return false
		}
	}
	return true
}

func (f folding) stemmed(word []byte) []byte {
	if !f.stem {
		return word
	}
	return stem(word)
}

// lower returns an ASCII word in lower case. It reports false for other words.
func lower(word []byte) ([]byte, bool) {
	for i, b := range word {
		if b >= utf8.RuneSelf {
			return word, false
		}
		if b >= 'A' && b <= 'Z' {
			word[i] = b | 0x20
		}
	}
	return word, true
}

const apostrophes = "'\u2018\u2019\u02bc"

// elided are the words of French and Italian that are shortened before an apostrophe.
const elided = " l d j m t s n c qu dell all nell sull dall un "

// withoutApostrophes returns a word without its apostrophes, and the part after an elided word or nil.
func withoutApostrophes(word []byte) (joined, rest []byte, ok bool) {
	at := bytes.IndexAny(word, apostrophes)
	if at < 0 {
		return nil, nil, false
	}
	_, size := utf8.DecodeRune(word[at:])
	before, after := word[:at], bytes.Map(withoutApostrophe, word[at+size:])
	if len(after) > 2 && len(before) > 0 && strings.Contains(elided, " "+string(before)+" ") {
		rest = bytes.Clone(after)
	}
	return append(bytes.Clone(before), after...), rest, true
}

// withoutApostrophe returns -1, which removes the letter, for an apostrophe, and any other letter unchanged.
func withoutApostrophe(r rune) rune {
	if strings.ContainsRune(apostrophes, r) {
		return -1
	}
	return r
}
