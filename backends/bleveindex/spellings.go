package bleveindex

import (
	"slices"
	"strings"
	"unicode"

	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/searcher"
)

// withoutDigraphs returns the word with ae, oe and ue replaced by a, o and u, if that changes it.
func withoutDigraphs(term string) []string {
	other := strings.NewReplacer("ae", "a", "oe", "o", "ue", "u").Replace(term)
	if other == term {
		return nil
	}
	return []string{other}
}

// otherDecimal returns a number with a decimal comma instead of the point, or the reverse.
func otherDecimal(term string) []string {
	at := strings.IndexAny(term, ".,")
	if at < 1 || at == len(term)-1 || strings.Trim(term[:at]+term[at+1:], "0123456789") != "" {
		return nil
	}
	other := byte(',')
	if term[at] == ',' {
		other = '.'
	}
	return []string{term[:at] + string(other) + term[at+1:]}
}

// split adds the phrases that a word becomes with a space in it: between letters and digits, or, if no product has the
// word, anywhere. So nhd15 finds NH-D15, and gpp450b finds GP-P450B.
func (x *expansion) split(w *word, known bool) error {
	letters := []rune(strings.ToLower(w.text))
	if len(letters) > maxWord {
		return nil
	}
	cuts := cutsOf(letters, known)
	for _, parts := range cuts {
		phrase, err := x.phraseOf(parts)
		if phrase != nil && !known {
			var occurs bool
			if occurs, err = x.occurs(phrase); !occurs {
				phrase = nil
			}
		}
		if err != nil {
			return err
		}
		if phrase != nil {
			w.ways = append(w.ways, way{phrase: phrase, weight: 0.8})
		}
	}
	return nil
}

// cutsOf returns the parts into which a word may be split.
func cutsOf(letters []rune, known bool) (cuts [][]string) {
	parts := splitDigits(letters)
	if len(parts) > 1 {
		cuts = append(cuts, parts)
		for i, part := range parts {
			for _, other := range otherDecimal(part) {
				cuts = append(cuts, slices.Replace(slices.Clone(parts), i, i+1, other))
			}
		}
	}
	if known {
		return cuts
	}
	for at := 1; at < len(letters) && len(letters) > 3; at++ {
		// Only a code may end in a single letter: z790a is Z790-A.
		if at == len(letters)-1 && len(parts) == 1 {
			break
		}
		if two := []string{string(letters[:at]), string(letters[at:])}; !slices.Equal(two, parts) {
			cuts = append(cuts, two)
		}
	}
	return cuts
}

// occurs reports whether a product has the terms next to each other.
func (x *expansion) occurs(phrase []string) (found bool, err error) {
	s, err := searcher.NewPhraseSearcher(
		x.ctx, x.reader, phrase, 0, false, allName, 1, search.SearcherOptions{Score: unscored},
	)
	if err != nil {
		return false, err
	}
	n, err := matches(s, x.reader, 1)
	return n > 0, err
}

// splitDigits cuts a word between letters and numbers.
func splitDigits(letters []rune) (parts []string) {
	start := 0
	for i := 1; i < len(letters); i++ {
		if isOfNumber(letters, i) != isOfNumber(letters, i-1) {
			parts = append(parts, string(letters[start:i]))
			start = i
		}
	}
	return append(parts, string(letters[start:]))
}

// isOfNumber reports whether letters[i] is a digit, or a point or comma between two digits.
func isOfNumber(letters []rune, i int) bool {
	if letters[i] == '.' || letters[i] == ',' {
		return i > 0 && i+1 < len(letters) && unicode.IsDigit(letters[i-1]) && unicode.IsDigit(letters[i+1])
	}
	return unicode.IsDigit(letters[i])
}

// phraseOf returns the terms of the words, or nil if one of the terms is in no product.
func (x *expansion) phraseOf(words []string) ([]string, error) {
	var phrase []string
	for _, part := range words {
		tokens := x.all.Analyze([]byte(part))
		if len(tokens) == 0 {
			return nil, nil
		}
		term := string(tokens[0].Term)
		if n, err := x.countAll(term); n == 0 || err != nil {
			return nil, err
		}
		phrase = append(phrase, term)
	}
	return phrase, nil
}
