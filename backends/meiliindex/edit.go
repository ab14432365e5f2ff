package meiliindex

import (
	"context"
	"errors"
	"fmt"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// Edit implements [reindex.Editor]. It applies the changes to the generation's index, with one task for all upserts and
// one for all deletions, and returns when the tasks have succeeded. A [*reindex.BatchError] lists the products that
// cannot become a document and those that the server refused; the other changes were applied. A failed Edit can be
// repeated, even if the server has accepted one of its tasks.
func (g *generation) Edit(ctx context.Context, changes []reindex.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.swap.asked || g.swap.applied || g.swap.lost || g.left {
		return fmt.Errorf("meiliindex: cannot edit index %s of tenant %q: it was committed or aborted", g.uid, g.tenant)
	}
	if err := g.noteEdit(ctx); err != nil {
		return err
	}
	if g.writer.oldest() != nil { // products of failed tasks must not be sent after the edits
		if err := g.settleAll(ctx); err != nil {
			return err
		}
	}
	err := g.uploader().apply(ctx, changes)
	if failedWith(err, codeIndexNotFound) {
		return fmt.Errorf("%w (%w)", g.errGone(), err)
	}
	return err
}

// uploader returns an uploader for the generation's index.
func (g *generation) uploader() *uploader {
	return &uploader{ix: g.ix, tenant: g.tenant, uid: g.uid, primaryKey: &g.ix.cfg.KeyAttribute, gone: g.errGone}
}

// apply sends the upserts as one task and the deletions as another, and waits for both. The ids of the changes are
// distinct, so the server may process both tasks at the same time.
func (u *uploader) apply(ctx context.Context, changes []reindex.Change) error {
	upserts, deletions := split(changes)
	// The server answers a deletion that is too large with status 500.
	if n := listSize(deletions); n > u.ix.cfg.PayloadLimit && len(deletions) > 1 {
		return u.errTooLarge(len(deletions), n)
	}
	documents, body, failed := u.ix.encode(upserts)
	var s *sending
	var deletion *meilisearch.TaskInfo
	var err error
	if len(documents) > 0 {
		if s, err = u.send(ctx, documents, body); err != nil {
			return err
		}
	}
	if len(deletions) > 0 {
		if deletion, err = u.remove(ctx, deletions); err != nil {
			return err
		}
	}
	if s != nil {
		if err := u.settle(ctx, s); err != nil {
			return err
		}
	}
	if deletion != nil {
		if err := u.settleRemoval(ctx, deletion, deletions); err != nil {
			return err
		}
	}
	if failed = append(failed, u.refused()...); len(failed) > 0 {
		return &reindex.BatchError{Items: failed}
	}
	return nil
}

// split returns the products of the upserts and the keys of the deletions. It leaves out ids that are too long for a
// key, which no index can have.
func split(changes []reindex.Change) (upserts []reindex.Product, deletions []string) {
	for _, c := range changes {
		if !c.Delete {
			upserts = append(upserts, reindex.Product{ID: c.ID, Body: c.Body})
		} else if key := encodeName(c.ID); len(key) <= MaxKeyBytes {
			deletions = append(deletions, key)
		}
	}
	return upserts, deletions
}

// listSize returns the length of keys as a JSON array, in bytes.
func listSize(keys []string) int {
	size := len("[]")
	for _, key := range keys {
		size += len(key) + len(`"",`)
	}
	return size
}

// settle waits for a task. If the task failed, settle sends its documents again without the bad ones.
func (u *uploader) settle(ctx context.Context, s *sending) error {
	good, err := u.examine(ctx, s)
	if good || err != nil {
		return err
	}
	if err := u.idle(ctx); err != nil {
		return err
	}
	return u.isolate(ctx, s)
}

// remove enqueues the deletion of the documents with these keys.
func (u *uploader) remove(ctx context.Context, keys []string) (*meilisearch.TaskInfo, error) {
	info, err := u.ix.client.Index(u.uid).DeleteDocumentsWithContext(ctx, keys, nil)
	return info, explain(ctx, "documents.delete", u.uid, err)
}

// settleRemoval waits for a deletion of documents. A deletion can fail because of a bad document in its batch;
// settleRemoval then sends it again, alone.
func (u *uploader) settleRemoval(ctx context.Context, info *meilisearch.TaskInfo, keys []string) error {
	task, err := u.ix.await(ctx, info)
	if err == nil {
		err = outcome(task)
	}
	failed, isTask := errors.AsType[*taskError](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNoTask), errors.Is(err, errCanceled), isTask && !failed.system:
	default:
		return err
	}
	if err := u.idle(ctx); err != nil {
		return err
	}
	if info, err = u.remove(ctx, keys); err != nil {
		return err
	}
	return u.ix.awaitSuccess(ctx, info)
}
