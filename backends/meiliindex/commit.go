package meiliindex

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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

// Commit swaps the generation's index with the live one in one task, or gives it the live one's name if nothing is
// live, waits for that task, and has the index that was live deleted, or keeps it. If an answer is lost, Commit finds
// out from the server what happened. If another run has a greater fencing token, the generation does
// not go live, and the error matches [reindex.ErrFenced].
func (g *generation) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.left {
		return fmt.Errorf("meiliindex: commit of index %s of tenant %q after it was aborted", g.uid, g.tenant)
	}
	if !g.sealed {
		return cmp.Or(g.checkMark(ctx),
			fmt.Errorf("meiliindex: commit of index %s of tenant %q before it was sealed", g.uid, g.tenant))
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
		if err := g.askForSwap(ctx); err != nil || g.swap.applied {
			return err
		}
	}
	return g.confirm(ctx)
}

// askForSwap enqueues the swap. It asks for the indexes right before: a second swap would undo the first one.
func (g *generation) askForSwap(ctx context.Context) error {
	if err := g.checkIdentity(ctx); err != nil {
		return err
	}
	live, err := g.ix.getIndex(ctx, g.live)
	if err != nil {
		return err
	}
	g.swap.rename = live == nil
	if live != nil && g.keeps() {
		if err := g.prepareToKeep(ctx, live); err != nil {
			return err
		}
	}
	info, err := g.ix.client.SwapIndexesWithContext(ctx, g.swaps(g.swap.rename))
	if err == nil {
		g.swap.task, g.swap.asked = info.TaskUID, true
		return nil
	}
	return g.resolve(ctx, err, explain(ctx, "indexes.swap", g.uid, err))
}

// resolve finds out what became of a swap that no task is known of. failed is the client's error, err the classified
// one.
func (g *generation) resolve(ctx context.Context, failed, err error) error {
	arrived := arrivalOf(failed)
	if arrived == never {
		return err
	}
	applied, unknown := g.appliedByNow(ctx)
	switch {
	case unknown == nil && applied:
		g.swap.applied = true
		return nil
	case unknown == nil && arrived == unlikely:
		return err
	}
	g.swap.lost = true // it may still be on its way to the server
	return g.errUnknown(cmp.Or(unknown, err))
}

func (g *generation) errUnknown(err error) error {
	text := fmt.Sprintf("meiliindex: it is not known whether index %s became %s", g.uid, g.live)
	if err == nil {
		return errors.New(text)
	}
	// Not wrapped: it may well have been applied, which is not a temporary error.
	return fmt.Errorf("%s: %v", text, err) //nolint:errorlint // see above
}

// persist polls through failures that may pass, for a while: the swap may be done already, so that giving up leaves it
// unknown.
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
		if err == nil && !g.isSwap(task) {
			err = errNoTask
		}
		return err == nil && ended(task), err
	})
	switch {
	case errors.Is(err, errNoTask):
		return g.confirmByIndexes(ctx)
	case err != nil:
		return g.errUnknown(err)
	}
	if failure := outcome(task); failure != nil {
		return g.notApplied(ctx, failure)
	}
	g.swap.applied = true
	return nil
}

// isSwap reports whether the task is the swap that makes the generation live. The uid alone does not prove it: after a
// restore the server counts from where it was, and gives the uid to another task.
func (g *generation) isSwap(task *meilisearch.Task) bool {
	return task.Type == meilisearch.TaskTypeIndexSwap && slices.ContainsFunc(task.Details.Swaps,
		func(s meilisearch.SwapIndexesParams) bool {
			return slices.Equal(s.Indexes, []string{g.uid, g.live})
		})
}

// confirmByIndexes finds out how a swap ended whose task the server does not show.
func (g *generation) confirmByIndexes(ctx context.Context) error {
	applied, err := g.appliedByNow(ctx)
	if err != nil {
		return g.errUnknown(err)
	}
	if !applied {
		return g.notApplied(ctx, fmt.Errorf("meiliindex: the swap of index %s with %s failed; the server does not show its task, %d", g.uid, g.live,
			g.swap.task))
	}
	g.swap.applied = true
	return nil
}

// notApplied classifies the failure of a swap that certainly was not applied.
func (g *generation) notApplied(ctx context.Context, failure error) error {
	g.swap.asked = false
	for _, check := range []func(context.Context) error{g.checkMark, g.checkIdentity} {
		if err := check(ctx); err != nil {
			return fmt.Errorf("%w (%w)", failure, err)
		}
	}
	if failedWith(failure, codeIndexExists) || failedWith(failure, codeIndexNotFound) {
		return reindex.Temporary(failure) // the live index came or went meanwhile
	}
	return failure
}

// appliedByNow waits until no swap waits on the server, and reports whether the live index is the one that the
// generation has filled: an index keeps the time at which it was created when it gets another name. It is an error if
// the index is neither live nor where it was.
func (g *generation) appliedByNow(ctx context.Context) (applied bool, err error) {
	err = g.persist(ctx, func() (bool, error) {
		n, err := g.ix.waiting(ctx, meilisearch.TasksQuery{Types: []meilisearch.TaskType{meilisearch.TaskTypeIndexSwap}})
		if err != nil || n > 0 {
			return false, err
		}
		live, err := g.ix.getIndex(ctx, g.live)
		if applied = g.isFilled(live); err != nil || applied {
			return err == nil, err
		}
		own, err := g.ix.getIndex(ctx, g.uid)
		if err == nil && !g.isFilled(own) {
			err = reindex.Public(fmt.Errorf("meiliindex: the index that was filled as %s is neither there nor live", g.uid),
				"the new index is neither there nor live")
		}
		return err == nil, err
	})
	return applied, err
}

// isFilled reports whether an index is the one that the generation has filled, whatever its name is now.
func (g *generation) isFilled(index *meilisearch.IndexResult) bool {
	return index != nil && index.CreatedAt.Equal(g.created)
}

// retire has the index that was live deleted, which Commit does not wait for. Reap repeats a deletion that failed.
func (g *generation) retire(ctx context.Context) {
	if g.swap.rename || g.keeps() {
		if !g.swap.retired && g.keeps() {
			g.ix.prune(ctx, g.tenant)
		}
		g.swap.retired = true
	}
	if !g.swap.retired {
		_, err := g.ix.client.DeleteIndexWithContext(ctx, g.uid)
		if g.swap.retired = err == nil; err != nil {
			g.ix.cfg.Logger.WarnContext(ctx, "deleting the index that was live failed, a later run deletes it",
				"tenant", g.tenant, "index", g.uid, "error", explain(ctx, "indexes.delete", g.uid, err))
		}
	}
	g.unregister()
}

// Abort cancels the generation's tasks, and no others, and deletes its index. The server works on the tasks of an index
// in their order: a swap that may still be under way comes first, in which case the deleted index is the one that was
// live before, or the deletion fails.
func (g *generation) Abort(ctx context.Context) error {
	if g.swap.applied {
		if !g.swap.retired {
			g.retire(ctx)
		}
		return nil
	}
	if g.swap.asked {
		query := &meilisearch.CancelTasksQuery{UIDS: []int64{g.swap.task}, Statuses: unfinished}
		if _, err := g.ix.client.CancelTasksWithContext(ctx, query); err != nil {
			g.ix.cfg.Logger.WarnContext(ctx, "cancelling the swap of an aborted run failed", "tenant", g.tenant, "index", g.uid,
				"error", explain(ctx, "tasks.cancel", "", err))
		}
	}
	switch {
	case g.id.token != noToken && !g.back:
		return g.abandon(ctx)
	case g.keeps():
		return g.leave(ctx)
	}
	return g.discard(ctx)
}

// abandon deletes the index of a generation that has a token, unless another process has resumed it: it has to get
// another name first, which takes its mark. By then no swap can make it live any more.
func (g *generation) abandon(ctx context.Context) error {
	defer g.unregister()
	if err := g.checkMark(ctx); err == nil {
		g.ix.cancelTasks(ctx, g.uid)
	}
	to := g.id
	to.number = g.ix.nextNumber() | closedBit
	err := g.move(ctx, to)
	if errors.Is(err, reindex.ErrFenced) {
		return g.clear(ctx)
	}
	if err == nil {
		_, err = g.ix.remove(ctx, g.uid)
	}
	return err
}

// clear deletes what has a name of a generation that is not there: the index that was live, if the swap was applied and
// does not keep it, or one that late edits have made.
func (g *generation) clear(ctx context.Context) error {
	if g.keeps() && (g.swap.asked || g.swap.lost) {
		return nil
	}
	uids := []string{g.uid}
	if g.next != nil {
		uids = append(uids, g.next.uid)
	}
	for _, uid := range uids {
		index, err := g.ix.getIndex(ctx, uid)
		if err == nil && index != nil && !g.isFilled(index) {
			_, err = g.ix.remove(ctx, uid)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// discard deletes the generation's index. Reap deletes the rest.
func (g *generation) discard(ctx context.Context) error {
	defer g.unregister()
	_, err := g.ix.remove(ctx, g.uid)
	return err
}
