package bleveindex

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/backends/bleveindex/analyzers"
)

const (
	// A word that fewer than rareCount products have may be a misspelling.
	rareCount = 3

	maxCorrections = 3
	maxCompletions = 20
	maxDictionary  = 20_000 // the largest number of words with a prefix that are examined
)

// candidate is a term of _all that may replace a word.
type candidate struct {
	term     string
	count    uint64
	distance uint8
}

// correct adds the terms that are most similar to a word, and records them in the explanation.
func (x *expansion) correct(w *word) error {
	if !w.found() && len(w.text) >= minCode {
		total, err := x.addPrefix(w, 0.7)
		if err != nil || w.found() {
			w.rare = total < rareCount
			return err
		}
	}
	terms := w.terms
	if whole := analyzers.Fold(w.text); !slices.Contains(terms, whole) {
		terms = append(slices.Clone(terms), whole) // coffe: its stem is coff
	}
	found, err := x.similar(terms)
	if err != nil {
		return err
	}
	for _, c := range found {
		w.ways = append(w.ways, way{phrase: []string{c.term}, weight: 0.7})
		surface, err := x.surface(c.term)
		if err != nil {
			return err
		}
		w.said.Corrected = append(w.said.Corrected, surface)
	}
	w.said.LeftOut = !w.found()
	return nil
}

// widen adds similar words to each word that few products have, and longer codes to each code.
func (x *expansion) widen(words []*word) error {
	for _, w := range words {
		if len(w.parts) > 0 {
			if err := x.widen(w.parts); err != nil {
				return err
			}
			for _, part := range w.parts {
				part.said.LeftOut = false // the words are searched as one
			}
			continue
		}
		if isCodeLike(w.text) {
			if _, err := x.addPrefix(w, 0.5); err != nil {
				return err
			}
		} else if w.rare && w.said.Corrected == nil {
			if err := x.correct(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// minCode is the length of the shortest prefix of a code.
const minCode = 4

// isCodeLike reports whether a word looks like a code, or the beginning of one.
func isCodeLike(text string) bool {
	return len(text) >= minCode && strings.ContainsFunc(text, unicode.IsDigit) &&
		strings.ContainsFunc(text, unicode.IsLetter)
}

// similar returns the terms of the index that are most similar to any of the given terms. It skips terms with digits,
// since a different number means a different product.
func (x *expansion) similar(terms []string) ([]candidate, error) {
	fuzzy, ok := x.reader.(index.IndexReaderFuzzy)
	if !ok {
		return nil, nil
	}
	for _, firstLetter := range []bool{true, false} {
		var all []candidate
		for _, term := range terms {
			length := utf8.RuneCountInString(term)
			if length < 4 || length > maxWord || strings.ContainsFunc(term, unicode.IsDigit) {
				continue
			}
			most, prefix := 1, "" // the first letter is rarely wrong
			if firstLetter {
				_, size := utf8.DecodeRuneInString(term)
				prefix = term[:size]
				if length > 7 {
					most = 2
				}
			}
			found, err := x.within(fuzzy, term, most, prefix)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
		all = slices.DeleteFunc(all, func(c candidate) bool { return slices.Contains(terms, c.term) })
		if len(all) > 0 {
			return best(all), nil
		}
	}
	return nil, nil
}

// within returns the terms of the index that begin with prefix and are at most the distance limit from term.
func (x *expansion) within(
	fuzzy index.IndexReaderFuzzy,
	term string,
	limit int,
	prefix string,
) (found []candidate, err error) {
	dictionary, automaton, err := fuzzy.FieldDictFuzzyAutomaton(allName, term, limit, prefix)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dictionary.Close()) }()
	for {
		entry, err := dictionary.Next()
		if err != nil {
			return nil, err
		}
		if entry == nil {
			break
		}
		distance := entry.EditDistance
		if automaton != nil {
			_, distance = automaton.MatchAndDistance(entry.Term)
		}
		if !strings.ContainsFunc(entry.Term, unicode.IsDigit) {
			found = append(found, candidate{entry.Term, entry.Count, distance})
		}
	}
	return found, nil
}

// best returns the candidates with the smallest distance, without those that are much rarer than the first.
func best(found []candidate) []candidate {
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(b.count, a.count), strings.Compare(a.term, b.term))
	})
	found = slices.CompactFunc(found, func(a, b candidate) bool { return a.term == b.term })
	for i, c := range found {
		if i == maxCorrections || c.distance > found[0].distance || c.count*10 < found[0].count {
			return found[:i]
		}
	}
	return found
}

// addPrefix adds the most frequent terms that begin with a word, and returns the sum of their counts.
func (x *expansion) addPrefix(w *word, weight float64) (total uint64, err error) {
	prefix := analyzers.Fold(w.text)
	if prefix == "" {
		return 0, nil
	}
	dictionary, err := x.reader.FieldDictPrefix(allName, []byte(prefix))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, dictionary.Close()) }()
	var found []candidate
	for range maxDictionary {
		entry, err := dictionary.Next()
		if err != nil {
			return 0, err
		}
		if entry == nil {
			break
		}
		if !slices.Contains(w.terms, entry.Term) {
			found = append(found, candidate{term: entry.Term, count: entry.Count})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.count, a.count), strings.Compare(a.term, b.term))
	})
	for _, c := range found[:min(len(found), maxCompletions)] {
		w.ways = append(w.ways, way{phrase: []string{c.term}, weight: weight})
		total += c.count
	}
	x.terms[allName] = append(x.terms[allName], soughtTerm{prefix, true})
	return total, nil
}

// surface returns a word of some product that the analyzer turns into term, which may be a stem and no word itself.
func (x *expansion) surface(term string) (string, error) {
	docs, err := x.reader.TermFieldReader(x.ctx, []byte(term), allName, false, false, false)
	if err != nil {
		return "", err
	}
	first, err := docs.Next(nil)
	if err = errors.Join(err, docs.Close()); err != nil || first == nil {
		return term, err
	}
	id, err := x.reader.ExternalID(first.ID)
	if err != nil {
		return "", err
	}
	stored, err := x.reader.Document(id)
	if err != nil || stored == nil {
		return term, err
	}
	surface := term
	stored.VisitFields(func(field index.Field) {
		if text, ok := field.(*document.TextField); ok && text.Name() == BodyField {
			body, failed := x.bodies.Decode(text.Value())
			if failed != nil {
				err = failed
			} else if word := x.wordIn(body, term); word != "" {
				surface = strings.ToLower(word)
			}
		}
	})
	return surface, err
}

// wordIn returns a word of a body that the analyzer turns into term, or "" if there is none.
func (x *expansion) wordIn(body []byte, term string) (word string) {
	product, err := decode(body)
	if err != nil {
		return ""
	}
	visitTexts(nil, nil, product, func(_ string, _ []uint64, text string) {
		if word != "" {
			return
		}
		for _, token := range x.all.Analyze([]byte(text)) {
			if string(token.Term) == term {
				word = text[token.Start:token.End]
				return
			}
		}
	})
	return word
}
