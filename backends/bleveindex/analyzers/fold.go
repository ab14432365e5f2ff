package analyzers

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Fold returns the form of a value in which values are compared: in lower case, without accents, in one width and
// encoding, with single spaces.
func Fold(value string) string {
	value = singleSpaces(html.UnescapeString(value))
	if isASCII(value) {
		return strings.ToLower(value)
	}
	return singleSpaces(foldLetters(norm.NFKC.String(value))) // removing a mark can leave two spaces
}

func singleSpaces(s string) string { return strings.Join(strings.Fields(s), " ") }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// letters maps letters to their folded form.
var letters = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'þ': "th", 'ł': "l",
	'ı': "i", 'ħ': "h", 'ŧ': "t", 'ŋ': "n", 'ĸ': "k",
	'ſ': "s", 'ς': "σ", 'ґ': "г", 'ى': "ي", 'ی': "ي", 'ک': "ك", 'ة': "ه", 'ـ': "",
}

// folded are the scripts whose marks are removed.
var folded = []*unicode.RangeTable{unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Hebrew, unicode.Arabic}

// foldLetters folds letters of a text in NFKC.
func foldLetters(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	markless := false // the marks of the current base letter are removed
	for _, r := range s {
		r = unicode.ToLower(r)
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			markless = true
			continue
		}
		if unicode.Is(unicode.Mn, r) {
			if !markless {
				b.WriteRune(r)
			}
			continue
		}
		if to, ok := letters[r]; ok {
			b.WriteString(to)
			markless = true
			continue
		}
		if unicode.IsDigit(r) {
			b.WriteByte('0' + digit(r))
			continue
		}
		markless = unicode.In(r, folded...)
		if markless {
			if parts := norm.NFD.PropertiesString(string(r)).Decomposition(); len(parts) > 0 {
				r, _ = utf8.DecodeRune(parts)
			}
			if to, ok := letters[r]; ok { // ǿ
				b.WriteString(to)
				continue
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}

// digit returns the value of a decimal digit. The digits of a script are consecutive, beginning with 0.
func digit(r rune) (value byte) {
	for value < 9 && unicode.IsDigit(r-1) {
		value++
		r--
	}
	return value
}
