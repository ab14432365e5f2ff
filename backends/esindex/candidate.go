package esindex

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
	"productindex/reindex/golden"
)

// Candidate is a sealed generation that a [reindex.Check] can search. A check gets it with
// reindex.As[esindex.Candidate](candidate). The Name of the generation is the name of its index, so a check can also
// use a client of its own.
type Candidate interface {
	// Search sends body as a _search request to the generation's index and returns the server's answer.
	Search(ctx context.Context, body json.RawMessage) (json.RawMessage, error)
}

var _ Candidate = (*generation)(nil)

// Search implements [Candidate].
func (g *generation) Search(ctx context.Context, body json.RawMessage) (answer json.RawMessage, err error) {
	if g.edited {
		if err := g.refresh(ctx); err != nil {
			return nil, err
		}
	}
	err = call(ctx, g.ix.transport, "searching index "+g.name,
		esapi.SearchRequest{Index: []string{g.name}, Body: jsonBody(body)}, &answer)
	return answer, err
}

// Golden returns a check that runs golden queries against each candidate. The queries are those that load returns for
// the candidate's tenant. A product matches if it contains all words of the query, in any fields.
func Golden(load golden.Load) reindex.Check {
	return golden.Check(load, func(
		ctx context.Context, candidate reindex.Candidate, query string, top int,
	) (found golden.Found, err error) {
		c, ok := reindex.As[Candidate](candidate)
		if !ok {
			return found, errNoCandidate
		}
		body, err := json.Marshal(map[string]any{
			"size": top, "track_total_hits": true, "_source": false,
			"query": map[string]any{"multi_match": map[string]any{
				"query": query, "type": "cross_fields", "operator": "and", "fields": []string{"*"}, "lenient": true,
			}},
		})
		if err != nil {
			return found, err
		}
		text, err := c.Search(ctx, body)
		if err != nil {
			return found, err
		}
		var answer struct {
			Hits struct {
				Total struct {
					Value int64 `json:"value"`
				} `json:"total"`
				Hits []struct {
					ID string `json:"_id"`
				} `json:"hits"`
			} `json:"hits"`
		}
		if err := json.Unmarshal(text, &answer); err != nil {
			return found, err
		}
		found.Total = answer.Hits.Total.Value
		for _, hit := range answer.Hits.Hits {
			found.IDs = append(found.IDs, hit.ID)
		}
		return found, nil
	})
}

var errNoCandidate = errors.New("esindex: the candidate is not a generation of this package")
