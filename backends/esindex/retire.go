package esindex

import (
	"context"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

const (
	// idleTimeout is the longest wait for searches that have a replaced index open.
	idleTimeout  = 30 * time.Second
	idleInterval = 50 * time.Millisecond
	// removeTimeout limits the calls that delete a replaced index, without the waits.
	removeTimeout = 30 * time.Second
)

// retire deletes replaced indexes once no search uses them. It logs a failure; a later Reap then deletes the index.
func (ix *Index) retire(ctx context.Context, n names, indexes []string) {
	for _, index := range indexes {
		if !isGeneration(n.live, index) {
			ix.cfg.Logger.WarnContext(ctx, "the replaced index was not created by this package and is not deleted",
				"alias", n.live, "index", index)
			continue
		}
		if err := ix.retireOne(ctx, n, index); err != nil {
			ix.cfg.Logger.WarnContext(ctx, "cannot delete the replaced index; a later run deletes it",
				"index", index, "error", err)
		}
	}
}

func (ix *Index) retireOne(ctx context.Context, n names, index string) error {
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
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	_, err := ix.removeUnused(ctx, n, index, "another index has replaced it")
	return err
}

// removeUnused deletes a replaced index, unless it is live again or kept, or somebody added an alias to it. It reports
// whether it has deleted the index.
func (ix *Index) removeUnused(ctx context.Context, n names, index, why string) (bool, error) {
	entries, err := ix.look(ctx, index)
	if err != nil {
		return false, err
	}
	e, exists := entries[index]
	if !exists {
		return false, nil
	}
	theirs := e.further(n, index)
	if d, live := e.Aliases[n.live]; live {
		theirs[n.live] = d
	}
	if k, kept := e.keeping(n); kept {
		theirs[k.alias] = e.Aliases[k.alias]
	}
	if len(theirs) > 0 {
		ix.leaveTo(ctx, index, theirs)
		return false, nil
	}
	return true, ix.remove(ctx, index, why)
}

// remove deletes an index if it exists, and logs why.
func (ix *Index) remove(ctx context.Context, index, why string) error {
	err := call(ctx, ix.transport, "deleting index "+index, esapi.IndicesDeleteRequest{Index: []string{index}}, nil)
	if hasType(err, typeNotFound) {
		return nil
	}
	if err == nil {
		ix.cfg.Logger.InfoContext(ctx, "deleted an index", "index", index, "why", why)
	}
	return err
}

// awaitIdle waits until the index has no open search contexts, those of scrolls included. It waits for at most ix.idle,
// since a scroll may stay open for days.
func (ix *Index) awaitIdle(ctx context.Context, index string) error {
	limit := time.NewTimer(ix.idle)
	defer limit.Stop()
	tick := time.NewTicker(idleInterval)
	defer tick.Stop()
	req := esapi.IndicesStatsRequest{
		Index: []string{index}, Metric: []string{"search"}, FilterPath: []string{"_all.total.search.open_contexts"},
	}
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
		if hasType(err, typeNotFound, "index_closed_exception") {
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
