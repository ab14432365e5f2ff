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

// Tenants returns the sorted names of the tenants that have a live index, including those whose index is damaged.
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

// DeleteTenant removes a tenant's live index, and all other files of the tenant. Searches find no live index from then
// on, even if the call fails later or the process dies. DeleteTenant waits for running searches until ctx ends; the
// remaining files are removed when the searches have ended, and by [Open]. Deleting an unknown tenant succeeds. If a
// generation of the tenant is open, the error matches [reindex.ErrRunning] and nothing has changed.
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

// unpublish removes the tenant's live index from the pointer, and returns the generations in use.
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

// awaitUnused waits until this process no longer uses any of the generations.
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

// clear removes the directory of a deleted tenant, unless a new generation has begun.
func (t *tenant) clear() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.busy) > 0 {
		return nil
	}
	p, err := readPointer(t.dir)
	if !errors.Is(err, reindex.ErrNoLiveIndex) || p.documents == unknown {
		return nil // the tenant was not deleted, or has a live index again
	}
	if err := t.ix.disk.remove(t.dir); err != nil {
		return err
	}
	return t.ix.disk.syncDir(t.ix.dir)
}
