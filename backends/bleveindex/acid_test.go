package bleveindex

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/blevesearch/bleve/v2"

	"productindex/reindex/reindextest/acidtest"
)

// No matter when the process of the engine is killed, the index equals the database of the shop in the end.
func TestAcid(t *testing.T) { acidtest.Run(t, acidtest.Scenario{}, nil) }

// openAcid opens the index of a scenario. It runs in the process that is killed.
func openAcid(_ context.Context, dir string) (acidtest.Index, error) {
	ix, err := Open(filepath.Join(dir, "index"), &Config{KeepPrevious: 2})
	if err != nil {
		return acidtest.Index{}, err
	}
	bodies := func(ctx context.Context) (map[string]string, error) {
		req := bleve.NewSearchRequestOptions(bleve.NewMatchAllQuery(), 20_000, 0, false)
		req.Fields = []string{BodyField}
		result, err := ix.Search(ctx, acidtest.Tenant, req)
		if err != nil {
			return nil, err
		}
		found := map[string]string{}
		for _, hit := range result.Hits {
			body, _ := Body(hit)
			found[hit.ID] = string(body)
		}
		return found, nil
	}
	return acidtest.Index{Indexer: ix, Bodies: bodies}, nil
}
