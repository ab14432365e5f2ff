package bleveindex

import (
	"context"
	"fmt"
	"time"

	"productindex/reindex"
)

// Commit implements [reindex.Generation]. It replaces the pointer file and then the index that searches use. After an
// error nothing has changed, unless the error says that the generation is live. The error matches [reindex.ErrFenced]
// if a run with a greater fencing token has begun.
func (g *generation) Commit(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state != sealed {
		return g.overtakenOr(g.stateError("commit"))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	replaced, err := g.t.publish(g)
	if replaced {
		g.state = committed
		g.index = nil // the live index's from now on
		g.t.ix.closeSurplus()
	}
	switch {
	case err == nil:
		return nil
	case replaced:
		return fmt.Errorf(
			"bleveindex: commit %s of tenant %q: it is live, but a power cut may undo that: %w",
			g.dir,
			g.tenant,
			err,
		)
	default:
		return fmt.Errorf("bleveindex: commit %s of tenant %q: %w", g.dir, g.tenant, explain(g.t.dir, err))
	}
}

// publish makes a sealed generation live and retires the replaced one. It reports whether the generation is live, which
// it can be despite an error.
//
// The order makes the switch safe against a power cut: the new generation is on the disk before the pointer names it,
// and the pointer is on the disk before the old generation is removed.
func (t *tenant) publish(g *generation) (replaced bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false, ErrClosed
	}
	if g.token > 0 && g.token < t.token {
		return false, reindex.ErrFenced
	}
	documents, now := g.documents, time.Now()
	if err := t.ix.disk.writeMark(g.dir, liveMark(documents, g.edited)); err != nil {
		return false, err
	}
	previous, unread := readPointer(t.dir) // without a readable pointer there is nothing to retire
	next := previous.next(g.name, documents, unread == nil, now)
	dropped := next.kept
	next.kept = t.ix.cfg.keeps(next.kept, now)
	dropped = dropped[len(next.kept):]
	replaced, err = t.ix.disk.writePointer(t.dir, next)
	if !replaced {
		return false, err
	}
	live := newLiveIndex(t, g.index, g.name)
	live.mapper = g.mapper
	before := t.setLive(live)
	delete(t.gens, g)
	if t.damage.generation == g.name {
		t.damage = damage{} // a rollback has checked it
	}
	// after a power cut the old pointer may come back, and needs its index
	remove := err == nil && !has(next.kept, previous.generation)
	t.leave(before, previous.generation, remove)
	for _, k := range dropped {
		if remove = err == nil && k.generation != previous.generation && !t.busy[k.generation]; remove {
			t.removeLater(k.generation)
		}
	}
	return true, err
}

// overtakenOr returns an error that matches [reindex.ErrFenced] if a run with a greater token has begun, and err
// otherwise.
func (g *generation) overtakenOr(err error) error {
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	if g.token > 0 && g.token < g.t.token {
		return fmt.Errorf("bleveindex: commit %s of tenant %q: %w", g.name, g.tenant, reindex.ErrFenced)
	}
	return err
}

// leave retires the replaced generation, whose open index is before, or nil if it is not open. t.mu is held.
func (t *tenant) leave(before *liveIndex, generation string, remove bool) {
	isOpening := false // an older generation may still be opening
	if o := t.opening; o != nil {
		o.superseded = true
		if isOpening = o.pointer.generation == generation; isOpening {
			o.remove = remove
		}
	}
	switch {
	case before != nil:
		t.retire(before, remove)
	case !isOpening && generation != "" && remove:
		t.removeLater(generation)
	}
}
