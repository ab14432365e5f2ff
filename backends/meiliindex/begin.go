package meiliindex

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// Begin implements [reindex.Indexer]. It creates the index of the generation, applies the settings, and waits for both
// tasks. If ctx has a fencing token, Begin deletes the generations with smaller tokens, so that they cannot become live
// any more. The error matches [reindex.ErrFenced] if the token is not greater than the tokens of all earlier
// generations.
func (ix *Index) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	return opened(ix.begin(ctx, tenant))
}

// opened returns the results of begin, resume and goBack as an interface. A nil *generation would not be a nil
// [reindex.Generation].
func opened(g *generation, err error) (reindex.Generation, error) {
	if err != nil {
		return nil, err
	}
	return g, nil
}

func (ix *Index) begin(ctx context.Context, tenant string) (*generation, error) {
	token, fenced, err := ix.ready(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if fenced {
		all, err := ix.list(ctx, tenant)
		if err != nil {
			return nil, err
		}
		if err := ix.checkToken(tenant, "", token, all); err != nil {
			return nil, err
		}
	}
	settings, err := ix.settings(ctx, tenant)
	if err != nil {
		return nil, err
	}
	g := ix.newGeneration(tenant, token)
	if err = g.create(ctx, settings); err == nil && fenced {
		err = g.takeOver(ctx)
	}
	if err != nil {
		g.giveUp(ctx)
		return nil, err
	}
	return g, nil
}

// ready checks the tenant and the server's version, and returns the fencing token of the run, or noToken.
func (ix *Index) ready(ctx context.Context, tenant string) (token int64, fenced bool, err error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return 0, false, fmt.Errorf("meiliindex: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return 0, false, err
	}
	if err := ix.checkVersion(ctx); err != nil {
		return 0, false, err
	}
	if token, fenced = reindex.Fence(ctx); !fenced {
		token = noToken
	}
	return token, fenced, nil
}

// newGeneration returns a generation with a new uid, and registers it as in use.
func (ix *Index) newGeneration(tenant string, token int64) *generation {
	g := &generation{
		ix: ix, tenant: tenant, live: ix.LiveUID(tenant),
		id: stagingName{instance: ix.instance, token: token, number: ix.nextNumber()},
	}
	g.uid = ix.stagingUID(tenant, g.id)
	g.mark = ix.stagingUID(tenant, markName(ix.instance, token, 0))
	g.writer = newWriter(ix, g.uploader())
	ix.register(g.uid, g)
	return g
}

// discardFor limits the time that a failed Begin takes to delete its index.
const discardFor = 10 * time.Second

// giveUp discards the generation of a failed Begin.
func (g *generation) giveUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardFor)
	defer cancel()
	if err := g.discard(ctx); err != nil {
		g.ix.cfg.Logger.WarnContext(ctx, "cannot delete the index of a run that failed to begin; a later run deletes it",
			"tenant", g.tenant, "index", g.uid, "error", err)
	}
}

// register records that the index belongs to a generation in use.
func (ix *Index) register(uid string, g *generation) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.open[uid] = g
}

func (ix *Index) nextNumber() uint32 {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.number++
	return ix.number
}

// unregister records that the generation's indexes are no longer in use, except for those that another generation of
// this process has taken over.
func (g *generation) unregister() {
	g.ix.mu.Lock()
	defer g.ix.mu.Unlock()
	for _, uid := range []string{g.ix.stagingUID(g.tenant, g.id.base()), g.resumes} {
		if g.ix.open[uid] == g {
			delete(g.ix.open, uid)
		}
	}
}

// isOpen reports whether the index of that name belongs to a generation in use.
func (ix *Index) isOpen(tenant string, n stagingName) bool { return ix.owner(tenant, n) != nil }

// owner returns the generation in use to which the index of that name belongs, or nil if there is none.
func (ix *Index) owner(tenant string, n stagingName) *generation {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.open[ix.stagingUID(tenant, n.base())]
}

// settings returns the settings of a new index: Config.Settings, or else those of the live index. They are nil if there
// is no live index.
func (ix *Index) settings(ctx context.Context, tenant string) (*meilisearch.Settings, error) {
	if ix.cfg.Settings != nil {
		return ix.cfg.Settings, nil
	}
	live := ix.LiveUID(tenant)
	settings, err := ix.client.Index(live).GetSettingsWithContext(ctx)
	var e *meilisearch.Error
	switch {
	case isMissing(err):
		return nil, nil //nolint:nilnil // no settings is an answer
	case errors.As(err, &e) && e.ErrCode == meilisearch.ErrCodeResponseUnmarshalBody:
		const text = "cannot be copied: the client does not understand them; set Config.Settings"
		return nil, reindex.Public(fmt.Errorf("meiliindex: the settings of %s %s", live, text),
			"the settings of the live index "+text)
	case err != nil:
		return nil, explain(ctx, "settings.get", live, err)
	case len(settings.Embedders) > 0: // the server masks their keys
		const text = "cannot be copied: they have embedders, whose keys the server does not show; set Config.Settings"
		return nil, reindex.Public(fmt.Errorf("meiliindex: the settings of %s %s", live, text),
			"the settings of the live index "+text)
	}
	return settings, nil
}

// create creates the generation's index and its mark. It records the creation time that the server gives, which
// identifies the index even if its uid changes.
func (g *generation) create(ctx context.Context, settings *meilisearch.Settings) error {
	tasks, err := g.enqueueCreation(ctx, settings)
	if err != nil {
		return err
	}
	mark, err := g.enqueueMark(ctx)
	if err != nil {
		return err
	}
	for _, task := range tasks {
		if err := g.ix.awaitSuccess(ctx, task); err != nil {
			return err
		}
	}
	if err := g.awaitMark(ctx, mark); err != nil {
		return err
	}
	index, err := g.ix.getIndex(ctx, g.uid)
	if err == nil && index == nil {
		err = reindex.Public(
			fmt.Errorf("meiliindex: index %s of tenant %q was deleted right after it was created", g.uid, g.tenant),
			"somebody deleted the new index right after it was created")
	}
	if err == nil {
		g.created = index.CreatedAt
	}
	return err
}

func (g *generation) enqueueCreation(ctx context.Context,
	settings *meilisearch.Settings) (tasks []*meilisearch.TaskInfo, err error) {
	cfg := &g.ix.cfg
	first := &meilisearch.IndexConfig{Uid: g.uid, PrimaryKey: cfg.KeyAttribute}
	info, err := g.ix.client.CreateIndexWithContext(ctx, first)
	if err != nil {
		return nil, explain(ctx, "indexes.create", g.uid, err)
	}
	tasks = append(tasks, info)
	if settings == nil {
		return tasks, nil
	}
	index := g.ix.client.Index(g.uid)
	if info, err = index.UpdateSettingsWithContext(ctx, settings); err != nil {
		return nil, explain(ctx, "settings.update", g.uid, err)
	}
	tasks = append(tasks, info)
	if cfg.Settings == nil && !settings.FacetSearch { // the client does not send false
		if info, err = index.UpdateFacetSearchWithContext(ctx, false); err != nil {
			return nil, explain(ctx, "settings.update", g.uid, err)
		}
		tasks = append(tasks, info)
	}
	return tasks, nil
}

// enqueueMark enqueues the creation of the generation's mark, if the generation has a token.
func (g *generation) enqueueMark(ctx context.Context) (*meilisearch.TaskInfo, error) {
	if g.id.token == noToken {
		return nil, nil //nolint:nilnil // no task is an answer
	}
	info, err := g.ix.client.CreateIndexWithContext(ctx, &meilisearch.IndexConfig{Uid: g.mark})
	return info, explain(ctx, "indexes.create", g.mark, err)
}

// awaitMark waits for the task that creates the mark, if there is one. The mark may already exist, from an earlier
// attempt of this run.
func (g *generation) awaitMark(ctx context.Context, task *meilisearch.TaskInfo) error {
	if task == nil {
		return nil
	}
	if err := g.ix.awaitSuccess(ctx, task); err != nil && !failedWith(err, codeIndexExists) {
		return err
	}
	return nil
}

// leaveMark creates the generation's mark and waits for it.
func (g *generation) leaveMark(ctx context.Context) error {
	task, err := g.enqueueMark(ctx)
	if err != nil {
		return err
	}
	return g.awaitMark(ctx, task)
}
