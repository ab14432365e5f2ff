package meiliindex

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/meilisearch/meilisearch-go"
)

// The live index always has the same uid. So the swap that replaces an index gives it the name of the generation that
// goes live. That is a name with two stamps, of both of them: whichever of the two has it, the name describes it, also
// if the process stops before the swap or right after it.

// kept returns the stamp of the index if it was live.
func (s staging) kept() (stamp, bool) {
	for _, is := range s.stamps {
		if is.created == s.created.UnixNano() && is.replaced > 0 {
			return is, true
		}
	}
	return stamp{}, false
}

// keptIndex is an index that was live.
type keptIndex struct {
	staging

	stamp stamp
}

// keptAmong returns those of the indexes that were live, the one that was replaced last first.
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

// kept returns those of the indexes that were live and that Config keeps.
func (ix *Index) kept(tenant string, all []staging) []keptIndex {
	kept := keptAmong(all)
	over := ix.beyond(tenant, kept)
	return slices.DeleteFunc(kept, func(k keptIndex) bool { return slices.Contains(over, k.uid) })
}

// beyond returns those of the kept indexes that are too old or too many. One that is open to go back to stays.
func (ix *Index) beyond(tenant string, kept []keptIndex) (uids []string) {
	for i, k := range kept {
		old := ix.cfg.KeepFor > 0 && ix.now().Sub(time.Unix(0, k.stamp.replaced)) >= ix.cfg.KeepFor
		if (old || i >= ix.cfg.KeepPrevious) && !ix.isOpen(tenant, k.stagingName) {
			uids = append(uids, k.uid)
		}
	}
	return uids
}

// keeps reports whether the swap keeps the index that is live.
func (g *generation) keeps() bool { return g.ix.cfg.KeepPrevious > 0 || g.back }

// prepareToKeep gives the generation a name that also describes the live index, which gets it by the swap.
func (g *generation) prepareToKeep(ctx context.Context, live *meilisearch.IndexResult) error {
	all, err := g.ix.list(ctx, g.tenant)
	if err != nil {
		return err
	}
	replaced := g.ix.now().UnixNano()
	if kept := keptAmong(all); len(kept) > 0 { // whatever the clocks say, it is replaced later
		replaced = max(replaced, kept[0].stamp.replaced+1)
	}
	is := stamp{live.CreatedAt.UnixNano(), replaced, g.ix.countToKeep(ctx, live.UID)}
	if now := g.id.stamps[1]; now.created == is.created && now.documents == is.documents {
		return g.move(ctx, g.id) // an earlier try has got so far
	}
	to := g.id
	to.stamps = [2]stamp{g.own(), is}
	if err := g.move(ctx, to); err != nil {
		return err
	}
	g.id = to
	return nil
}

// own is the stamp of the generation.
func (g *generation) own() stamp {
	if g.back {
		return g.id.stamps[0]
	}
	return stamp{created: g.created.UnixNano(), documents: -1}
}

// countToKeep returns how many documents an index holds that is about to be replaced, -1 if that cannot be found out.
func (ix *Index) countToKeep(ctx context.Context, uid string) int64 {
	n, err := ix.waiting(ctx, meilisearch.TasksQuery{IndexUIDS: []string{uid}})
	documents := int64(-1)
	if err == nil && n == 0 {
		documents, err = ix.countDocuments(ctx, uid)
	}
	if err != nil {
		ix.cfg.Logger.WarnContext(ctx, "the live index cannot be counted, it is kept as it is", "index", uid, "error", err)
		return -1
	}
	return documents
}

// prune has the indexes deleted that Config does not keep any longer, which Commit does not wait for. Reap repeats a
// deletion that failed.
func (ix *Index) prune(ctx context.Context, tenant string) {
	all, err := ix.list(ctx, tenant)
	for _, uid := range ix.beyond(tenant, keptAmong(all)) {
		if _, failed := ix.client.DeleteIndexWithContext(ctx, uid); failed != nil {
			err = explain(ctx, "indexes.delete", uid, failed)
		}
	}
	if err != nil {
		ix.cfg.Logger.WarnContext(ctx, "deleting the indexes that are not kept any longer failed, a later run deletes them",
			"tenant", tenant, "error", err)
	}
}
