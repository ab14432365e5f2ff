package esindex

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

const (
	retireTimeout  = 30 * time.Second
	retireInterval = 50 * time.Millisecond
)

// ErrNoPrevious: there is no generation to go back to.
var ErrNoPrevious = errors.New("no previous index of this tenant is kept")

// retire deletes indexes that were live, once no search uses them. What fails is logged, and left to Reap.
func (ix *Index) retire(ctx context.Context, alias string, indexes []string) {
	for _, index := range indexes {
		if !isGeneration(alias, index) {
			ix.cfg.Logger.WarnContext(ctx, "the index that was live is none of ours and stays", "alias", alias, "index", index)
			continue
		}
		if err := ix.retireOne(ctx, index); err != nil {
			ix.cfg.Logger.WarnContext(ctx, "deleting the index that was live failed, a later run deletes it", "index", index, "error", err)
		}
	}
}

func (ix *Index) retireOne(ctx context.Context, index string) error {
	ctx, cancel := context.WithTimeout(ctx, max(0, ix.cfg.RetireDelay)+retireTimeout)
	defer cancel()
	if ix.cfg.RetireDelay > 0 {
		delay := time.NewTimer(ix.cfg.RetireDelay)
		defer delay.Stop()
		select {
		case <-delay.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := ix.awaitIdle(ctx, index); err != nil {
		return err
	}
	return ix.remove(ctx, index)
}

// awaitIdle waits until no search is in progress in the index, nor between two of its steps, but no longer than retireTimeout.
func (ix *Index) awaitIdle(ctx context.Context, index string) error {
	limit := time.NewTimer(retireTimeout)
	defer limit.Stop()
	tick := time.NewTicker(retireInterval)
	defer tick.Stop()
	req := esapi.IndicesStatsRequest{Index: []string{index}, Metric: []string{"search"}, FilterPath: []string{"_all.total.search.open_contexts"}}
	for {
		var answer struct {
			All struct {
				Total struct {
					Search struct {
						Open int `json:"open_contexts"`
					}
				}
			} `json:"_all"`
		}
		err := call(ctx, ix.transport, "waiting for the searches in index "+index, req, &answer)
		if hasType(err, "index_not_found_exception", "index_closed_exception") {
			return nil
		}
		if err != nil || answer.All.Total.Search.Open == 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-limit.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Rollback makes the generation live again that was live before, in one atomic call, and keeps the present one in its place: a second
// Rollback undoes the first. It needs Config.KeepPrevious, and returns an error that matches [ErrNoPrevious] where nothing was kept. A run
// of the tenant that is in progress fails when it ends. It is safe to call at any time.
func (ix *Index) Rollback(ctx context.Context, tenant string) error {
	if err := reindex.CheckTenant(tenant); err != nil {
		return err
	}
	alias := ix.Alias(tenant)
	kept := previousName(alias)
	previous, err := ix.behind(ctx, kept)
	if err != nil {
		return err
	}
	if len(previous.indexes) != 1 {
		return fmt.Errorf("elasticsearch: tenant %s: %w", tenant, ErrNoPrevious)
	}
	live, err := ix.behind(ctx, alias)
	if err != nil {
		return err
	}
	index := previous.indexes[0]
	actions := []action{removeAlias(index, kept), addAlias(index, alias, false)}
	for _, present := range live.indexes {
		actions = append(actions, removeAlias(present, alias), addAlias(present, kept, true))
	}
	return ix.updateAliases(ctx, "switching alias "+alias+" back to index "+index, actions)
}
