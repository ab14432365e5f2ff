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

// swapState is the progress of the swap that makes a generation live.
type swapState struct {
	task    int64 // the uid of the swap's task
	asked   bool  // the server has accepted the swap
	rename  bool  // there was no live index
	lost    bool  // it is not known whether the server has accepted the swap
	applied bool
	retired bool // the replaced index is being deleted, or is kept
}

// confirmFor limits the time for which Commit asks for the outcome of a swap while the server does not answer.
const confirmFor = 30 * time.Second

// Commit implements [reindex.Generation]. It swaps the generation's index with the live one in one task, or renames it
// if there is no live one, and waits for the task. It then keeps the replaced index or starts its deletion. If the
// answer of the server is lost, Commit finds out whether the swap was applied. If another run has a greater fencing
// token, the generation does not become live and the error matches [reindex.ErrFenced].
func (g *generation) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.left {
		return fmt.Errorf("meiliindex: cannot commit index %s of tenant %q: it was aborted", g.uid, g.tenant)
	}
	if !g.sealed {
		return cmp.Or(g.checkMark(ctx),
			fmt.Errorf("meiliindex: cannot commit index %s of tenant %q: it is not sealed", g.uid, g.tenant))
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

// askForSwap enqueues the swap. Just before that, it checks that the generation's index has not become live, since a
// second swap would undo the first.
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

// resolve finds out whether a swap was applied if its task is not known. The argument failed is the client's error, and
// err is the same error after explain.
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
	g.swap.lost = true // the request may still reach the server
	return g.errUnknown(cmp.Or(unknown, err))
}

func (g *generation) errUnknown(err error) error {
	text := fmt.Sprintf("meiliindex: it is not known whether index %s became %s", g.uid, g.live)
	if err == nil {
		return errors.New(text)
	}
	// Not wrapped: if the swap may have been applied, the error must not be temporary.
	return fmt.Errorf("%s: %v", text, err) //nolint:errorlint // see above
}

// persist is like poll, but continues after temporary errors until they have lasted for confirmFor: if it gave up at
// once, the outcome of the swap would stay unknown.
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

// confirm waits for the swap's task and returns its error.
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

// isSwap reports whether the task is the swap that makes the generation live. The task's uid alone is not enough: a
// server that was restored gives the same uids to other tasks.
func (g *generation) isSwap(task *meilisearch.Task) bool {
	return task.Type == meilisearch.TaskTypeIndexSwap && slices.ContainsFunc(task.Details.Swaps,
		func(s meilisearch.SwapIndexesParams) bool {
			return slices.Equal(s.Indexes, []string{g.uid, g.live})
		})
}

// confirmByIndexes finds out from the indexes whether a swap was applied if the server does not show its task.
func (g *generation) confirmByIndexes(ctx context.Context) error {
	applied, err := g.appliedByNow(ctx)
	if err != nil {
		return g.errUnknown(err)
	}
	if !applied {
		return g.notApplied(ctx, fmt.Errorf("meiliindex: the swap of index %s with %s failed; "+
			"the server does not show its task, %d", g.uid, g.live, g.swap.task))
	}
	g.swap.applied = true
	return nil
}

// notApplied returns the error of a swap that was not applied. The error is temporary if the swap can be tried again.
func (g *generation) notApplied(ctx context.Context, failure error) error {
	g.swap.asked = false
	for _, check := range []func(context.Context) error{g.checkMark, g.checkIdentity} {
		if err := check(ctx); err != nil {
			return fmt.Errorf("%w (%w)", failure, err)
		}
	}
	if failedWith(failure, codeIndexExists) || failedWith(failure, codeIndexNotFound) {
		return reindex.Temporary(failure) // the live index was created or deleted meanwhile
	}
	return failure
}

// appliedByNow waits until the server has no unfinished swaps, and reports whether the live index is the one that the
// generation has filled. It compares creation times, which do not change with the uid. It returns an error if the index
// is neither live nor under its former uid.
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
			err = reindex.Public(
				fmt.Errorf("meiliindex: the index that was filled as %s is not live and no longer exists under this uid", g.uid),
				"the new index is not live and no longer exists")
		}
		return err == nil, err
	})
	return applied, err
}

// isFilled reports whether an index is the one that the generation has filled, whatever its uid is now.
func (g *generation) isFilled(index *meilisearch.IndexResult) bool {
	return index != nil && index.CreatedAt.Equal(g.created)
}

// retire starts the deletion of the replaced index, or of the indexes that Config no longer keeps, and does not wait
// for it. It logs a failure; a later Reap then deletes the index.
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
			g.ix.cfg.Logger.WarnContext(ctx, "cannot delete the replaced index; a later run deletes it",
				"tenant", g.tenant, "index", g.uid, "error", explain(ctx, "indexes.delete", g.uid, err))
		}
	}
	g.unregister()
}

// Abort implements [reindex.Generation]. It cancels only the generation's own tasks, and deletes its index. The server
// processes the tasks of an index in order, so a swap that is still in progress comes before the deletion. The deletion
// then removes the replaced index, or fails.
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
			g.ix.cfg.Logger.WarnContext(ctx, "cannot cancel the swap of an aborted run", "tenant", g.tenant, "index", g.uid,
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

// abandon deletes the index of a generation that has a token, unless another process has resumed it. It first renames
// the index, which fails without the generation's own mark. After the rename no earlier swap can make the index live.
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

// clear deletes other indexes that have a uid of the generation: the replaced index, if the swap was applied and does
// not keep it, or an index that late edits have created.
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

// discard deletes the generation's index.
func (g *generation) discard(ctx context.Context) error {
	defer g.unregister()
	_, err := g.ix.remove(ctx, g.uid)
	return err
}
