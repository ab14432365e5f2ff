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

// ScanLive implements [reindex.LiveScanner]. It reads the live index in pages, in the order in which the server keeps
// documents. Vectors that an embedder of the index has computed are left out. If another index becomes live meanwhile,
// or so many products are deleted that the place is lost, the error is a [*reindex.TemporaryError].
//
// The server reads each page as of its own moment. A product that nobody changes is yielded all the same; while others
// are deleted and added again, one may be yielded twice.
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
	pageBytes = 2 << 20 // that a page is to have
	overlap   = 50      // documents of the page before that the next one shows again
)

// scan reads an index in pages. It remembers the last documents that it has yielded, and looks for them in the next
// page: their places move when others are deleted or added before them.
type scan struct {
	ix    *Index
	uid   string
	check func(context.Context) error // reports that the index is not the same any more

	read int64    // how many documents come before the next page
	tail []string // the keys of the last of these
	size int64    // of the next page, in documents
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

// page reads the products that come next. last reports that none follow.
func (s *scan) page(ctx context.Context) (products []reindex.Product, last bool, err error) {
	var answer meilisearch.DocumentsResult
	query := &meilisearch.DocumentsQuery{
		Offset: s.read - int64(len(s.tail)), Limit: s.size + int64(len(s.tail)), RetrieveVectors: true,
	}
	err = s.ix.client.Index(s.uid).GetDocumentsWithContext(ctx, query, &answer)
	if err = explain(ctx, "documents.get", s.uid, err); err != nil {
		return nil, false, err
	}
	latest := answer.Results[len(answer.Results)*3/4:] // the next ones are most likely to be of their size
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

// place returns where in a page the documents begin that may be new: at the first one that the page before also had.
// Of those documents half have to be there: one that was deleted and added again is somewhere else.
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

// sizeOf returns the length of documents, in bytes.
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
			return nil, fmt.Errorf("meiliindex: index %s: the %s of a document is not a text: %w",
				s.uid, s.ix.cfg.KeyAttribute, err)
		}
	}
	return keys, nil
}

// product makes a product of a document again.
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

// dropComputed removes the vectors that the server has computed. It shows an object of vectors for each document, also
// for one that has none.
func dropComputed(hit meilisearch.Hit) error {
	if there := hit[vectors]; len(there) == 0 || bytes.Equal(there, []byte("{}")) {
		delete(hit, vectors)
		return nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(hit[vectors], &all); err != nil {
		return fmt.Errorf("its %s: %w", vectors, err)
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
