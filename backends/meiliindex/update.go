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

// errEmptied: the documents of a task that succeeded are not in its index.
var errEmptied = reindex.Public(errors.New("the documents of the index were deleted meanwhile"),
	"somebody has deleted all documents of the index")

// Update carries changes out in the tenant's live index and returns when their tasks have succeeded, after which
// searches see them: one task for all upserts, one for all deletions. A [*reindex.BatchError] lists the products that
// cannot become a document and those that the server refused; the other changes have been carried out. An Update that
// failed can be repeated, also if the server has accepted a task of it.
//
// The error matches [reindex.ErrNoLiveIndex] if nothing is live, also if that comes out only when the tasks have ended:
// a task of documents makes the index that it does not find, which Update then deletes. It matches [reindex.ErrDamaged]
// if the primary key of the live index is not Config.KeyAttribute, so that no reindex has made it.
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
	// Without a primary key for an index that has none: one that a task makes then differs from one that a reindex made.
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

// liveIndex returns the tenant's live index, provided that it can be changed.
func (ix *Index) liveIndex(ctx context.Context, tenant string) (*meilisearch.IndexResult, error) {
	live, err := ix.getIndex(ctx, ix.LiveUID(tenant))
	switch {
	case err != nil:
		return nil, err
	case live == nil:
		return nil, errNotLive(tenant)
	case live.PrimaryKey != ix.cfg.KeyAttribute:
		text := fmt.Sprintf("has the primary key %q, not %q, and was not made by a reindex", live.PrimaryKey,
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

// confirmLive makes sure that the live index is still the one that was created then. One that a task of documents has
// made in its place is deleted.
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

// strayTasks is how many of the last tasks of documents are looked at for the one that has made an index.
const strayTasks = 1000

// isStray reports whether a task of documents has made the index. The server works on one batch of tasks at a time, so
// that it is one during which the index was created.
func (ix *Index) isStray(ctx context.Context, index *meilisearch.IndexResult) (bool, error) {
	tasks, err := ix.client.GetTasksWithContext(ctx, &meilisearch.TasksQuery{
		IndexUIDS: []string{index.UID}, Types: []meilisearch.TaskType{meilisearch.TaskTypeDocumentAdditionOrUpdate}, Limit: strayTasks,
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
