package analyzers

import (
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	unicodewords "github.com/blevesearch/bleve/v2/analysis/tokenizer/unicode"
)

// tokenizer finds the words of a cleaned text.
type tokenizer struct{ words analysis.Tokenizer }

func newTokenizer() tokenizer { return tokenizer{unicodewords.NewUnicodeTokenizer()} }

// Tokenize returns the words with their positions in the input.
func (t tokenizer) Tokenize(input []byte) analysis.TokenStream {
	text, spans := clean(input)
	var tokens analysis.TokenStream
	if hasUnspaced(text) {
		tokens = t.runs(text)
	} else {
		tokens = t.words.Tokenize(text)
	}
	tokens = joinUUIDs(tokens, text)
	if spans == nil {
		return tokens
	}
	for _, found := range tokens {
		if found.Start < found.End {
			found.Start, found.End = int(spans[found.Start].start), int(spans[found.End-1].end)
		}
	}
	return tokens
}

// unspaced are the scripts that are written without spaces between words.
var unspaced = []*unicode.RangeTable{
	unicode.Han,
	unicode.Hiragana,
	unicode.Katakana,
	unicode.Thai,
	unicode.Lao,
	unicode.Khmer,
	unicode.Myanmar,
}

func isUnspaced(r rune) bool {
	return r >= 0xe00 &&
		(unicode.In(r, unspaced...) && !unicode.IsDigit(r) || r == '\u30fc') // the prolonged sound mark of several scripts
}

func hasUnspaced(text []byte) bool {
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if isUnspaced(r) {
			return true
		}
		i += size
	}
	return false
}

// runs returns the words in scripts with spaces, and pairs of characters in the other scripts.
func (t tokenizer) runs(text []byte) analysis.TokenStream {
	var tokens analysis.TokenStream
	position := 0
	for start := 0; start < len(text); {
		first, _ := utf8.DecodeRune(text[start:])
		kind, end := isUnspaced(first), start
		for end < len(text) {
			r, size := utf8.DecodeRune(text[end:])
			if isUnspaced(r) != kind {
				break
			}
			end += size
		}
		found := t.words.Tokenize(text[start:end])
		if kind {
			found = pairs(text[start:end])
		}
		for _, token := range found {
			token.Start += start
			token.End += start
			token.Position += position
		}
		if len(found) > 0 {
			position = found[len(found)-1].Position
		}
		tokens = append(tokens, found...)
		start = end
	}
	return tokens
}

// pairs returns all pairs of adjacent characters with their marks, or the only character.
func pairs(text []byte) analysis.TokenStream {
	var starts []int
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if len(starts) == 0 || !unicode.IsMark(r) {
			starts = append(starts, i)
		}
		i += size
	}
	starts = append(starts, len(text))
	var tokens analysis.TokenStream
	for i := range max(1, len(starts)-2) {
		end := starts[min(i+2, len(starts)-1)]
		tokens = append(tokens, &analysis.Token{
			Start: starts[i], End: end, Term: text[starts[i]:end:end], Position: i + 1, Type: analysis.Double,
		})
	}
	return tokens
}

// uuidParts holds the lengths of the parts of a UUID.
var uuidParts = [...]int{8, 4, 4, 4, 12}

// joinUUIDs joins the parts of a UUID into one word, since nobody searches for a part.
func joinUUIDs(tokens analysis.TokenStream, text []byte) analysis.TokenStream {
	if len(tokens) < len(uuidParts) {
		return tokens
	}
	kept := tokens[:0:len(tokens)]
	joined := 0
	for i := 0; i < len(tokens); i++ {
		token := tokens[i]
		token.Position -= joined
		if last := i + len(uuidParts) - 1; token.End-token.Start == uuidParts[0] && last < len(tokens) &&
			tokens[last].End-token.Start == uuidSize && isUUID(text[token.Start:tokens[last].End]) {
			token.End = tokens[last].End
			token.Term = text[token.Start:token.End:token.End]
			joined += len(uuidParts) - 1
			i = last
		}
		kept = append(kept, token)
	}
	return kept
}

const uuidSize = 36

// IsUUID reports whether a value is a UUID in the usual form with hyphens.
func IsUUID(value string) bool { return len(value) == uuidSize && isUUID([]byte(value)) }

func isUUID(text []byte) bool {
	for i, b := range text {
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		hex := b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'f'
		if hyphen != (b == '-') || !hyphen && !hex {
			return false
		}
	}
	return len(text) == uuidSize
}
