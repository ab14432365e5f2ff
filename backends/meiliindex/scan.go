package meiliindex

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

var (
	_ reindex.LiveScanner = (*Index)(nil)
	_ reindex.Scanner     = (*generation)(nil)
)

// ScanLive implements [reindex.LiveScanner]. It reads the live index in pages, in the server's order of documents. It
// leaves out vectors that an embedder of the index has computed. If another index becomes live meanwhile, or so many
// products are deleted that the scan loses its position, the error is a [*reindex.TemporaryError].
//
// The pages are not one snapshot. ScanLive yields every product that does not change during the scan. It may yield a
// product twice if others are deleted and added meanwhile.
func (ix *Index) ScanLive(ctx context.Context, tenant string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		if err := reindex.CheckTenant(tenant); err != nil {
			yield(reindex.Product{}, fmt.Errorf("meiliindex: %w", err))
			return
		}
		live, err := ix.liveIndex(ctx, tenant)
		if err != nil {
			yield(reindex.Product{}, err)
			return
		}
		s := &scan{ix: ix, uid: live.UID, check: func(ctx context.Context) error {
			now, err := ix.getIndex(ctx, live.UID)
			if err == nil && (now == nil || !now.CreatedAt.Equal(live.CreatedAt)) {
				err = reindex.Temporary(reindex.Public(
					fmt.Errorf("meiliindex: index %s of tenant %q was replaced while it was read", live.UID, tenant),
					"the live index was replaced while it was read"))
			}
			return err
		}}
		s.run(ctx, yield)
	}
}

// Scan implements [reindex.Scanner].
func (g *generation) Scan(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		s := &scan{ix: g.ix, uid: g.uid, check: g.checkIdentity}
		s.run(ctx, yield)
	}
}

const (
	firstPage = 100     // documents
	maxPage   = 400     // documents
	pageBytes = 2 << 20 // the intended size of a page
	overlap   = 50      // documents of the previous page that the next one repeats
)

// scan reads an index in pages. Each page repeats the last documents of the previous page, since their positions change
// if documents before them are deleted or added.
type scan struct {
	ix    *Index
	uid   string
	check func(context.Context) error // returns an error if the index was replaced

	read int64    // the number of documents before the next page
	tail []string // the keys of the last of them
	size int64    // documents of the next page
}

func (s *scan) run(ctx context.Context, yield func(reindex.Product, error) bool) {
	s.size = firstPage
	for last := false; !last; {
		var products []reindex.Product
		var err error
		products, last, err = s.page(ctx)
		if err == nil && last {
			err = s.check(ctx)
		}
		for _, p := range products {
			if err != nil {
				break
			}
			if !yield(p, nil) {
				return
			}
		}
		if err != nil {
			yield(reindex.Product{}, err)
			return
		}
	}
}

// page returns the products of the next page, and whether it is the last one.
func (s *scan) page(ctx context.Context) (products []reindex.Product, last bool, err error) {
	var answer meilisearch.DocumentsResult
	query := &meilisearch.DocumentsQuery{
		Offset: s.read - int64(len(s.tail)), Limit: s.size + int64(len(s.tail)), RetrieveVectors: true,
	}
	err = s.ix.client.Index(s.uid).GetDocumentsWithContext(ctx, query, &answer)
	if err = explain(ctx, "documents.get", s.uid, err); err != nil {
		return nil, false, err
	}
	latest := answer.Results[len(answer.Results)*3/4:] // the size of the next documents is estimated from these
	size := sizeOf(latest)
	keys, err := s.keys(answer.Results)
	if err != nil {
		return nil, false, err
	}
	from, err := s.place(keys)
	if err != nil {
		return nil, false, err
	}
	for i, key := range keys[from:] {
		if slices.Contains(s.tail, key) {
			continue
		}
		p, err := s.product(key, answer.Results[from+i])
		if err != nil {
			return nil, false, err
		}
		products = append(products, p)
	}
	s.read = query.Offset + int64(len(keys))
	s.tail = keys[max(0, len(keys)-overlap):]
	if size > 0 {
		s.size = max(1, min(pageBytes*int64(len(latest))/size, 2*s.size, maxPage))
	}
	return products, int64(len(keys)) < query.Limit, nil
}

// place returns the position of the first document of a page that the previous page also had; earlier ones were already
// read. It returns an error if less than half of the repeated documents are in the page. Some may be missing, since a
// document that is deleted and added again gets another position.
func (s *scan) place(keys []string) (from int, err error) {
	found := 0
	for i, key := range slices.Backward(keys) {
		if slices.Contains(s.tail, key) {
			from = i
			found++
		}
	}
	if 2*found < len(s.tail) {
		return 0, reindex.Temporary(reindex.Public(
			fmt.Errorf("meiliindex: index %s: many products were deleted while it was read", s.uid),
			"many products were deleted while the index was read"))
	}
	return from, nil
}

// sizeOf returns the size of documents in bytes.
func sizeOf(hits meilisearch.Hits) (size int64) {
	for _, hit := range hits {
		for name, value := range hit {
			size += int64(len(name) + len(value))
		}
	}
	return size
}

// keys returns the primary keys of documents.
func (s *scan) keys(hits meilisearch.Hits) ([]string, error) {
	keys := make([]string, len(hits))
	for i, hit := range hits {
		if err := json.Unmarshal(hit[s.ix.cfg.KeyAttribute], &keys[i]); err != nil {
			return nil, fmt.Errorf("meiliindex: index %s: the attribute %s of a document is not a string: %w",
				s.uid, s.ix.cfg.KeyAttribute, err)
		}
	}
	return keys, nil
}

// product returns the product of a document.
func (s *scan) product(key string, hit meilisearch.Hit) (reindex.Product, error) {
	id, err := ID(key)
	if err != nil {
		return reindex.Product{}, fmt.Errorf("index %s: %w", s.uid, err)
	}
	delete(hit, s.ix.cfg.KeyAttribute)
	if err := dropComputed(hit); err != nil {
		return reindex.Product{}, fmt.Errorf("meiliindex: index %s, product %q: %w", s.uid, id, err)
	}
	body := []byte{'{'}
	for i, name := range slices.Sorted(maps.Keys(hit)) {
		if i > 0 {
			body = append(body, ',')
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			return reindex.Product{}, fmt.Errorf("meiliindex: index %s, product %q: %w", s.uid, id, err)
		}
		body = append(append(append(body, quoted...), ':'), hit[name]...)
	}
	return reindex.Product{ID: id, Body: append(body, '}')}, nil
}

const vectors = "_vectors"

// dropComputed removes the vectors that the server has computed, and the empty object that it returns for a document
// without vectors.
func dropComputed(hit meilisearch.Hit) error {
	if there := hit[vectors]; len(there) == 0 || bytes.Equal(there, []byte("{}")) {
		delete(hit, vectors)
		return nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(hit[vectors], &all); err != nil {
		return fmt.Errorf("its attribute %s: %w", vectors, err)
	}
	maps.DeleteFunc(all, func(_ string, one json.RawMessage) bool {
		var vector struct {
			Regenerate bool `json:"regenerate"`
		}
		return json.Unmarshal(one, &vector) == nil && vector.Regenerate
	})
	delete(hit, vectors)
	if len(all) == 0 {
		return nil
	}
	kept, err := json.Marshal(all)
	hit[vectors] = kept
	return err
}
