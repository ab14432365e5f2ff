package analyzers

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// singular maps English words that end like plurals to the stem that they share with their own plural.
var singular = map[string]string{
	"lens": "lens", "canvas": "canvas", "atlas": "atlas", "iris": "iris", "christmas": "christmas", "bias": "bias",
	"men": "man", "women": "woman", "children": "child", "feet": "foot", "teeth": "tooth",
	"mice": "mous", "geese": "goos", "knives": "knif",
}

// stem returns the stem that the singular and the plural of a folded word share. It removes only endings that are safe
// to remove in nearly all languages of a script, so words with the same stem have the same meaning. It does not change
// words with digits.
func stem(word []byte) []byte {
	if to, ok := singular[string(word)]; ok {
		return []byte(to)
	}
	if len(word) < 4 {
		return word
	}
	if word[0] >= utf8.RuneSelf {
		return stemOther(word)
	}
	for _, b := range word {
		if b < 'a' || b > 'z' {
			return word
		}
	}
	word = withoutPlural(word)
	if to, ok := singular[string(word)]; ok { // mens
		return []byte(to)
	}
	return ending(word)
}

// withoutPlural removes the plural ending from a word of Latin letters.
func withoutPlural(word []byte) []byte {
	last, before := word[len(word)-1], word[len(word)-2]
	switch {
	case last == 's' && before != 's' && before != 'u':
		return word[:len(word)-1]
	case last == 'x' && before == 'u' && len(word) > 4 && strings.IndexByte("aeo", word[len(word)-3]) >= 0: // bijoux
		return word[:len(word)-1]
	}
	return word
}

// ending maps the endings of singulars and those of plurals without their s to one form: knife and knive, cookie and
// cooky, box and boxe.
func ending(word []byte) []byte {
	n := len(word)
	if n < 4 || word[n-1] != 'e' {
		return word
	}
	switch word[n-2] {
	case 'i':
		return append(word[:n-2:n-2], 'y')
	case 'v':
		return append(word[:n-2:n-2], 'f')
	case 'f', 's', 'x', 'z', 'o':
		return word[:n-1]
	case 'h':
		if word[n-3] == 'c' || word[n-3] == 's' {
			return word[:n-1]
		}
	}
	return word
}

// The folded endings of nouns in the languages with Cyrillic and Greek letters, longest first.
var (
	cyrillicEnds = strings.Fields("иями ями ами ием ией иях иам иеи его ому ими ыми ах ях ам ям ов ев еи ои ии ые ие " +
		"ая яя ое ее" +
		" ую юю ыи ом ем а я ы и і о е у ю ь ъ")
	greekEnds = strings.Fields("ματων ματα ματοσ ουσ εισ εων οισ οσ ησ ασ εσ ων ου οι ια μα α η ι ο ε υ")
)

// minStem is the smallest number of letters of a stem.
const minStem = 3

// stemOther removes the endings of nouns from Cyrillic and Greek words.
func stemOther(word []byte) []byte {
	var ends []string
	switch first, _ := utf8.DecodeRune(word); {
	case unicode.Is(unicode.Cyrillic, first):
		ends = cyrillicEnds
	case unicode.Is(unicode.Greek, first):
		ends = greekEnds
	}
	for _, end := range ends {
		if rest, ok := bytes.CutSuffix(word, []byte(end)); ok && utf8.RuneCount(rest) >= minStem {
			return rest
		}
	}
	return word
}
