package meiliindex

import (
	"context"
	"fmt"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

var _ reindex.Rollbacker = (*Index)(nil)

// Rollback implements [reindex.Rollbacker]. It needs Config.KeepPrevious. Rollback refuses an index that holds fewer
// documents than when it was replaced, or that another program has created. A refusal changes nothing.
//
// Commit swaps the kept index with the live one in one task. It keeps the replaced index whatever Config.KeepPrevious
// is; the next run deletes indexes beyond that number.
func (ix *Index) Rollback(ctx context.Context, tenant, generation string) (reindex.Generation, error) {
	return opened(ix.goBack(ctx, tenant, generation))
}

func (ix *Index) goBack(ctx context.Context, tenant, name string) (*generation, error) {
	token, fenced, err := ix.ready(ctx, tenant)
	if err != nil {
		return nil, err
	}
	all, err := ix.list(ctx, tenant)
	if err != nil {
		return nil, err
	}
	k, err := ix.choose(ctx, tenant, ix.kept(tenant, all), name)
	if err != nil {
		return nil, err
	}
	if err := ix.holds(ctx, k); err != nil {
		return nil, fmt.Errorf("meiliindex: tenant %q cannot roll back to generation %s; nothing was changed: %w",
			tenant, generationName(k.created), err)
	}
	if err := ix.checkToken(tenant, "", token, all); fenced && err != nil {
		return nil, err
	}
	g := ix.newGeneration(tenant, token)
	g.back, g.sealed, g.closed, g.created, g.uid, g.writer.docs.uid = true, true, true, k.created, k.uid, k.uid
	g.id.stamps[0] = k.stamp
	if err := g.claim(ctx, fenced); err != nil {
		g.unregister()
		return nil, err
	}
	return g, nil
}

// choose returns the kept index of that name, or the latest replaced one if the name is empty.
func (ix *Index) choose(ctx context.Context, tenant string, kept []keptIndex, name string) (k keptIndex, err error) {
	live, err := ix.getIndex(ctx, ix.LiveUID(tenant))
	switch {
	case err != nil:
		return k, err
	case live != nil && generationName(live.CreatedAt) == name:
		return k, fmt.Errorf("meiliindex: tenant %q, generation %s: %w", tenant, name, reindex.ErrCommitted)
	}
	for _, k := range kept {
		if name == "" || generationName(k.created) == name {
			return k, nil
		}
	}
	if name == "" {
		return k, fmt.Errorf("meiliindex: tenant %q: %w; set Config.KeepPrevious to keep replaced generations",
			tenant, reindex.ErrNoPrevious)
	}
	return k, fmt.Errorf("meiliindex: tenant %q, generation %s: %w", tenant, name, reindex.ErrNoPrevious)
}

// holds returns an error if the index has another primary key, or holds fewer documents than when it was replaced.
func (ix *Index) holds(ctx context.Context, k keptIndex) error {
	if k.primaryKey != ix.cfg.KeyAttribute {
		return fmt.Errorf("its primary key is %q, not %q: %w", k.primaryKey, ix.cfg.KeyAttribute, reindex.ErrDamaged)
	}
	documents, err := ix.countDocuments(ctx, k.uid)
	if err == nil && documents < k.stamp.documents {
		err = fmt.Errorf("%w: it holds %d products, and held %d when it was replaced",
			reindex.ErrDamaged, max(0, documents), k.stamp.documents)
	}
	return err
}

// claim makes this generation the owner of the kept index: it creates a mark, takes over from older runs, and changes
// the uid of the index, so that an earlier owner cannot edit it.
func (g *generation) claim(ctx context.Context, fenced bool) error {
	if fenced {
		if err := g.leaveMark(ctx); err != nil {
			return err
		}
		if err := g.takeOver(ctx); err != nil {
			return err
		}
	}
	return g.move(ctx, g.id)
}

// noteEdit removes the number of documents from the uid of a kept index, since an edit can change it.
func (g *generation) noteEdit(ctx context.Context) error {
	if !g.back || g.id.stamps[0].documents < 0 {
		return nil
	}
	to := g.id
	to.stamps[0].documents = -1
	if err := g.move(ctx, to); err != nil {
		return err
	}
	g.id = to
	return nil
}

// withdraw changes the uid of the generation's index, so that no swap in progress can make it live, and returns the
// index. If the swap was already applied, the returned index is the replaced one. It returns nil if there is no index.
func (g *generation) withdraw(ctx context.Context) (*staging, error) {
	to := g.id
	to.number = g.ix.nextNumber()
	uid := g.ix.stagingUID(g.tenant, to)
	info, err := g.ix.client.SwapIndexesWithContext(ctx,
		[]*meilisearch.SwapIndexesParams{{Indexes: []string{g.uid, uid}, Rename: true}})
	if err != nil {
		return nil, explain(ctx, "indexes.swap", g.uid, err)
	}
	if err := g.ix.awaitSuccess(ctx, info); err != nil && !failedWith(err, codeIndexNotFound) {
		if err := g.ix.noSwaps(ctx); err != nil {
			return nil, err
		}
	}
	index, err := g.ix.getIndex(ctx, uid)
	if err != nil || index == nil {
		return nil, err
	}
	return &staging{stagingName: to, uid: uid, created: index.CreatedAt}, nil
}

// leave ends a generation whose swap would keep the live index. It deletes a new index unless that is live. A kept
// index stays kept.
func (g *generation) leave(ctx context.Context) error {
	defer g.unregister()
	g.left = true
	own := []string{g.uid}
	if g.next != nil {
		own = append(own, g.next.uid)
	}
	if g.swap.asked || g.swap.lost {
		index, err := g.withdraw(ctx)
		if err != nil || index == nil || !index.created.Equal(g.created) {
			return err
		}
		own = []string{index.uid}
	}
	if g.back {
		return nil
	}
	_, err := g.ix.remove(ctx, own...)
	return err
}

// Generations implements [reindex.Rollbacker]. Bytes is the size of the databases of an index; a server before 1.16
// does not report it.
func (ix *Index) Generations(ctx context.Context, tenant string) ([]reindex.GenerationInfo, error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return nil, fmt.Errorf("meiliindex: %w", err)
	}
	live, err := ix.getIndex(ctx, ix.LiveUID(tenant))
	if err != nil {
		return nil, err
	}
	all, err := ix.list(ctx, tenant)
	if err != nil {
		return nil, err
	}
	var infos []reindex.GenerationInfo
	var uids []string
	add := func(uid string, info reindex.GenerationInfo) {
		info.Name, info.Created = generationName(info.Created), info.Created.UTC()
		infos, uids = append(infos, info), append(uids, uid)
	}
	if live != nil {
		add(live.UID, reindex.GenerationInfo{Live: true, Created: live.CreatedAt})
	}
	for _, k := range ix.kept(tenant, all) {
		if live == nil || !live.CreatedAt.Equal(k.created) { // otherwise it has become live meanwhile
			add(k.uid, reindex.GenerationInfo{Created: k.created, Replaced: time.Unix(0, k.stamp.replaced).UTC()})
		}
	}
	for i := range infos {
		infos[i].Documents, infos[i].Bytes = ix.measure(ctx, uids[i])
	}
	return infos, ctx.Err()
}

// measure returns the number of documents of an index and its size on disk, in bytes. Each is -1 if it is not known.
func (ix *Index) measure(ctx context.Context, uid string) (documents, bytes int64) {
	stats, err := ix.client.Index(uid).GetStatsWithContext(ctx,
		&meilisearch.StatsParams{ShowInternalDatabaseSizes: true, SizeFormat: "raw"})
	if isBadRequest(err) { // the server does not know the parameters
		stats, err = ix.client.Index(uid).GetStatsWithContext(ctx, nil)
	}
	if err != nil {
		ix.cfg.Logger.WarnContext(ctx, "cannot get the size of an index", "index", uid,
			"error", explain(ctx, "stats.get", uid, err))
		return -1, -1
	}
	bytes = -1
	for _, size := range stats.InternalDatabaseSizes {
		if n, ok := size.(float64); ok {
			bytes = max(0, bytes) + int64(n)
		}
	}
	return stats.NumberOfDocuments, bytes
}
