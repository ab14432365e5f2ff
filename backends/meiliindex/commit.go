package meiliindex

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// swapState is how far a switch-over got.
type swapState struct {
	task    int64 // of the swap
	asked   bool  // the server has accepted the swap, as task
	rename  bool  // nothing was live
	lost    bool  // it is not known whether the server has accepted it
	applied bool
	retired bool // the index that was live before is being deleted
}

// confirmFor is how long the outcome of a swap is looked for while the server does not answer.
const confirmFor = 30 * time.Second

// Commit swaps the generation's index with the live one in one task, or gives it the live one's name where nothing is live, waits for
// that task, and has what was live before deleted. When an answer is lost, it finds out from the server what happened.
func (g *generation) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !g.sealed {
		return fmt.Errorf("meiliindex: commit of index %s of tenant %q before it was sealed", g.uid, g.tenant)
	}
	if !g.swap.applied {
		if err := g.switchOver(ctx); err != nil {
			return err
		}
	}
	g.retire(ctx)
	return nil
}

func (g *generation) switchOver(ctx context.Context) error {
	if g.swap.lost {
		return g.errUnknown(nil)
	}
	if !g.swap.asked {
		if err := g.checkFence(ctx); err != nil {
			return err
		}
		if err := g.askForSwap(ctx); err != nil || g.swap.applied {
			return err
		}
	}
	return g.confirm(ctx)
}

// checkFence refuses to go on when a run with a larger token has begun, or the index is no longer the generation's.
func (g *generation) checkFence(ctx context.Context) error {
	if g.token != noToken {
		newer, err := g.ix.staging(ctx, g.tenant, func(n stagingName, _ *meilisearch.IndexResult) bool {
			return n.token != noToken && n.token > g.token
		})
		if err != nil {
			return err
		}
		if len(newer) > 0 {
			return fmt.Errorf("meiliindex: index %s of tenant %q is not published, there is %s: %w", g.uid, g.tenant, newer[0], reindex.ErrFenced)
		}
	}
	return g.checkIdentity(ctx)
}

func (g *generation) askForSwap(ctx context.Context) error {
	live, err := g.ix.getIndex(ctx, g.live)
	if err != nil {
		return err
	}
	g.swap.rename = live == nil
	info, err := g.ix.client.SwapIndexesWithContext(ctx, []*meilisearch.SwapIndexesParams{
		{Indexes: []string{g.uid, g.live}, Rename: g.swap.rename},
	})
	switch {
	case err == nil:
		g.swap.task, g.swap.asked = info.TaskUID, true
		return nil
	case !mayHaveArrived(err):
		return explain(ctx, "indexes.swap", g.uid, err)
	}
	return g.resolve(ctx, explain(ctx, "indexes.swap", g.uid, err))
}

// resolve finds out what became of a swap whose answer was lost. One that was not applied may still be on its way to the server.
func (g *generation) resolve(ctx context.Context, lost error) error {
	applied, err := g.appliedByNow(ctx)
	if err != nil || !applied {
		g.swap.lost = true
		return g.errUnknown(cmp.Or(err, lost))
	}
	g.swap.applied = true
	return nil
}

func (g *generation) errUnknown(err error) error {
	text := fmt.Sprintf("meiliindex: it is not known whether index %s became %s", g.uid, g.live)
	if err == nil {
		return errors.New(text)
	}
	// Not wrapped: it may well have been applied, which is no temporary error.
	return fmt.Errorf("%s: %v", text, err) //nolint:errorlint // see above
}

// persist polls through failures that may pass, for a while: what was asked for may be done already, so that giving up leaves it unknown.
func (g *generation) persist(ctx context.Context, look func() (bool, error)) error {
	deadline := time.Now().Add(confirmFor)
	return g.ix.poll(ctx, func() (bool, error) {
		done, err := look()
		if _, temporary := errors.AsType[*reindex.TemporaryError](err); temporary && time.Now().Before(deadline) {
			return false, nil
		}
		if err == nil {
			deadline = time.Now().Add(confirmFor)
		}
		return done, err
	})
}

// confirm waits for the swap's task and reads how it ended.
func (g *generation) confirm(ctx context.Context) error {
	var task *meilisearch.Task
	err := g.persist(ctx, func() (done bool, err error) {
		task, err = g.ix.getTask(ctx, g.swap.task)
		return err == nil && ended(task), err
	})
	switch {
	case errors.Is(err, errNoTask): // the key does not see swaps
		return g.confirmByIndexes(ctx)
	case err != nil:
		return g.errUnknown(err)
	}
	failure := outcome(task)
	if failure == nil {
		g.swap.applied = true
		return nil
	}
	g.swap.asked = false
	if failedWith(failure, codeIndexExists) || failedWith(failure, codeIndexNotFound) {
		if err := g.checkIdentity(ctx); err != nil {
			return fmt.Errorf("%w (%w)", failure, err)
		}
		return reindex.Temporary(failure) // the live index came or went meanwhile
	}
	return failure
}

// confirmByIndexes finds out how a swap ended that the key does not see.
func (g *generation) confirmByIndexes(ctx context.Context) error {
	applied, err := g.appliedByNow(ctx)
	if err != nil {
		return g.errUnknown(err)
	}
	if !applied {
		return fmt.Errorf("meiliindex: the swap of index %s with %s failed (task %d, which the API key does not see)", g.uid, g.live, g.swap.task)
	}
	g.swap.applied = true
	return nil
}

// appliedByNow waits until no swap waits on the server, and reports whether the live index is the one that the generation has filled: an
// index keeps the time at which it was created when it gets another name.
func (g *generation) appliedByNow(ctx context.Context) (applied bool, err error) {
	err = g.persist(ctx, func() (bool, error) {
		n, err := g.ix.waiting(ctx, meilisearch.TasksQuery{Types: []meilisearch.TaskType{meilisearch.TaskTypeIndexSwap}})
		if err != nil || n > 0 {
			return false, err
		}
		live, err := g.ix.getIndex(ctx, g.live)
		applied = live != nil && live.CreatedAt.Equal(g.created)
		return err == nil, err
	})
	return applied, err
}

// retire has what was live before deleted. What fails here is left to Reap.
func (g *generation) retire(ctx context.Context) {
	if g.swap.rename {
		g.swap.retired = true
	}
	if !g.swap.retired {
		_, err := g.ix.client.DeleteIndexWithContext(ctx, g.uid)
		g.swap.retired = err == nil
	}
	g.ix.unregister(g.uid)
}

// Abort cancels the generation's tasks, and no others, and deletes its index. The server processes tasks of an index in their order, so
// that a swap which may still be under way comes first, in which case what is deleted was live before, or fails.
func (g *generation) Abort(ctx context.Context) error {
	if g.swap.applied {
		if !g.swap.retired {
			g.retire(ctx)
		}
		return nil
	}
	if g.swap.asked {
		_, _ = g.ix.client.CancelTasksWithContext(ctx, &meilisearch.CancelTasksQuery{UIDS: []int64{g.swap.task}, Statuses: unfinished})
	}
	return g.discard(ctx)
}

// discard deletes the generation's index.
func (g *generation) discard(ctx context.Context) error {
	defer g.ix.unregister(g.uid) // what is left is Reap's
	// A failure to cancel costs time only.
	_, _ = g.ix.client.CancelTasksWithContext(ctx, &meilisearch.CancelTasksQuery{IndexUIDS: []string{g.uid}, Statuses: unfinished})
	_, err := g.ix.deleteIndex(ctx, g.uid)
	return err
}
