package meiliindex

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meilisearch/meilisearch-go"
	"golang.org/x/sync/semaphore"

	"productindex/reindex"
)

// Begin creates an index of its own for the generation, with the settings that it will have, and waits for both. An index of a run that
// the fencing token of ctx shows to be over is deleted first, so that the run can not publish it any more.
func (ix *Index) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return nil, fmt.Errorf("meiliindex: %w", err)
	}
	g, err := ix.begin(ctx, tenant)
	if err != nil {
		return nil, err // not g: a nil *generation is no nil Generation
	}
	return g, nil
}

func (ix *Index) begin(ctx context.Context, tenant string) (*generation, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := ix.checkVersion(ctx); err != nil {
		return nil, err
	}
	token, fenced := reindex.Fence(ctx)
	if !fenced {
		token = noToken
	} else if err := ix.removeOlder(ctx, tenant, token); err != nil {
		return nil, err
	}
	settings, err := ix.settings(ctx, tenant)
	if err != nil {
		return nil, err
	}
	g := &generation{
		ix: ix, tenant: tenant, live: ix.LiveUID(tenant), uid: ix.register(tenant, token), token: token,
		posts: semaphore.NewWeighted(int64(ix.cfg.MaxTasks)), slots: make(chan struct{}, ix.cfg.MaxTasks), settling: make(chan struct{}, 1),
	}
	if g.created, err = ix.create(ctx, g.uid, settings); err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardFor)
		defer cancel()
		_ = g.discard(cleanup) // the error that counts is the first one
		return nil, err
	}
	return g, nil
}

// discardFor limits the time in which an index is discarded whose creation failed.
const discardFor = 10 * time.Second

// register chooses the uid of a generation's index and marks it as in use.
func (ix *Index) register(tenant string, token int64) string {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.number++
	uid := ix.stagingUID(tenant, stagingName{ix.instance, token, ix.number})
	ix.open[uid] = true
	return uid
}

func (ix *Index) unregister(uid string) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	delete(ix.open, uid)
}

// removeOlder deletes the indexes of runs with a smaller token.
func (ix *Index) removeOlder(ctx context.Context, tenant string, token int64) error {
	older, err := ix.staging(ctx, tenant, func(n stagingName, _ *meilisearch.IndexResult) bool { return n.token != noToken && n.token < token })
	for _, uid := range older {
		if _, err := ix.deleteIndex(ctx, uid); err != nil {
			return err
		}
	}
	return err
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
		return nil, fmt.Errorf("meiliindex: the settings of %s can not be kept: the client does not understand them, give Config.Settings", live)
	case err != nil:
		return nil, explain(ctx, "settings.get", live, err)
	case len(settings.Embedders) > 0: // their keys come back masked
		return nil, fmt.Errorf("meiliindex: the settings of %s can not be kept: they have embedders, whose keys the server does not tell, "+
			"give Config.Settings", live)
	}
	return settings, nil
}

// create makes the index and returns when the server says that it was created, which it keeps when it changes its name.
func (ix *Index) create(ctx context.Context, uid string, settings *meilisearch.Settings) (time.Time, error) {
	info, err := ix.client.CreateIndexWithContext(ctx, &meilisearch.IndexConfig{Uid: uid, PrimaryKey: ix.cfg.KeyAttribute})
	if err != nil {
		return time.Time{}, explain(ctx, "indexes.create", uid, err)
	}
	tasks := []int64{info.TaskUID}
	if settings != nil {
		index := ix.client.Index(uid)
		info, err := index.UpdateSettingsWithContext(ctx, settings)
		if err != nil {
			return time.Time{}, explain(ctx, "settings.update", uid, err)
		}
		tasks = append(tasks, info.TaskUID)
		if ix.cfg.Settings == nil && !settings.FacetSearch { // the live index has it off, which the client leaves out
			if info, err = index.UpdateFacetSearchWithContext(ctx, false); err != nil {
				return time.Time{}, explain(ctx, "settings.update", uid, err)
			}
			tasks = append(tasks, info.TaskUID)
		}
	}
	for _, task := range tasks {
		if err := ix.awaitSuccess(ctx, task); err != nil {
			return time.Time{}, err
		}
	}
	index, err := ix.getIndex(ctx, uid)
	if err == nil && index == nil {
		err = fmt.Errorf("meiliindex: index %s was deleted right after it had been created", uid)
	}
	if err != nil {
		return time.Time{}, err
	}
	return index.CreatedAt, nil
}
