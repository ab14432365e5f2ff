package bleveindex

import (
	"slices"
	"strings"
)

type thesaurusKey struct{}

// thesaurus has the synonyms of terms, all as the analyzer of synonyms makes them.
type thesaurus map[string][]string

// maxSynonymWords is how many words a synonym can have.
const maxSynonymWords = 3

// expandSynonyms adds the synonyms of words, and of up to three together.
func (x *expansion) expandSynonyms() error {
	if len(x.synonyms) == 0 {
		return nil
	}
	for i := range x.words {
		for n := 1; n <= maxSynonymWords && i+n <= len(x.words); n++ {
			terms := make([]string, n)
			for j, w := range x.words[i : i+n] {
				terms[j] = w.terms[0]
			}
			for _, synonym := range x.synonyms[strings.Join(terms, " ")] {
				if err := x.addSynonym(x.words[i:i+n], synonym); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// addSynonym adds a synonym of several words to each of them: a product that has it has them all.
func (x *expansion) addSynonym(words []*word, synonym string) error {
	phrase := strings.Fields(synonym)
	for _, term := range phrase {
		if n, err := x.countAll(term); n == 0 || err != nil {
			return err
		}
	}
	for _, w := range words {
		w.ways = append(w.ways, way{phrase: slices.Clone(phrase), weight: 0.9})
	}
	words[0].said.Synonyms = append(words[0].said.Synonyms, synonym)
	return nil
}
