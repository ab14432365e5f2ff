package meilitest

import (
	"errors"
	"slices"
	"strings"
	"unicode"
)

// search returns the documents that have every word of the query. It does not rank, filter or sort them. It accepts the
// member hybrid, since the client always sends it, with the value null.
func (c *call) search() (answer, error) {
	body, err := c.object("q", "offset", "limit", "hybrid")
	if err != nil {
		return answer{}, err
	}
	query, err1 := member(body, "q", "invalid_search_q")
	limit, err2 := count(body, "limit", "invalid_search_limit", 20)
	offset, err3 := count(body, "offset", "invalid_search_offset", 0)
	if err := errors.Join(err1, err2, err3); err != nil {
		return answer{}, err
	}
	text := ""
	if query != nil {
		text = *query
	}
	defer c.lock()()
	ix, err := c.index()
	if err != nil {
		return answer{}, err
	}
	words := tokens(text)
	hits := slices.DeleteFunc(ix.documents(), func(d *object) bool { return !holds(d, words) })
	return ok(newObject("hits", list(page(hits, offset, limit)), "query", text, "processingTimeMs", 0,
		"limit", limit, "offset", offset, "estimatedTotalHits", len(hits), "requestUid", newUUID()))
}

// holds reports whether the document has all words.
func holds(d *object, words []string) bool {
	have := tokens(string(encode(d)))
	return !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(have, w) })
}

func tokens(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}
