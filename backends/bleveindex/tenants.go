package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"productindex/reindex"
)

// Tenants returns the tenants that have a live index, sorted. Those whose index, or whose pointer to it, is damaged are
// among them.
func (ix *Index) Tenants(ctx context.Context) ([]string, error) {
	tenants, err := ix.liveTenants(ctx)
	if err != nil {
		return nil, fmt.Errorf("bleveindex: list tenants: %w", err)
	}
	return tenants, nil
}

func (ix *Index) liveTenants(ctx context.Context) ([]string, error) {
	if ix.isClosed() {
		return nil, ErrClosed
	}
	tenants, err := ix.onDisk()
	if err != nil {
		return nil, err
	}
	live := tenants[:0]
	for _, name := range tenants {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if _, err := readPointer(newTenant(ix, name).dir); !errors.Is(err, reindex.ErrNoLiveIndex) {
			live = append(live, name)
		}
	}
	slices.Sort(live)
	return live, nil
}

func (ix *Index) isClosed() bool {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.closed
}

// DeleteTenant removes a tenant's live index, and all that there is of the tenant on the disk. Searches find nothing of
// it from the moment at which the call begins to remove, also if it fails afterwards or the process dies. Those that
// run then end first, for which the call waits until ctx ends; the rest is removed when they have ended, and
// by [Open]. A tenant that is not there is no error. The error matches [reindex.ErrRunning], and nothing has changed,
// while a generation of the tenant is open.
func (ix *Index) DeleteTenant(ctx context.Context, tenant string) error {
	if err := ix.deleteTenant(ctx, tenant); err != nil {
		return fmt.Errorf("bleveindex: delete tenant %q: %w", tenant, err)
	}
	return nil
}

func (ix *Index) deleteTenant(ctx context.Context, name string) error {
	if err := errors.Join(ctx.Err(), ix.writable()); err != nil {
		return err
	}
	t, err := ix.tenant(name, false)
	if errors.Is(err, reindex.ErrNoLiveIndex) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(t.dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	busy, err := t.unpublish()
	if err != nil {
		return err
	}
	if err := t.awaitUnused(ctx, busy); err != nil {
		return fmt.Errorf("wait for its last searches: %w", err)
	}
	if _, err := t.reap(ctx); err != nil {
		return err
	}
	return t.clear()
}

// unpublish makes nothing the tenant's live index, for good, and returns the generations that were in use.
func (t *tenant) unpublish() ([]string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return nil, ErrClosed
	case len(t.gens) > 0:
		return nil, reindex.ErrRunning
	}
	previous, _ := readPointer(t.dir)
	replaced, err := t.ix.disk.writePointer(t.dir, pointer{})
	if !replaced {
		return nil, err
	}
	t.leave(t.live.Swap(nil), previous.generation, err == nil)
	return slices.Collect(maps.Keys(t.busy)), err
}

// awaitUnused waits until this process uses none of the generations any more.
func (t *tenant) awaitUnused(ctx context.Context, generations []string) error {
	for {
		t.mu.Lock()
		used := slices.ContainsFunc(generations, func(name string) bool { return t.busy[name] })
		freed := t.freed
		t.mu.Unlock()
		if !used {
			return nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// clear removes the directory of a tenant that was deleted, unless a new generation was begun since.
func (t *tenant) clear() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.busy) > 0 {
		return nil
	}
	p, err := readPointer(t.dir)
	if !errors.Is(err, reindex.ErrNoLiveIndex) || p.documents == unknown {
		return nil // it is back, or was never deleted
	}
	if err := t.ix.disk.remove(t.dir); err != nil {
		return err
	}
	return t.ix.disk.syncDir(t.ix.dir)
}
