package bleveindex

import (
	"context"
	"fmt"
	"time"

	"productindex/reindex"
)

// Commit replaces the pointer file and then the index that searches use. An error means that nothing has changed, but
// for one that says that the generation is live. It matches [reindex.ErrFenced] if a generation with a greater fencing
// token was begun since.
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

// publish makes a sealed generation live and retires the one before. The error is nil, or replaced reports whether it
// is live nevertheless.
//
// The order is what a power cut leaves behind: everything of the new generation is on the disk before the pointer names
// it, and the pointer is before anything of the old generation is removed.
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
	previous, unread := readPointer(t.dir) // if it cannot be read there is nothing that can be retired
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
		t.damage = damage{} // it is whole again
	}
	remove := err == nil && !has(next.kept, previous.generation) // a pointer that may come back keeps its index
	t.leave(before, previous.generation, remove)
	for _, k := range dropped {
		if remove = err == nil && k.generation != previous.generation && !t.busy[k.generation]; remove {
			t.removeLater(k.generation)
		}
	}
	return true, err
}

// overtakenOr returns an error that matches [reindex.ErrFenced] if a run with a greater token has begun, and err if
// not.
func (g *generation) overtakenOr(err error) error {
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	if g.token > 0 && g.token < g.t.token {
		return fmt.Errorf("bleveindex: commit %s of tenant %q: %w", g.name, g.tenant, reindex.ErrFenced)
	}
	return err
}

// leave lets go of the generation that was live, which is open as before unless that is nil. t.mu is held.
func (t *tenant) leave(before *liveIndex, generation string, remove bool) {
	isOpening := false // an older one can be, while this one was opened and closed
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
