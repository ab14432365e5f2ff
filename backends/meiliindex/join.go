package meiliindex

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"productindex/reindex"
)

// When the load of a generation with a fencing token ends, its uid changes. Late products of processes that have joined
// go to the former uid, which is never used again. The server creates an index for them, which the late process or the
// tenant's next run deletes.

// settleAll waits for all tasks of the generation.
func (g *generation) settleAll(ctx context.Context) error {
	if err := g.writer.settleAll(ctx); err != nil {
		return err
	}
	return g.writer.docs.idle(ctx) // a Write whose answer was lost may have enqueued another task
}

// endLoad waits for all tasks of the generation. From then on, writes by processes that have joined fail.
func (g *generation) endLoad(ctx context.Context) error {
	if err := g.settleAll(ctx); err != nil || g.closed || g.id.token == noToken {
		return err
	}
	return g.close(ctx)
}

// close changes the uid of the generation to one that no other process writes to.
func (g *generation) close(ctx context.Context) error {
	to := g.id
	to.number |= closedBit
	if err := g.move(ctx, to); err != nil {
		return err
	}
	g.id, g.closed = to, true
	return nil
}

// Join implements [reindex.Joiner]. The load of a generation without a fencing token ends only when the generation
// becomes live or is deleted.
func (ix *Index) Join(ctx context.Context, tenant, generation string) (reindex.Writer, error) {
	token, fenced, err := ix.ready(ctx, tenant)
	if err != nil {
		return nil, err
	}
	all, err := ix.list(ctx, tenant)
	if err != nil {
		return nil, err
	}
	j := &joined{ix: ix, tenant: tenant, generation: generation}
	for _, s := range all {
		if fenced && s.token > token {
			return nil, j.fenced()
		}
	}
	s, found := generationOf(all, generation)
	if _, kept := s.kept(); !found || kept || s.isClosed() {
		return nil, j.fenced()
	}
	j.created = s.created
	j.writer = newWriter(ix, &uploader{
		ix: ix, tenant: tenant, uid: s.uid, primaryKey: &ix.cfg.KeyAttribute, gone: j.fenced, shared: true,
	})
	return j, nil
}

// generationOf returns the index of the generation with that name.
func generationOf(all []staging, name string) (s staging, found bool) {
	for _, s := range all {
		if !s.isMark() && generationName(s.created) == name {
			return s, true
		}
	}
	return s, false
}

// joined writes to a generation that another process has begun, until that process ends the load.
type joined struct {
	ix                 *Index
	tenant, generation string
	created            time.Time
	writer             *writer
}

func (j *joined) fenced() error {
	return fmt.Errorf("meiliindex: generation %s of tenant %q accepts no more products: %w", j.generation, j.tenant,
		reindex.ErrFenced)
}

// Write implements [reindex.Writer]. Like the Write of a generation, it sends the products as one task.
func (j *joined) Write(ctx context.Context, products []reindex.Product) error {
	if err := j.check(ctx); err != nil {
		return err
	}
	return j.explain(ctx, j.writer.write(ctx, products))
}

// Flush implements [reindex.Writer]. It waits for every task, and finds and returns the products that the server
// refuses.
func (j *joined) Flush(ctx context.Context) ([]reindex.ItemError, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := j.writer.settleAll(ctx); err != nil {
		return nil, j.explain(ctx, err)
	}
	if err := j.check(ctx); err != nil {
		return nil, err
	}
	return j.writer.docs.refused(), nil
}

// explain returns err, the error of a call, or an error that matches [reindex.ErrFenced] if the load has ended.
func (j *joined) explain(ctx context.Context, err error) error {
	if _, temporary := errors.AsType[*reindex.TemporaryError](err); err == nil || temporary || ctx.Err() != nil {
		return err
	}
	return cmp.Or(j.check(ctx), err)
}

// check returns an error that matches [reindex.ErrFenced] if the load has ended, after which the joined index has
// another uid. It deletes the index that late documents may have created under the former uid.
func (j *joined) check(ctx context.Context) error {
	uid := j.writer.docs.uid
	index, err := j.ix.getIndex(ctx, uid)
	if err != nil || index != nil && index.CreatedAt.Equal(j.created) {
		return err
	}
	if err := j.writer.drain(ctx); err != nil {
		return err
	}
	if index, err = j.ix.getIndex(ctx, uid); err == nil && index != nil {
		_, err = j.ix.remove(ctx, uid)
	}
	if err != nil {
		j.ix.cfg.Logger.WarnContext(ctx, "cannot delete an index that late documents have created; a later run deletes it",
			"tenant", j.tenant, "index", uid, "error", err)
	}
	return j.fenced()
}

// drain waits until all tasks of the writer have ended, even if they failed.
func (w *writer) drain(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sent {
		if _, err := w.ix.await(ctx, s.task); err != nil && !errors.Is(err, errNoTask) {
			return err
		}
	}
	return nil
}
