package meiliindex

import (
	"context"
	"errors"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// Reap implements [reindex.Reaper]. It deletes the indexes of dead runs of the tenant: those that this Index created
// and no longer uses, those whose fencing token is smaller than that of ctx, and those of other processes that have not
// changed for Config.StaleAfter. It also deletes the generations that Config.KeepPrevious and Config.KeepFor no longer
// keep. It never deletes an index whose uid does not have the form that this package uses. Reap returns when the
// deletions have ended.
func (ix *Index) Reap(ctx context.Context, tenant string) (int, error) {
	token, fenced := reindex.Fence(ctx)
	if !fenced {
		token = noToken
	}
	all, err := ix.list(ctx, tenant)
	if err != nil {
		return 0, err
	}
	dead, errs := ix.beyond(tenant, keptAmong(all)), []error(nil)
	for _, s := range all {
		if _, kept := s.kept(); kept {
			continue
		}
		leftover, err := ix.isLeftover(ctx, tenant, s, token)
		errs = append(errs, err)
		if leftover {
			dead = append(dead, s.uid)
		}
	}
	removed, err := ix.remove(ctx, dead...)
	return removed, errors.Join(append(errs, err)...)
}

// isLeftover reports whether the index belongs to a dead run.
func (ix *Index) isLeftover(ctx context.Context, tenant string, s staging, token int64) (bool, error) {
	switch {
	case s.isMark():
		return false, nil
	case ix.isOpen(tenant, s.stagingName):
		return false, nil
	case s.instance == ix.instance:
		return true, nil
	case s.token != noToken && token != noToken:
		return s.isOlder(token), nil
	case ix.cfg.StaleAfter < 0:
		return true, nil
	}
	return ix.staysStale(ctx, s.uid)
}

// staysStale reports whether the index has not changed for Config.StaleAfter. It waits until the tasks of the index
// have ended: one of them may delete the index, make it live, or show that its run continues.
func (ix *Index) staysStale(ctx context.Context, uid string) (stale bool, err error) {
	err = ix.poll(ctx, func() (done bool, err error) {
		waiting, err := ix.waiting(ctx, meilisearch.TasksQuery{IndexUIDS: []string{uid}})
		if err != nil {
			return false, err
		}
		index, err := ix.getIndex(ctx, uid)
		stale = index != nil && ix.now().Sub(index.UpdatedAt) > ix.cfg.StaleAfter
		return waiting == 0 || !stale, err
	})
	return stale && err == nil, err
}
