package meiliindex

import (
	"context"
	"errors"
	"fmt"
	"time"

	"productindex/reindex"
)

// generation is a [reindex.Generation]: an index beside the live one.
type generation struct {
	ix      *Index
	tenant  string
	live    string      // uid of the live index
	id      stagingName // the name of its own index
	uid     string      // of its own index: mostly the one that says id
	mark    string      // uid of its mark
	next    *place      // where both may be by now
	created time.Time   // of its own index, by the server's clock
	back    bool        // it was live before
	left    bool        // it was aborted

	writer  *writer
	resumes string // uid of the index of a dead run's generation, by which this process knows it as its own
	closed  bool   // nobody else can write into it any more
	sealed  bool

	liveTries int // to count the live index

	swap swapState
}

var _ reindex.Editor = (*generation)(nil)

// Write sends the products as one task and returns when the server has accepted it. If Config.MaxTasks tasks wait, it
// waits for the first of them, and sends again what that one has left undone. Products whose id is too long for a key,
// or that have an attribute Config.KeyAttribute, are reported at once; Flush returns what the server itself refuses.
func (g *generation) Write(ctx context.Context, products []reindex.Product) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.sealed {
		return fmt.Errorf("meiliindex: write to index %s of tenant %q after it was sealed", g.uid, g.tenant)
	}
	return g.writer.write(ctx, products)
}

// Name returns when the generation's index was created. Its uid changes when it goes live, and again when another one
// does.
func (g *generation) Name() string { return generationName(g.created) }

// Flush waits for every task, isolates the products that the server refused, and returns them. It ends the load: what
// others write who have joined (see [Index.Join]) is refused from here on.
func (g *generation) Flush(ctx context.Context) ([]reindex.ItemError, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := g.endLoad(ctx); err != nil {
		return nil, err
	}
	return g.writer.docs.refused(), nil
}

// Seal makes sure that the index is the one that was filled and that no task of it waits, and counts.
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

// liveTries is how often the live index is counted before its number of documents is not known. A reindex is what mends
// a broken index, so that the run goes on then.
const liveTries = 4

// countLive counts the documents of the live index, -1 if there is none. It tries once: err is for the engine, which
// calls Seal again, and becomes unknown when that did not help.
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

// checkIdentity makes sure that the generation's index is the one that Begin created: a deleted one comes back, empty
// and without its settings, with the next documents sent to it.
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
	err := reindex.Public(fmt.Errorf("meiliindex: index %s of tenant %q was deleted while it was filled", g.uid, g.tenant),
		"somebody has deleted the new index while it was filled")
	if g.id.token != noToken {
		return fmt.Errorf("%w: %w", err, reindex.ErrFenced)
	}
	return err
}
