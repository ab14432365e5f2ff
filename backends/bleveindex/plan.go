package bleveindex

import (
	"context"
	"slices"

	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/searcher"
	index "github.com/blevesearch/bleve_index_api"
)

// plan is a query for the products that have at least min of the required words, or one of the codes.
type plan struct {
	x        *expansion
	required []*word
	optional []*word
	codes    []way
	min      int
}

// Searcher implements [query.Query].
func (p *plan) Searcher(
	ctx context.Context, reader index.IndexReader, _ mapping.IndexMapping, options search.SearcherOptions,
) (search.Searcher, error) {
	b := builder{p.x, ctx, reader, options}
	must, err := b.words(p.required)
	if err != nil {
		return nil, err
	}
	var found search.Searcher
	switch {
	case len(must) == 0:
	case p.min == len(must):
		found, err = searcher.NewConjunctionSearcher(ctx, reader, must, options)
	default:
		words := newUnion(must, p.min, false)
		words.tier = tier
		found = words
	}
	if err != nil {
		return nil, b.close(must, err)
	}
	if found != nil && options.Score != unscored {
		more, err := b.words(p.optional)
		if err == nil {
			more, err = b.pairs(more)
		}
		if err != nil {
			return nil, b.close([]search.Searcher{found}, err)
		}
		if len(more) == 0 {
			return p.orCodes(b, found)
		}
		if found, err = searcher.NewBooleanSearcher(ctx, reader, found, newUnion(more, 0, false), nil, options); err != nil {
			return nil, err
		}
	}
	return p.orCodes(b, found)
}

// orCodes adds the products that have one of the codes to those that found returns.
func (p *plan) orCodes(b builder, found search.Searcher) (search.Searcher, error) {
	if len(p.codes) == 0 {
		return found, nil
	}
	var all []search.Searcher
	if found != nil {
		all = append(all, found)
	}
	for _, code := range p.codes {
		s, err := b.way(code)
		if err != nil {
			return nil, b.close(all, err)
		}
		all = append(all, s)
	}
	return newUnion(all, 1, true), nil
}

// tier is added to a score for each required word. It is greater than the scores of all words together.
const tier = 1000

// builder builds the searchers of words.
type builder struct {
	x       *expansion
	ctx     context.Context //nolint:containedctx // only during a call
	reader  index.IndexReader
	options search.SearcherOptions
}

func (b builder) words(words []*word) (all []search.Searcher, err error) {
	for _, w := range words {
		s, err := b.word(w)
		if err != nil {
			return nil, b.close(all, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// word returns the searcher of a word, whose score is that of its best way.
func (b builder) word(w *word) (search.Searcher, error) {
	var ways []search.Searcher
	if len(w.parts) > 0 && !slices.ContainsFunc(w.parts, func(part *word) bool { return !part.found() }) {
		all, err := b.words(w.parts)
		if err != nil {
			return nil, err
		}
		together, err := searcher.NewConjunctionSearcher(b.ctx, b.reader, all, b.options)
		if err != nil {
			return nil, b.close(all, err)
		}
		ways = append(ways, together)
	}
	for _, way := range w.ways {
		s, err := b.way(way)
		if err != nil {
			return nil, b.close(ways, err)
		}
		ways = append(ways, s)
	}
	if len(ways) == 1 {
		return ways[0], nil
	}
	return newUnion(ways, 1, true), nil
}

// way returns the searcher of a term or a phrase, in all weighted fields.
func (b builder) way(w way) (search.Searcher, error) {
	if w.field != "" {
		for _, term := range w.phrase {
			b.x.note(w.field, term)
		}
		n, err := b.x.count(w.field, w.phrase[0])
		if err != nil {
			return nil, err
		}
		return searcher.NewTermSearcher(b.ctx, b.reader, w.phrase[0], w.field, w.weight/b.x.idf(n), b.options)
	}
	for _, term := range w.phrase {
		b.x.note(allName, term)
	}
	if len(w.phrase) > 1 {
		return b.phrase(w)
	}
	term := w.phrase[0]
	total, err := b.x.countAll(term)
	if err != nil {
		return nil, err
	}
	// bleve squares the inverse document frequency; dividing by it undoes that.
	idf := b.x.idf(total)
	base, err := searcher.NewTermSearcher(b.ctx, b.reader, term, allName, w.weight/idf, b.options)
	if err != nil || b.options.Score == unscored {
		return base, err
	}
	all := []search.Searcher{base}
	for _, field := range b.x.weighted {
		n, err := b.x.count(field.name, term)
		if err != nil {
			return nil, b.close(all, err)
		}
		if n == 0 {
			continue
		}
		// A word has the same inverse document frequency in a field as in _all.
		own := b.x.idf(n)
		s, err := searcher.NewTermSearcher(b.ctx, b.reader, term, field.name, w.weight*field.weight*idf/(own*own), b.options)
		if err != nil {
			return nil, b.close(all, err)
		}
		all = append(all, s)
	}
	if len(all) == 1 {
		return base, nil
	}
	return newUnion(all, 1, false), nil
}

// phrase returns the searcher of terms that follow each other.
func (b builder) phrase(w way) (search.Searcher, error) {
	fields := []weightedField{{name: allName, weight: 1}}
	if b.options.Score != unscored {
		fields = append(fields, b.x.weighted...)
	}
	var all []search.Searcher
	for _, field := range fields {
		n, err := b.x.count(field.name, w.phrase[0])
		if err != nil {
			return nil, b.close(all, err)
		}
		if n == 0 && field.name != allName {
			continue
		}
		boost := w.weight * field.weight / b.x.idf(n)
		s, err := searcher.NewPhraseSearcher(b.ctx, b.reader, w.phrase, 0, false, field.name, boost, b.options)
		if err != nil {
			return nil, b.close(all, err)
		}
		all = append(all, s)
	}
	return newUnion(all, 1, false), nil
}

// pairs adds the searchers of two adjacent words of the text that are also adjacent in a name.
func (b builder) pairs(all []search.Searcher) ([]search.Searcher, error) {
	for i := range min(len(b.x.read)-1, maxPairs) {
		first, second := b.x.read[i].terms[0], b.x.read[i+1].terms[0]
		for _, field := range b.x.weighted {
			if field.weight != nameWeight {
				continue
			}
			n, err := b.x.count(field.name, first)
			if err != nil {
				return nil, b.close(all, err)
			}
			s, err := searcher.NewPhraseSearcher(
				b.ctx,
				b.reader,
				[]string{first, second},
				0,
				false,
				field.name,
				field.weight/b.x.idf(n)/2,
				b.options,
			)
			if err != nil {
				return nil, b.close(all, err)
			}
			all = append(all, s)
		}
	}
	return all, nil
}

// maxPairs is the largest number of pairs of words that are searched.
const maxPairs = 6

func (b builder) close(all []search.Searcher, err error) error {
	for _, s := range all {
		_ = s.Close() // err is the cause
	}
	return err
}

// note records a term for highlighting.
func (x *expansion) note(field, term string) {
	for _, known := range x.terms[field] {
		if known.term == term && !known.prefix {
			return
		}
	}
	x.terms[field] = append(x.terms[field], soughtTerm{term: term})
}
