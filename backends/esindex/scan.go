package esindex

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

var (
	_ reindex.LiveScanner = (*Index)(nil)
	_ reindex.Scanner     = (*generation)(nil)
)

const (
	samplePage = 20   // products
	maxPage    = 5000 // products

	pageBytes = 4 << 20 // the intended size of a page
	scanKeep  = 5 * time.Minute
)

// ScanLive implements [reindex.LiveScanner]. It reads a snapshot of the live index through a scroll, whatever the
// filter of the tenant's alias. An index whose mappings disable _source cannot be read.
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

// Scan implements [reindex.Scanner]. It reads a snapshot of the generation.
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

// scan yields the products of the indexes. It reads the next page while the caller consumes the current one.
func (ix *Index) scan(ctx context.Context, indexes []string, yield func(reindex.Product, error) bool) {
	size, err := ix.pageSize(ctx, indexes)
	if err != nil {
		yield(reindex.Product{}, err)
		return
	}
	s := &scroll{ix: ix, pageSize: int64(size)}
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		s.reading.Wait()
		ix.endScroll(ctx, s.id)
	}()
	for ahead := s.read(ctx, everything(indexes, size, scanKeep)); ahead != nil; {
		page := <-ahead
		s.id, s.size = cmp.Or(page.scroll(), s.id), len(page.text)
		s.asked += s.pageSize
		if ahead = nil; page.more(s.asked) {
			ahead = s.read(ctx, esapi.ScrollRequest{
				Header: uncompressed(),
				Body:   jsonBody(map[string]any{"scroll_id": s.id, "scroll": fmt.Sprintf("%ds", int(scanKeep.Seconds()))}),
			})
		}
		products, err := s.products(ctx, page)
		if err != nil {
			yield(reindex.Product{}, err)
			return
		}
		for _, p := range products {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// everything returns a search for all products, with a scroll that is kept for the duration unless it is 0.
func everything(indexes []string, size int, keep time.Duration) esapi.SearchRequest {
	return esapi.SearchRequest{
		Index: indexes, Scroll: keep, Size: &size, Header: uncompressed(),
		Body: jsonBody(map[string]any{"sort": []string{"_doc"}, "_source": true}),
	}
}

// pageSize returns the number of products that make a page of about pageBytes.
func (ix *Index) pageSize(ctx context.Context, indexes []string) (int, error) {
	var answer page
	if err := call(ctx, ix.transport, scanning, everything(indexes, samplePage, 0), &answer); err != nil {
		return 0, err
	}
	sample, err := answer.decode()
	if err != nil {
		return 0, classify(ctx, scanning, err)
	}
	size := 1
	for _, p := range sample.products {
		size += len(p.Body)
	}
	return max(1, min(pageBytes*len(sample.products)/size, maxPage)), nil
}

// uncompressed returns the header of a request for an uncompressed answer: the server compresses more slowly than it
// sends. Each call returns a new map, since the client adds headers.
func uncompressed() http.Header { return http.Header{"Accept-Encoding": {"identity"}} }

const scanning = "reading indexes"

// scroll reads the pages of a scroll, one at a time.
type scroll struct {
	ix       *Index
	pageSize int64 // products
	reading  sync.WaitGroup

	id    string // the latest that the server has sent
	size  int    // bytes of the last page
	asked int64  // the number of products requested so far
	found int64  // the number of products received so far
}

// read starts to read a page and returns the channel that receives it.
func (s *scroll) read(ctx context.Context, request esapi.Request) <-chan *page {
	pages := make(chan *page, 1)
	s.reading.Go(func() {
		p := &page{size: s.size, err: errGone}
		defer func() { pages <- p }()
		p.err = rescue(func() error { return call(ctx, s.ix.transport, scanning, request, p) })
	})
	return pages
}

// products returns the products of a page. The server does not send a lost page again, so at the end products compares
// the number of products with the total.
func (s *scroll) products(ctx context.Context, p *page) ([]reindex.Product, error) {
	if p.err != nil {
		return nil, p.err
	}
	found, err := p.decode()
	if err != nil {
		return nil, classify(ctx, scanning, err)
	}
	s.found += int64(len(found.products))
	switch {
	case found.timedOut || found.successful < found.shards:
		return nil, reindex.Temporary(
			fmt.Errorf("esindex: %s: %w: %d of %d did", scanning, errPartial, found.successful, found.shards))
	case (len(found.products) == 0 || s.asked >= found.total) && s.found != found.total:
		return nil, reindex.Temporary(
			fmt.Errorf("esindex: %s: the server sent %d of %d products", scanning, s.found, found.total))
	case found.sourceless != "":
		return nil, fmt.Errorf("esindex: %s: product %q has no _source: %w",
			scanning, found.sourceless, errors.ErrUnsupported)
	}
	return found.products, nil
}

// endScroll frees the scroll on the server. If that fails, the server frees it after scanKeep.
func (ix *Index) endScroll(ctx context.Context, id string) {
	if id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), scrollEndTimeout)
	defer cancel()
	request := esapi.ClearScrollRequest{Body: jsonBody(map[string]any{"scroll_id": []string{id}})}
	err := call(ctx, ix.transport, "ending a scroll", request, nil)
	if err != nil {
		ix.cfg.Logger.WarnContext(ctx, "cannot end a scroll; the server ends it when it expires", "error", err)
	}
}

const scrollEndTimeout = 10 * time.Second
