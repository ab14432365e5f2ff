package esindex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

var (
	_ reindex.LiveScanner = (*Index)(nil)
	_ reindex.Scanner     = (*generation)(nil)
)

const (
	scanPage = 500
	scanKeep = 5 * time.Minute
)

// ScanLive implements [reindex.LiveScanner]: it reads one state of the indexes behind the tenant's alias, without
// regard to a filter of it, through a scroll. An index whose mapping leaves _source out cannot be read.
func (ix *Index) ScanLive(ctx context.Context, tenant string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		if err := reindex.CheckTenant(tenant); err != nil {
			yield(reindex.Product{}, err)
			return
		}
		n := ix.names(tenant)
		t, err := ix.behind(ctx, n)
		if err == nil && t.concrete {
			t.indexes = map[string]entry{n.live: {}}
		}
		if err == nil && len(t.indexes) == 0 {
			err = fmt.Errorf("esindex: tenant %s: %w", tenant, reindex.ErrNoLiveIndex)
		}
		var indexes []string
		for index := range t.indexes {
			indexes = append(indexes, index)
		}
		if err == nil {
			err = ix.refresh(ctx, strings.Join(indexes, ","))
		}
		if err != nil {
			yield(reindex.Product{}, err)
			return
		}
		ix.scan(ctx, indexes, yield)
	}
}

// Scan implements [reindex.Scanner].
func (g *generation) Scan(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		if g.edited {
			if err := g.refresh(ctx); err != nil {
				yield(reindex.Product{}, err)
				return
			}
		}
		g.ix.scan(ctx, []string{g.name}, yield)
	}
}

// hits is a page of the products that are read.
type hits struct {
	ScrollID string                          `json:"_scroll_id"`
	TimedOut bool                            `json:"timed_out"`
	Shards   struct{ Total, Successful int } `json:"_shards"`
	Hits     struct {
		Hits []struct {
			ID     string          `json:"_id"`
			Source json.RawMessage `json:"_source"`
		} `json:"hits"`
	} `json:"hits"`
}

// scan yields the products of indexes.
func (ix *Index) scan(ctx context.Context, indexes []string, yield func(reindex.Product, error) bool) {
	const what = "reading indexes"
	size := scanPage
	var page hits
	err := call(ctx, ix.transport, what, esapi.SearchRequest{
		Index: indexes, Scroll: scanKeep, Size: &size, Body: jsonBody(map[string]any{"sort": []string{"_doc"}, "_source": true}),
	}, &page)
	defer func() { ix.endScroll(ctx, page.ScrollID) }()
	for {
		switch {
		case err == nil && (page.TimedOut || page.Shards.Successful < page.Shards.Total):
			err = reindex.Temporary(fmt.Errorf("esindex: %s: %w: %d of %d did", what, errPartial, page.Shards.Successful, page.Shards.Total))
		case err == nil && len(page.Hits.Hits) == 0:
			return
		}
		if err != nil {
			yield(reindex.Product{}, err)
			return
		}
		for _, hit := range page.Hits.Hits {
			if len(hit.Source) == 0 {
				yield(reindex.Product{}, fmt.Errorf("esindex: %s: product %q has no _source: %w", what, hit.ID, errors.ErrUnsupported))
				return
			}
			if !yield(reindex.Product{ID: hit.ID, Body: hit.Source}, nil) {
				return
			}
		}
		scroll := page.ScrollID
		page = hits{ScrollID: scroll}
		err = call(ctx, ix.transport, what, esapi.ScrollRequest{
			Body: jsonBody(map[string]any{"scroll_id": scroll, "scroll": fmt.Sprintf("%ds", int(scanKeep.Seconds()))}),
		}, &page)
	}
}

// endScroll frees what the server holds for a scroll, which it does by itself after a while.
func (ix *Index) endScroll(ctx context.Context, id string) {
	if id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), scrollEndTimeout)
	defer cancel()
	err := call(ctx, ix.transport, "ending a scroll", esapi.ClearScrollRequest{Body: jsonBody(map[string]any{"scroll_id": []string{id}})}, nil)
	if err != nil {
		ix.cfg.Logger.WarnContext(ctx, "the server keeps a scroll until its time is over", "error", err)
	}
}

const scrollEndTimeout = 10 * time.Second
