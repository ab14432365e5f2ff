package meiliindex

import (
	"context"
	"errors"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// Reap deletes the tenant's indexes that a generation has left: those of this Index that it does not use any more, those whose fencing
// token is smaller than that of ctx, and those of other processes that have been left alone for Config.StaleAfter. It touches nothing
// but indexes that only this package can have named, and none that a task which has not ended belongs to.
func (ix *Index) Reap(ctx context.Context, tenant string) (int, error) {
	token, fenced := reindex.Fence(ctx)
	if !fenced {
		token = noToken
	}
	leftovers, err := ix.staging(ctx, tenant, func(n stagingName, index *meilisearch.IndexResult) bool {
		switch {
		case n.instance == ix.instance:
			return !ix.isOpen(index.UID)
		case n.token != noToken && token != noToken:
			return n.token < token
		}
		return ix.cfg.StaleAfter < 0 || time.Since(index.UpdatedAt) > ix.cfg.StaleAfter
	})
	removed := 0
	errs := []error{err}
	for _, uid := range leftovers {
		existed, err := ix.reapOne(ctx, uid)
		errs = append(errs, err)
		if existed {
			removed++
		}
	}
	return removed, errors.Join(errs...)
}

func (ix *Index) isOpen(uid string) bool {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.open[uid]
}

// reapOne deletes an index unless tasks of it wait: it is being deleted already, or is about to be made live.
func (ix *Index) reapOne(ctx context.Context, uid string) (existed bool, err error) {
	n, err := ix.waiting(ctx, meilisearch.TasksQuery{IndexUIDS: []string{uid}})
	if err != nil || n > 0 {
		return false, err
	}
	return ix.deleteIndex(ctx, uid)
}

const indexesPage = 200

// staging lists the indexes of the tenant's generations that selected says yes to.
func (ix *Index) staging(
	ctx context.Context, tenant string, selected func(stagingName, *meilisearch.IndexResult) bool,
) (uids []string, err error) {
	for offset := int64(0); ; offset += indexesPage {
		page, err := ix.client.ListIndexesWithContext(ctx, &meilisearch.IndexesQuery{Limit: indexesPage, Offset: offset})
		if err != nil {
			return nil, explain(ctx, "indexes.get", "", err)
		}
		for _, index := range page.Results {
			if n, ok := ix.parseStaging(tenant, index.UID); ok && selected(n, index) {
				uids = append(uids, index.UID)
			}
		}
		if len(page.Results) == 0 || offset+indexesPage >= page.Total {
			return uids, nil
		}
	}
}
