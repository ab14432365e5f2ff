package meiliindex

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// Begin creates an index of its own for the generation, with the settings that it will have, and waits for both. If ctx
// has a fencing token, the generations with smaller ones are deleted, so that their runs cannot publish them any more.
// A token that is not greater than that of every generation before is refused with an error that matches
// [reindex.ErrFenced].
func (ix *Index) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return nil, fmt.Errorf("meiliindex: %w", err)
	}
	g, err := ix.begin(ctx, tenant)
	if err != nil {
		return nil, err // not g: a nil *generation is not a nil Generation
	}
	return g, nil
}

func (ix *Index) begin(ctx context.Context, tenant string) (*generation, error) {
	token, fenced, err := ix.ready(ctx)
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

// ready checks that the server is one to write to, and returns the fencing token of the run, or noToken.
func (ix *Index) ready(ctx context.Context) (token int64, fenced bool, err error) {
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

// newGeneration returns a generation with a uid of its own, which is in use.
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

// discardFor limits the time in which an index is discarded whose creation failed.
const discardFor = 10 * time.Second

// giveUp discards a generation that Begin does not return.
func (g *generation) giveUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardFor)
	defer cancel()
	if err := g.discard(ctx); err != nil {
		g.ix.cfg.Logger.WarnContext(ctx, "deleting an index that was begun in vain failed, a later run deletes it",
			"tenant", g.tenant, "index", g.uid, "error", err)
	}
}

// register marks an index as that of a generation in use.
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

// unregister marks the generation's indexes as in use no more, but those that another one has taken over.
func (g *generation) unregister() {
	g.ix.mu.Lock()
	defer g.ix.mu.Unlock()
	for _, uid := range []string{g.ix.stagingUID(g.tenant, g.id.base()), g.resumes} {
		if g.ix.open[uid] == g {
			delete(g.ix.open, uid)
		}
	}
}

// isOpen reports whether an index of that name belongs to a generation in use.
func (ix *Index) isOpen(tenant string, n stagingName) bool { return ix.owner(tenant, n) != nil }

// owner returns the generation in use that an index of that name belongs to, nil if there is none.
func (ix *Index) owner(tenant string, n stagingName) *generation {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.open[ix.stagingUID(tenant, n.base())]
}

// settings returns what a new index is set to: the host's settings, or those of the live index; nil: nothing.
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
		const text = "cannot be kept: the client does not understand them, give Config.Settings"
		return nil, reindex.Public(fmt.Errorf("meiliindex: the settings of %s %s", live, text),
			"the settings of the live index "+text)
	case err != nil:
		return nil, explain(ctx, "settings.get", live, err)
	case len(settings.Embedders) > 0: // their keys come back masked
		const text = "cannot be kept: they have embedders, whose keys the server does not show, give Config.Settings"
		return nil, reindex.Public(fmt.Errorf("meiliindex: the settings of %s %s", live, text),
			"the settings of the live index "+text)
	}
	return settings, nil
}

// create makes the generation's index and its mark, and notes when the server says that the index was created, which
// does not change with its name.
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
		err = reindex.Public(fmt.Errorf("meiliindex: index %s of tenant %q was deleted right after it had been created",
			g.uid, g.tenant),
			"somebody has deleted the new index right after it had been created")
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
	if cfg.Settings == nil && !settings.FacetSearch { // the live index has it off, which the client leaves out
		if info, err = index.UpdateFacetSearchWithContext(ctx, false); err != nil {
			return nil, explain(ctx, "settings.update", g.uid, err)
		}
		tasks = append(tasks, info)
	}
	return tasks, nil
}

// enqueueMark has the generation's mark made, if it has a token.
func (g *generation) enqueueMark(ctx context.Context) (*meilisearch.TaskInfo, error) {
	if g.id.token == noToken {
		return nil, nil //nolint:nilnil // no task is an answer
	}
	info, err := g.ix.client.CreateIndexWithContext(ctx, &meilisearch.IndexConfig{Uid: g.mark})
	return info, explain(ctx, "indexes.create", g.mark, err)
}

// awaitMark waits until the mark is made, if there is a task for that. The mark is there already if an earlier try of
// this run has made it.
func (g *generation) awaitMark(ctx context.Context, task *meilisearch.TaskInfo) error {
	if task == nil {
		return nil
	}
	if err := g.ix.awaitSuccess(ctx, task); err != nil && !failedWith(err, codeIndexExists) {
		return err
	}
	return nil
}

// leaveMark makes the generation's mark.
func (g *generation) leaveMark(ctx context.Context) error {
	task, err := g.enqueueMark(ctx)
	if err != nil {
		return err
	}
	return g.awaitMark(ctx, task)
}
