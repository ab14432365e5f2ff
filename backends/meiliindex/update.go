package meiliindex

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// errEmptied means that documents are missing from the index although their task succeeded.
var errEmptied = reindex.Public(errors.New("the documents of the index were deleted meanwhile"),
	"somebody has deleted all documents of the index")

// Update implements [reindex.Updater]. It applies the changes to the tenant's live index, with one task for all upserts
// and one for all deletions, and returns when the tasks have succeeded. Searches then see the changes. A
// [*reindex.BatchError] lists the products that cannot become a document and those that the server refused; the other
// changes were applied. A failed Update can be repeated, even if the server has accepted one of its tasks.
//
// The error matches [reindex.ErrNoLiveIndex] if there is no live index, even if the index is deleted during the call: a
// task of documents then creates it again, and Update deletes that index. The error matches [reindex.ErrDamaged] if the
// primary key of the live index is not Config.KeyAttribute, since another program must have created it.
func (ix *Index) Update(ctx context.Context, tenant string, changes []reindex.Change) error {
	if err := reindex.CheckTenant(tenant); err != nil {
		return fmt.Errorf("meiliindex: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	live, err := ix.liveIndex(ctx, tenant)
	if err != nil {
		return err
	}
	// The primary key is left out, so that an index that a task creates differs from an index that a run has created.
	u := &uploader{ix: ix, tenant: tenant, uid: ix.LiveUID(tenant), gone: func() error { return errEmptied }}
	err = u.apply(ctx, changes)
	if _, temporary := errors.AsType[*reindex.TemporaryError](err); temporary || ctx.Err() != nil {
		return err
	}
	if changed := ix.confirmLive(ctx, tenant, live.CreatedAt); changed != nil {
		return changed
	}
	if errors.Is(err, errEmptied) {
		return reindex.Temporary(err)
	}
	return err
}

// liveIndex returns the tenant's live index. The error matches [reindex.ErrNoLiveIndex] if there is none, and
// [reindex.ErrDamaged] if no run has created it.
func (ix *Index) liveIndex(ctx context.Context, tenant string) (*meilisearch.IndexResult, error) {
	live, err := ix.getIndex(ctx, ix.LiveUID(tenant))
	switch {
	case err != nil:
		return nil, err
	case live == nil:
		return nil, errNotLive(tenant)
	case live.PrimaryKey != ix.cfg.KeyAttribute:
		text := fmt.Sprintf("has the primary key %q, not %q, and was not created by a reindex", live.PrimaryKey,
			ix.cfg.KeyAttribute)
		return nil, reindex.Public(fmt.Errorf("meiliindex: index %s of tenant %q %s: %w", live.UID, tenant, text,
			reindex.ErrDamaged),
			"the live index "+text+"; reindex this tenant")
	}
	return live, nil
}

func errNotLive(tenant string) error {
	return fmt.Errorf("meiliindex: tenant %q: %w", tenant, reindex.ErrNoLiveIndex)
}

// confirmLive returns an error unless the live index is still the one with this creation time. It deletes an index that
// a task of documents has created instead.
func (ix *Index) confirmLive(ctx context.Context, tenant string, created time.Time) error {
	uid := ix.LiveUID(tenant)
	live, err := ix.getIndex(ctx, uid)
	switch {
	case err != nil:
		return err
	case live == nil:
		return errNotLive(tenant)
	case live.CreatedAt.Equal(created):
		return nil
	}
	stray, err := ix.isStray(ctx, live)
	if err != nil {
		return err
	}
	if !stray {
		const text = "was replaced while it was updated"
		return reindex.Temporary(reindex.Public(fmt.Errorf("meiliindex: index %s of tenant %q %s", uid, tenant, text),
			"the live index "+text))
	}
	_, err = ix.remove(ctx, uid)
	return cmp.Or(err, errNotLive(tenant))
}

// strayTasks is the number of latest tasks of documents among which isStray looks for the one that created an index.
const strayTasks = 1000

// isStray reports whether a task of documents has created the index. The server processes one batch of tasks at a time,
// so isStray looks for a task during which the index was created.
func (ix *Index) isStray(ctx context.Context, index *meilisearch.IndexResult) (bool, error) {
	tasks, err := ix.client.GetTasksWithContext(ctx, &meilisearch.TasksQuery{
		IndexUIDS: []string{index.UID}, Limit: strayTasks,
		Types: []meilisearch.TaskType{meilisearch.TaskTypeDocumentAdditionOrUpdate},
	})
	if err != nil {
		return false, explain(ctx, "tasks.get", index.UID, err)
	}
	for _, t := range tasks.Results {
		if ended(&t) && !t.StartedAt.After(index.CreatedAt) && !t.FinishedAt.Before(index.CreatedAt) {
			return true, nil
		}
	}
	return false, nil
}
