package reindextest

import (
	"context"
	"encoding/json"
	"iter"
	"maps"

	"productindex/reindex"
)

// ScanLive implements [reindex.LiveScanner].
func (m *Memory) ScanLive(ctx context.Context, tenant string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		docs := m.Documents(tenant)
		if docs == nil {
			yield(reindex.Product{}, reindex.ErrNoLiveIndex)
			return
		}
		yieldDocs(ctx, docs, yield)
	}
}

// Scan implements [reindex.Scanner].
func (g *memoryGeneration) Scan(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		g.load.mu.Lock()
		docs := maps.Clone(g.load.docs)
		g.load.mu.Unlock()
		yieldDocs(ctx, docs, yield)
	}
}

func yieldDocs(ctx context.Context, docs map[string]json.RawMessage, yield func(reindex.Product, error) bool) {
	for id, body := range docs {
		if err := ctx.Err(); err != nil {
			yield(reindex.Product{}, err)
			return
		}
		if !yield(reindex.Product{ID: id, Body: body}, nil) {
			return
		}
	}
}
