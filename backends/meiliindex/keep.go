package meiliindex

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/meilisearch/meilisearch-go"
)

// The live index always has the same uid. So the swap that replaces it gives it the uid of the generation that becomes
// live. That uid has two stamps, which describe the two indexes. Whichever of the two has the uid, one of the stamps
// describes it, even if the process ends right before or right after the swap.

// kept returns the stamp of the index if it is a replaced one.
func (s staging) kept() (stamp, bool) {
	for _, is := range s.stamps {
		if is.created == s.created.UnixNano() && is.replaced > 0 {
			return is, true
		}
	}
	return stamp{}, false
}

// keptIndex is the index of a kept generation.
type keptIndex struct {
	staging

	stamp stamp
}

// keptAmong returns those of the indexes that were replaced, the latest replaced first.
func keptAmong(all []staging) (kept []keptIndex) {
	for _, s := range all {
		if is, ok := s.kept(); ok {
			kept = append(kept, keptIndex{s, is})
		}
	}
	slices.SortFunc(kept, func(a, b keptIndex) int {
		return cmp.Or(cmp.Compare(b.stamp.replaced, a.stamp.replaced), cmp.Compare(b.stamp.created, a.stamp.created))
	})
	return kept
}

// kept returns those of the indexes that were replaced and that Config keeps, the latest replaced first.
func (ix *Index) kept(tenant string, all []staging) []keptIndex {
	kept := keptAmong(all)
	over := ix.beyond(tenant, kept)
	return slices.DeleteFunc(kept, func(k keptIndex) bool { return slices.Contains(over, k.uid) })
}

// beyond returns the uids of the kept indexes that are older than Config.KeepFor or come after the first
// Config.KeepPrevious ones, except for those that a rollback has open.
func (ix *Index) beyond(tenant string, kept []keptIndex) (uids []string) {
	for i, k := range kept {
		old := ix.cfg.KeepFor > 0 && ix.now().Sub(time.Unix(0, k.stamp.replaced)) >= ix.cfg.KeepFor
		if (old || i >= ix.cfg.KeepPrevious) && !ix.isOpen(tenant, k.stagingName) {
			uids = append(uids, k.uid)
		}
	}
	return uids
}

// keeps reports whether the swap keeps the replaced index.
func (g *generation) keeps() bool { return g.ix.cfg.KeepPrevious > 0 || g.back }

// prepareToKeep changes the uid of the generation to one that also describes the live index, which gets this uid by the
// swap.
func (g *generation) prepareToKeep(ctx context.Context, live *meilisearch.IndexResult) error {
	all, err := g.ix.list(ctx, g.tenant)
	if err != nil {
		return err
	}
	replaced := g.ix.now().UnixNano()
	if kept := keptAmong(all); len(kept) > 0 { // keep the order, even if the clocks of two processes differ
		replaced = max(replaced, kept[0].stamp.replaced+1)
	}
	is := stamp{live.CreatedAt.UnixNano(), replaced, g.ix.countToKeep(ctx, live.UID)}
	if now := g.id.stamps[1]; now.created == is.created && now.documents == is.documents {
		return g.move(ctx, g.id) // an earlier attempt has begun this move
	}
	to := g.id
	to.stamps = [2]stamp{g.own(), is}
	if err := g.move(ctx, to); err != nil {
		return err
	}
	g.id = to
	return nil
}

// own returns the stamp of the generation.
func (g *generation) own() stamp {
	if g.back {
		return g.id.stamps[0]
	}
	return stamp{created: g.created.UnixNano(), documents: -1}
}

// countToKeep returns the number of documents in an index that is about to be replaced, or -1 if it is not known.
func (ix *Index) countToKeep(ctx context.Context, uid string) int64 {
	n, err := ix.waiting(ctx, meilisearch.TasksQuery{IndexUIDS: []string{uid}})
	documents := int64(-1)
	if err == nil && n == 0 {
		documents, err = ix.countDocuments(ctx, uid)
	}
	if err != nil {
		ix.cfg.Logger.WarnContext(ctx, "cannot count the live index; it is kept without a number of products",
			"index", uid, "error", err)
		return -1
	}
	return documents
}

// prune starts the deletion of the indexes that Config no longer keeps, and does not wait for it. It logs a failure; a
// later Reap then deletes them.
func (ix *Index) prune(ctx context.Context, tenant string) {
	all, err := ix.list(ctx, tenant)
	for _, uid := range ix.beyond(tenant, keptAmong(all)) {
		if _, failed := ix.client.DeleteIndexWithContext(ctx, uid); failed != nil {
			err = explain(ctx, "indexes.delete", uid, failed)
		}
	}
	if err != nil {
		ix.cfg.Logger.WarnContext(ctx, "cannot delete the indexes that are no longer kept; a later run deletes them",
			"tenant", tenant, "error", err)
	}
}
