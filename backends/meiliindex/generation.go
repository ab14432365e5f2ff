package meiliindex

import (
	"context"
	"errors"
	"fmt"
	"time"

	"productindex/reindex"
)

// generation is an index that a run fills, or a kept index that a rollback has opened.
type generation struct {
	ix      *Index
	tenant  string
	live    string      // the uid of the live index
	id      stagingName // the parsed uid of its index
	uid     string      // the current uid of its index, which is that of id except during a move
	mark    string      // the uid of its mark
	next    *place      // the uids that a move in progress gives to both
	created time.Time   // the creation time of its index, by the server's clock
	back    bool        // it is a kept index that a rollback has opened
	left    bool        // leave has ended it

	writer  *writer
	resumes string // the key in ix.open of a generation that was resumed
	closed  bool   // its uid has changed, so that no other process can write to it
	sealed  bool

	liveTries int // failed attempts to count the live index

	swap swapState
}

var _ reindex.Editor = (*generation)(nil)

// Write implements [reindex.Writer]. It sends the products as one task and returns when the server has accepted the
// task. If Config.MaxTasks tasks are unfinished, it first waits for the oldest, and sends the documents of that task
// again if it failed. Write rejects products whose id is too long for a key, and those with an attribute named
// Config.KeyAttribute. Flush returns the products that the server refuses.
func (g *generation) Write(ctx context.Context, products []reindex.Product) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.sealed {
		return fmt.Errorf("meiliindex: cannot write to index %s of tenant %q: it is sealed", g.uid, g.tenant)
	}
	return g.writer.write(ctx, products)
}

// Name returns the creation time of the generation's index, since the uid changes when the index becomes live and when
// it is replaced.
func (g *generation) Name() string { return generationName(g.created) }

// Flush implements [reindex.Writer]. It waits for every task, and finds and returns the products that the server
// refuses. It also ends the load: from then on, writes by processes that have joined (see [Index.Join]) fail.
func (g *generation) Flush(ctx context.Context) ([]reindex.ItemError, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := g.endLoad(ctx); err != nil {
		return nil, err
	}
	return g.writer.docs.refused(), nil
}

// Seal implements [reindex.Generation]. It waits until the index has no unfinished tasks, makes sure that the index is
// the one that was filled, and counts its documents.
func (g *generation) Seal(ctx context.Context) (reindex.Sealed, error) {
	if err := ctx.Err(); err != nil {
		return reindex.Sealed{}, err
	}
	g.sealed = true
	if err := g.endLoad(ctx); err != nil {
		return reindex.Sealed{}, err
	}
	if err := g.checkIdentity(ctx); err != nil {
		return reindex.Sealed{}, err
	}
	documents, err := g.ix.countDocuments(ctx, g.uid)
	if err == nil && documents < 0 {
		err = g.errGone()
	}
	if err != nil {
		return reindex.Sealed{}, err
	}
	live, liveErr, err := g.countLive(ctx)
	if err != nil {
		return reindex.Sealed{}, err
	}
	return reindex.Sealed{Documents: documents, Live: live, LiveErr: liveErr}, nil
}

// liveTries is the number of attempts to count the live index. After that the run continues without the number, since a
// reindex replaces a live index that is damaged.
const liveTries = 4

// countLive returns the number of documents in the live index, or -1 if there is none. It makes one attempt. A
// temporary error is returned as err, so that the engine calls Seal again; after liveTries attempts, or for any other
// error, it is returned as unknown.
func (g *generation) countLive(ctx context.Context) (live int64, unknown, err error) {
	live, err = g.ix.countDocuments(ctx, g.live)
	if err == nil || ctx.Err() != nil {
		return live, nil, err
	}
	g.liveTries++
	if _, temporary := errors.AsType[*reindex.TemporaryError](err); temporary && g.liveTries < liveTries {
		return 0, nil, err
	}
	return 0, err, nil
}

// checkIdentity returns an error unless the generation's index is the one that Begin created. If the index is deleted,
// the next documents create it again, empty and without its settings.
func (g *generation) checkIdentity(ctx context.Context) error {
	index, err := g.ix.getIndex(ctx, g.uid)
	if err != nil {
		return err
	}
	if !g.isFilled(index) {
		return g.errGone()
	}
	return nil
}

func (g *generation) errGone() error {
	err := reindex.Public(fmt.Errorf("meiliindex: index %s of tenant %q was deleted during the load", g.uid, g.tenant),
		"somebody deleted the new index during the load")
	if g.id.token != noToken {
		return fmt.Errorf("%w: %w", err, reindex.ErrFenced)
	}
	return err
}
