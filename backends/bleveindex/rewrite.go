package bleveindex

import (
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/search/query"
)

// withoutShortPhrases returns the query with each phrase of one word replaced by the word. For a phrase, bleve needs
// the positions of words, which the default mapping does not index for values of one word.
func withoutShortPhrases(q query.Query, m mapping.IndexMapping) query.Query {
	switch q := q.(type) {
	case *query.QueryStringQuery:
		parsed, err := q.Parse()
		if err != nil {
			return q // bleve reports the error
		}
		return withoutShortPhrases(parsed, m)
	case *query.MatchPhraseQuery:
		return wordOf(q, m)
	case *query.PhraseQuery:
		if len(q.Terms) == 1 && q.Fuzziness == 0 {
			return boosted(query.NewTermQuery(q.Terms[0]), q.FieldVal, q.BoostVal)
		}
	case *query.BooleanQuery:
		own := *q
		own.Must, own.Should = rewritten(q.Must, m), rewritten(q.Should, m)
		own.MustNot, own.Filter = rewritten(q.MustNot, m), rewritten(q.Filter, m)
		return &own
	case *query.ConjunctionQuery:
		own := *q
		own.Conjuncts = allRewritten(q.Conjuncts, m)
		return &own
	case *query.DisjunctionQuery:
		own := *q
		own.Disjuncts = allRewritten(q.Disjuncts, m)
		return &own
	}
	return q
}

// rewritten is withoutShortPhrases for a query that can be nil.
func rewritten(q query.Query, m mapping.IndexMapping) query.Query {
	if q == nil {
		return nil
	}
	return withoutShortPhrases(q, m)
}

func allRewritten(all []query.Query, m mapping.IndexMapping) []query.Query {
	own := make([]query.Query, len(all))
	for i, q := range all {
		own[i] = rewritten(q, m)
	}
	return own
}

// wordOf returns a query for the word if the phrase has only one, and the phrase otherwise.
func wordOf(q *query.MatchPhraseQuery, m mapping.IndexMapping) query.Query {
	field := q.FieldVal
	if field == "" {
		field = m.DefaultSearchField()
	}
	name := q.Analyzer
	if name == "" {
		name = m.AnalyzerNameForPath(field)
	}
	analyzer := m.AnalyzerNamed(name)
	if analyzer == nil || q.Fuzziness != 0 {
		return q
	}
	tokens := analyzer.Analyze([]byte(q.MatchPhrase))
	if len(tokens) == 0 || tokens[len(tokens)-1].Position != tokens[0].Position {
		return q
	}
	match := query.NewMatchQuery(q.MatchPhrase)
	match.Analyzer, match.FieldVal, match.BoostVal = q.Analyzer, q.FieldVal, q.BoostVal
	return match
}

func boosted(q *query.TermQuery, field string, boost *query.Boost) query.Query {
	q.FieldVal, q.BoostVal = field, boost
	return q
}
