package bleveindex

import (
	"math"

	"github.com/blevesearch/bleve/v2/search"
	index "github.com/blevesearch/bleve_index_api"
)

// union finds the documents that at least a given number of its searchers find. bleve's own disjunction divides scores
// by the number of searchers, so a word with many synonyms would count less. The score of a union is the sum or the
// maximum of the searchers' scores, plus tier for each searcher that finds the document.
type union struct {
	searchers []search.Searcher
	current   []*search.DocumentMatch
	least     int
	best      bool
	tier      float64
	begun     bool
}

func newUnion(searchers []search.Searcher, least int, best bool) *union {
	u := &union{searchers: searchers, current: make([]*search.DocumentMatch, len(searchers)), least: least, best: best}
	u.SetQueryNorm(1 / math.Sqrt(u.Weight()))
	return u
}

// Next returns the next match.
func (u *union) Next(ctx *search.SearchContext) (*search.DocumentMatch, error) {
	if !u.begun {
		u.begun = true
		for i, s := range u.searchers {
			var err error
			if u.current[i], err = s.Next(ctx); err != nil {
				return nil, err
			}
		}
	}
	for {
		first, n := u.first()
		if first == nil {
			return nil, nil //nolint:nilnil // as in bleve's own searchers
		}
		match, err := u.take(ctx, first, n >= u.least)
		if match != nil || err != nil {
			return match, err
		}
	}
}

// Advance returns the first match at id or after it.
func (u *union) Advance(ctx *search.SearchContext, id index.IndexInternalID) (*search.DocumentMatch, error) {
	for i, s := range u.searchers {
		if at := u.current[i]; u.begun && at == nil || at != nil && at.IndexInternalID.Compare(id) >= 0 {
			continue
		} else if at != nil {
			ctx.DocumentMatchPool.Put(at)
		}
		var err error
		if u.current[i], err = s.Advance(ctx, id); err != nil {
			return nil, err
		}
	}
	u.begun = true
	return u.Next(ctx)
}

// first returns the first of the searchers' current matches, and the number of searchers that have it.
func (u *union) first() (first *search.DocumentMatch, n int) {
	for _, at := range u.current {
		switch {
		case at == nil:
		case first == nil || at.IndexInternalID.Compare(first.IndexInternalID) < 0:
			first, n = at, 1
		case at.IndexInternalID.Equals(first.IndexInternalID):
			n++
		}
	}
	return first, n
}

// take advances all searchers that are at the first match, and returns the match with its score if wanted is set.
func (u *union) take(
	ctx *search.SearchContext,
	first *search.DocumentMatch,
	wanted bool,
) (*search.DocumentMatch, error) {
	score, tiers, explanations := 0.0, 0.0, []*search.Explanation(nil)
	for i, at := range u.current {
		if at == nil || !at.IndexInternalID.Equals(first.IndexInternalID) {
			continue
		}
		tiers += u.tier
		if u.best {
			score = math.Max(score, at.Score)
		} else {
			score += at.Score
		}
		if at.Expl != nil {
			explanations = append(explanations, at.Expl)
		}
		if at != first {
			first.FieldTermLocations = search.MergeFieldTermLocations(first.FieldTermLocations, []*search.DocumentMatch{at})
		}
		u.current[i] = nil
		next, err := u.searchers[i].Next(ctx)
		if err != nil {
			return nil, err
		}
		u.current[i] = next
		if at != first {
			ctx.DocumentMatchPool.Put(at)
		}
	}
	if !wanted {
		ctx.DocumentMatchPool.Put(first)
		return nil, nil //nolint:nilnil // as documented
	}
	score += tiers
	first.Score = score
	if explanations != nil {
		message := "sum of:"
		if u.best {
			message = "best of:"
		}
		first.Expl = &search.Explanation{Value: score, Message: message, Children: explanations}
	}
	return first, nil
}

func (u *union) Weight() (sum float64) {
	for _, s := range u.searchers {
		sum += s.Weight()
	}
	return sum
}

func (u *union) SetQueryNorm(norm float64) {
	for _, s := range u.searchers {
		s.SetQueryNorm(norm)
	}
}

func (u *union) Count() (most uint64) {
	for _, s := range u.searchers {
		most += s.Count()
	}
	return most
}

func (u *union) Close() (err error) {
	for _, s := range u.searchers {
		if closed := s.Close(); err == nil {
			err = closed
		}
	}
	return err
}

func (u *union) Min() int { return u.least }

func (u *union) Size() (bytes int) {
	for _, s := range u.searchers {
		bytes += s.Size()
	}
	return bytes
}

func (u *union) DocumentMatchPoolSize() int {
	n := len(u.searchers)
	for _, s := range u.searchers {
		n += s.DocumentMatchPoolSize()
	}
	return n
}
