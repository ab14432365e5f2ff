package meiliindex

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"productindex/reindex"
)

// A generation with a fencing token gets another name when its load ends. Late products of processes that have joined
// go to the name before, which no generation has any more, and never gets again. The server makes an index of them,
// which that process deletes, or the tenant's next run.

// settleAll waits for everything that was sent.
func (g *generation) settleAll(ctx context.Context) error {
	if err := g.writer.settleAll(ctx); err != nil {
		return err
	}
	return g.writer.docs.idle(ctx) // a task may wait that a Write has sent whose answer was lost
}

// endLoad waits for everything that was sent, and refuses from here on what others write who have joined.
func (g *generation) endLoad(ctx context.Context) error {
	if err := g.settleAll(ctx); err != nil || g.closed || g.id.token == noToken {
		return err
	}
	return g.close(ctx)
}

// close gives the generation the name of one into which nobody else writes.
func (g *generation) close(ctx context.Context) error {
	to := g.id
	to.number |= closedBit
	if err := g.move(ctx, to); err != nil {
		return err
	}
	g.id, g.closed = to, true
	return nil
}

// Join implements [reindex.Joiner]. The load of a generation that has no fencing token does not end before it goes
// live, or is deleted.
func (ix *Index) Join(ctx context.Context, tenant, generation string) (reindex.Writer, error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return nil, fmt.Errorf("meiliindex: %w", err)
	}
	token, fenced, err := ix.ready(ctx)
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

// generationOf returns the index of a generation, by its name.
func generationOf(all []staging, name string) (s staging, found bool) {
	for _, s := range all {
		if !s.isMark() && generationName(s.created) == name {
			return s, true
		}
	}
	return s, false
}

// joined writes into a generation that another process has begun, for as long as that one's load goes on.
type joined struct {
	ix                 *Index
	tenant, generation string
	created            time.Time
	writer             *writer
}

func (j *joined) fenced() error {
	return fmt.Errorf("meiliindex: generation %s of tenant %q takes no more products: %w", j.generation, j.tenant,
		reindex.ErrFenced)
}

// Write implements [reindex.Writer]. It sends the products as one task, as the generation's own Write does.
func (j *joined) Write(ctx context.Context, products []reindex.Product) error {
	if err := j.check(ctx); err != nil {
		return err
	}
	return j.explain(ctx, j.writer.write(ctx, products))
}

// Flush implements [reindex.Writer].
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

// explain returns why something failed, which is the fence if that is closed by now.
func (j *joined) explain(ctx context.Context, err error) error {
	if _, temporary := errors.AsType[*reindex.TemporaryError](err); err == nil || temporary || ctx.Err() != nil {
		return err
	}
	return cmp.Or(j.check(ctx), err)
}

// check returns an error that matches [reindex.ErrFenced] if the index is not the one that was joined, which has
// another name once its load has ended. One that late documents have made is deleted.
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
		j.ix.cfg.Logger.WarnContext(ctx, "deleting an index of late documents failed, a later run deletes it",
			"tenant", j.tenant, "index", uid, "error", err)
	}
	return j.fenced()
}

// drain waits until no task is out, whatever became of it.
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
