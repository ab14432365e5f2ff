package analyzers

import (
	"bytes"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
)

// czechEnds are the folded case endings of Czech nouns and adjectives.
var czechEnds = []string{
	"atech", "ovych", "etem", "atum", "ich", "iho", "emi", "emu", "ete", "eti", "imu", "ech", "ach", "ata", "aty", "ych",
	"ama", "ami", "ove", "ovi",
	"ymi", "eho", "em", "es", "im", "um", "at", "am", "os", "us", "ym", "mi", "ou", "ej", "a", "e", "i", "o", "u", "y",
}

// suffixes removes the first of its endings that a word has, if the rest is long enough. Words must be folded.
type suffixes []string

func (s suffixes) Filter(input analysis.TokenStream) analysis.TokenStream {
	for _, token := range input {
		for _, end := range s {
			if rest, ok := bytes.CutSuffix(token.Term, []byte(end)); ok && utf8.RuneCount(rest) >= minStem {
				token.Term = rest
				break
			}
		}
	}
	return input
}
