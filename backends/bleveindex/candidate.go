package bleveindex

import (
	"context"
	"errors"
	"fmt"

	"github.com/blevesearch/bleve/v2"

	"productindex/reindex"
	"productindex/reindex/golden"
)

// Candidate is a sealed generation that a [reindex.Check] can search. A check gets it with
// reindex.As[bleveindex.Candidate](candidate).
type Candidate interface {
	// Search searches the generation, as [Index.Search] searches the live one.
	Search(ctx context.Context, req *bleve.SearchRequest) (*bleve.SearchResult, error)
}

var _ Candidate = (*generation)(nil)

// Search implements [Candidate].
func (g *generation) Search(ctx context.Context, req *bleve.SearchRequest) (result *bleve.SearchResult, err error) {
	if err := checkRequest(req); err != nil {
		return nil, fmt.Errorf("bleveindex: search %s of tenant %q: %w", g.name, g.tenant, err)
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.state != sealed {
		return nil, g.stateError("search")
	}
	err = guard(func() (err error) {
		result, err = newLiveIndex(g.t, g.index, g.name).search(ctx, req)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("bleveindex: search %s of tenant %q: %w", g.name, g.tenant, err)
	}
	return result, nil
}

// Golden returns a check that runs golden queries against each candidate. The queries are those that load returns for
// the candidate's tenant; their texts are searched with [Query].
func Golden(load golden.Load) reindex.Check {
	return golden.Check(load, func(
		ctx context.Context, candidate reindex.Candidate, query string, top int,
	) (golden.Found, error) {
		c, ok := reindex.As[Candidate](candidate)
		if !ok {
			return golden.Found{}, errNoCandidate
		}
		result, err := c.Search(ctx, bleve.NewSearchRequestOptions(Query(query, nil), top, 0, false))
		if err != nil {
			return golden.Found{}, err
		}
		found := golden.Found{Total: int64(result.Total)} //nolint:gosec // a number of documents
		for _, hit := range result.Hits {
			found.IDs = append(found.IDs, hit.ID)
		}
		return found, nil
	})
}

var errNoCandidate = errors.New("bleveindex: the candidate is not a generation of this package")
