package meiliindex

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
	"productindex/reindex/golden"
)

// Candidate is a sealed generation that a [reindex.Check] can search. A check gets it with
// reindex.As[meiliindex.Candidate](candidate). The API key of the client then needs the action search.
type Candidate interface {
	// UID returns the uid of the generation's index. Commit changes it.
	UID() string
	// Search searches the generation's index.
	Search(ctx context.Context, query string, request *meilisearch.SearchRequest) (*meilisearch.SearchResponse, error)
}

var _ Candidate = (*generation)(nil)

// UID implements [Candidate].
func (g *generation) UID() string { return g.uid }

// Search implements [Candidate].
func (g *generation) Search(ctx context.Context, query string,
	request *meilisearch.SearchRequest) (*meilisearch.SearchResponse, error) {
	answer, err := g.ix.client.Index(g.uid).SearchWithContext(ctx, query, request)
	return answer, explain(ctx, "search", g.uid, err)
}

// Golden returns a check that runs golden queries against each candidate. The queries are those that load returns for
// the candidate's tenant. The number of products that a query finds is the server's estimate.
func Golden(load golden.Load) reindex.Check {
	return golden.Check(load, func(ctx context.Context, candidate reindex.Candidate, query string,
		top int) (found golden.Found, err error) {
		g, ok := reindex.As[*generation](candidate)
		if !ok {
			return found, errNoCandidate
		}
		answer, err := g.Search(ctx, query, &meilisearch.SearchRequest{Limit: int64(top)})
		if err != nil {
			return found, err
		}
		found.Total = answer.EstimatedTotalHits
		for _, hit := range answer.Hits {
			var key string
			if err := json.Unmarshal(hit[g.ix.cfg.KeyAttribute], &key); err != nil {
				return found, err
			}
			id, err := ID(key)
			if err != nil {
				return found, err
			}
			found.IDs = append(found.IDs, id)
		}
		return found, nil
	})
}

var errNoCandidate = errors.New("meiliindex: the candidate is not a generation of this package")
