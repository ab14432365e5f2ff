package meiliindex

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
	"productindex/reindex/golden"
)

// Candidate is a sealed generation that a [reindex.Check] can search: reindex.As[meiliindex.Candidate](candidate) finds
// it. The key of the client needs the action search then. UID is that of its index.
type Candidate interface {
	// UID is that of the generation's index, until it is committed.
	UID() string
	// Search answers a query from the generation.
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

// Golden returns a check that asks each candidate the queries of its tenant. Of how many products a query finds the
// server knows an estimate only.
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

var errNoCandidate = errors.New("meiliindex: another package has made the generation")
