package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"productindex/reindex"
)

var (
	_ reindex.Updater = (*Index)(nil)
	_ reindex.Editor  = (*generation)(nil)
)

// Update implements [reindex.Updater]. The changes of one call are one batch, which is on the disk when Update returns, and which searches
// that begin then see. A read-only Index in another process sees them when the next generation goes live.
func (ix *Index) Update(ctx context.Context, tenant string, changes []reindex.Change) error {
	err := ix.update(ctx, tenant, changes)
	var failed *reindex.BatchError
	if err == nil || errors.As(err, &failed) || contextError(err) != nil {
		return err
	}
	return fmt.Errorf("bleveindex: update %d products of tenant %q: %w", len(changes), tenant, err)
}

func (ix *Index) update(ctx context.Context, tenant string, changes []reindex.Change) error {
	if err := ix.writable(); err != nil {
		return err
	}
	l, err := ix.acquire(ctx, tenant)
	if err != nil {
		return err
	}
	defer l.done()
	if err := l.t.markUpdated(l); err != nil {
		return explain(l.t.dir, err)
	}
	b := newBatch(l.mapper)
	defer b.end()
	b.change(changes)
	if err := b.write(ctx, l.index); err != nil {
		return explain(l.t.dir, l.examine(ctx, err))
	}
	if err := ix.disk.syncDir(filepath.Join(l.t.dir, l.name, storeDir)); err != nil {
		return explain(l.t.dir, err)
	}
	return b.failure()
}

// prepareUpdates makes an index that was opened ready to be updated: with the mapping that the tenant has now.
func (l *liveIndex) prepareUpdates(p pointer) error {
	m, err := l.t.ix.cfg.mappingOf(l.t.name)
	if err != nil {
		return errors.Join(err, l.close())
	}
	var names []string
	err = guard(func() (err error) {
		names, err = l.index.Fields()
		return err
	})
	if err != nil {
		return errors.Join(err, l.close())
	}
	l.mapper = l.t.ix.cfg.newMapper(m)
	l.mapper.fields.names = make(map[string]struct{}, len(names))
	for _, name := range names {
		l.mapper.fields.names[name] = struct{}{}
	}
	l.updated.Store(p.updated)
	return nil
}

// examine finds out whether damage is the cause of a panic.
func (l *liveIndex) examine(ctx context.Context, err error) error {
	if _, panicked := errors.AsType[*panicError](err); panicked {
		return l.suspect(ctx, err)
	}
	return err
}

// markUpdated makes the pointer say that the live generation was updated, before it is: its number of documents is then about what the
// pointer says, and a difference no damage.
func (t *tenant) markUpdated(l *liveIndex) error {
	if l.updated.Load() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p, err := readPointer(t.dir)
	if err != nil {
		return err
	}
	if p.generation != l.name {
		return fmt.Errorf("generation %s has taken the place of %s: a defect of the caller, which reindexes and updates at the same time", p.generation, l.name)
	}
	if !p.updated {
		p.updated = true
		if _, err := t.ix.disk.writePointer(t.dir, p); err != nil {
			return err
		}
	}
	l.updated.Store(true)
	return nil
}

// Edit implements [reindex.Editor]. The changes of one call are one batch.
func (g *generation) Edit(ctx context.Context, changes []reindex.Change) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state != writing && g.state != sealed {
		return g.stateError("edit")
	}
	b := newBatch(g.mapper)
	defer b.end()
	b.change(changes)
	if err := b.write(ctx, g.index); err != nil {
		return g.writeError(len(changes), err)
	}
	g.edited = g.edited || g.state == sealed
	return b.failure()
}

// documents returns how many documents a sealed generation holds, all of them on the disk, edits included.
func (g *generation) documents() (int64, error) {
	if !g.edited {
		return g.sealed.Documents, nil
	}
	l := liveIndex{index: g.index}
	n, err := l.count()
	return n, errors.Join(err, g.t.ix.disk.syncTree(g.dir))
}
