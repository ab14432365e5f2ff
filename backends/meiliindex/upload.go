package meiliindex

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// uploader sends documents to one index, and finds those that the server refuses.
type uploader struct {
	ix          *Index
	tenant, uid string
	primaryKey  *string      // for an index that has none; nil: the index has to have one
	gone        func() error // is why documents are not there although their task succeeded
	shared      bool         // other processes write into the index at the same time

	mu     sync.Mutex
	failed []reindex.ItemError // what the server refused
	inARow int                 // of these, since a task of documents succeeded
}

// sending is a task and what it carries, kept until the task is known to have succeeded.
type sending struct {
	isolation

	task      *meilisearch.TaskInfo
	documents []document
}

// send sends documents, of which body is the payload, as one task.
func (u *uploader) send(ctx context.Context, documents []document, body []byte) (*sending, error) {
	if len(body) > u.ix.cfg.PayloadLimit && len(documents) > 1 {
		return nil, u.errTooLarge(len(documents), len(body))
	}
	info, err := u.post(ctx, body)
	if err != nil {
		return nil, err
	}
	return &sending{task: info, documents: documents}, nil
}

func (u *uploader) errTooLarge(products, bytes int) error {
	text := fmt.Sprintf("a payload of %d bytes, the limit is %d", bytes, u.ix.cfg.PayloadLimit)
	return reindex.Public(fmt.Errorf("meiliindex: %d products make %s: %w", products, text, reindex.ErrTooLarge),
		fmt.Sprintf("the product is %v: it makes %s", reindex.ErrTooLarge, text))
}

func (u *uploader) post(ctx context.Context, body []byte) (*meilisearch.TaskInfo, error) {
	info, err := u.ix.client.Index(u.uid).AddDocumentsNdjsonWithContext(ctx, body,
		&meilisearch.DocumentOptions{PrimaryKey: u.primaryKey})
	return info, explain(ctx, "documents.add", u.uid, err)
}

// refused returns the products that the server has refused so far.
func (u *uploader) refused() []reindex.ItemError {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.failed)
}
