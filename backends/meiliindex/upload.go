package meiliindex

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// uploader sends documents to one index, and finds the documents that the server refuses.
type uploader struct {
	ix          *Index
	tenant, uid string
	primaryKey  *string      // set if the index has none yet; nil leaves the index's own
	gone        func() error // returns the error if documents are missing although their task succeeded
	shared      bool         // other processes may write to the index

	mu     sync.Mutex
	failed []reindex.ItemError // the products that the server has refused
	inARow int                 // the number of refused products since the last task that succeeded
}

// sending is a task and its documents, which are kept until the task has succeeded.
type sending struct {
	isolation

	task      *meilisearch.TaskInfo
	documents []document
}

// send sends the documents as one task, with body as its payload.
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
	text := fmt.Sprintf("a payload of %d bytes; Config.PayloadLimit is %d", bytes, u.ix.cfg.PayloadLimit)
	err := fmt.Errorf("meiliindex: writing %d of the products makes %s: %w", products, text, reindex.ErrTooLarge)
	return reindex.Public(err, fmt.Sprintf("the product is %v: it makes %s", reindex.ErrTooLarge, text))
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
