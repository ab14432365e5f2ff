package meiliindex

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// place holds the uids of the index and the mark of a generation.
type place struct{ uid, mark string }

// move changes the uids of the generation's index and its mark. One task changes both or neither, so it fails if a
// newer run has deleted the mark. If the outcome of the task is not known, the error is temporary, and the next move
// first completes this one.
func (g *generation) move(ctx context.Context, to stagingName) error {
	uid := g.ix.stagingUID(g.tenant, to)
	for g.uid != uid || g.next != nil {
		if g.next == nil {
			g.next = &place{uid: uid}
			if g.id.token != noToken {
				g.next.mark = g.ix.stagingUID(g.tenant, markName(g.ix.instance, g.id.token, g.ix.nextNumber()))
			}
		}
		if err := g.push(ctx); err != nil {
			return err
		}
	}
	return nil
}

// push makes one attempt to move to g.next.
func (g *generation) push(ctx context.Context) error {
	if arrived, err := g.arrived(ctx); arrived || err != nil {
		return err
	}
	swaps := []*meilisearch.SwapIndexesParams{{Indexes: []string{g.uid, g.next.uid}, Rename: true}}
	if g.id.token != noToken {
		swaps = append(swaps, &meilisearch.SwapIndexesParams{Indexes: []string{g.mark, g.next.mark}, Rename: true})
	}
	info, err := g.ix.client.SwapIndexesWithContext(ctx, swaps)
	failure := explain(ctx, "indexes.swap", g.uid, err)
	if err != nil && arrivalOf(err) == never {
		return failure
	}
	if err == nil {
		if failure = g.ix.awaitSuccess(ctx, info); ctx.Err() != nil {
			return failure
		}
	}
	if failure == nil || failedWith(failure, codeIndexNotFound) || failedWith(failure, codeIndexExists) {
		return g.notMoved(ctx, failure)
	}
	if err := g.ix.noSwaps(ctx); err != nil { // the task is not known, or the server does not show it
		return err
	}
	return g.notMoved(ctx, failure)
}

// notMoved returns nil if the move has succeeded after all, and an error otherwise.
func (g *generation) notMoved(ctx context.Context, failure error) error {
	if arrived, err := g.arrived(ctx); arrived || err != nil {
		return err
	}
	for _, check := range []func(context.Context) error{g.checkMark, g.checkIdentity} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	failure = cmp.Or(failure, fmt.Errorf("meiliindex: the uid of index %s was not changed", g.uid))
	if _, temporary := errors.AsType[*reindex.TemporaryError](failure); temporary || errors.Is(failure, errForbidden) {
		return failure
	}
	return reindex.Temporary(failure)
}

// arrived reports whether the move to g.next has succeeded, and if so records the new uids.
func (g *generation) arrived(ctx context.Context) (bool, error) {
	index, err := g.ix.getIndex(ctx, g.next.uid)
	if err != nil || !g.isFilled(index) {
		return false, err
	}
	g.uid, g.mark, g.next = g.next.uid, g.next.mark, nil
	g.writer.docs.uid = g.uid
	return true, nil
}

// noSwaps waits until the server has no unfinished swaps.
func (ix *Index) noSwaps(ctx context.Context) error {
	return ix.poll(ctx, func() (bool, error) {
		n, err := ix.waiting(ctx, meilisearch.TasksQuery{Types: []meilisearch.TaskType{meilisearch.TaskTypeIndexSwap}})
		return n == 0, err
	})
}
