package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"productindex/reindex"
)

// Reap removes the generations of a tenant that are neither live, nor kept, nor in use by this process, and returns how
// many that were. Open has done so before; the rest could not be removed at that time. If the tenant's pointer is lost
// or damaged only generations that certainly were never live are removed, since one of the others may be live; the
// error then matches [reindex.ErrDamaged].
func (ix *Index) Reap(ctx context.Context, tenant string) (int, error) {
	n, err := ix.reap(ctx, tenant)
	if err != nil {
		return n, fmt.Errorf("bleveindex: reap tenant %q: %w", tenant, err)
	}
	return n, nil
}

func (ix *Index) reap(ctx context.Context, tenant string) (int, error) {
	if err := errors.Join(ctx.Err(), ix.writable()); err != nil {
		return 0, err
	}
	t, err := ix.tenant(tenant, false)
	if errors.Is(err, reindex.ErrNoLiveIndex) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return t.reap(ctx)
}

// reapAll reaps every tenant of the directory, and removes the directories of those that were deleted. Only a directory
// that cannot be read is an error.
func (ix *Index) reapAll() error {
	tenants, err := ix.onDisk()
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		t := newTenant(ix, tenant)
		n, err := t.reap(ix.ctx)
		if err == nil {
			err = t.clear()
		}
		if err != nil {
			ix.cfg.Logger.Error("removing leftovers failed", "dir", t.dir, "error", err)
		}
		if n > 0 {
			ix.cfg.Logger.Info("removed leftovers", "dir", t.dir, "generations", n)
		}
	}
	return nil
}

// onDisk returns the tenants that have a directory.
func (ix *Index) onDisk() ([]string, error) {
	entries, err := os.ReadDir(ix.dir)
	if err != nil {
		return nil, err
	}
	var tenants []string
	for _, entry := range entries {
		if tenant, ok := tenantOf(entry.Name()); ok && entry.IsDir() {
			tenants = append(tenants, tenant)
		}
	}
	return tenants, nil
}

// reap removes the tenant's leftovers, one after the other until ctx ends.
func (t *tenant) reap(ctx context.Context) (int, error) {
	leftovers, err := t.claimLeftovers()
	removed := 0
	for _, name := range leftovers {
		if ctx.Err() != nil {
			t.mu.Lock()
			t.unuse(name)
			t.mu.Unlock()
			continue
		}
		if failed := t.discard(name); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		removed++
	}
	return removed, errors.Join(err, ctx.Err())
}

// claimLeftovers returns the generations that nobody uses, and marks them as in use, so that nobody else removes them.
// With an error they are only those that were certainly never live.
func (t *tenant) claimLeftovers() ([]string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrClosed
	}
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		return nil, err
	}
	live, err := readPointer(t.dir)
	if errors.Is(err, reindex.ErrNoLiveIndex) {
		err = nil
	}
	if err == nil {
		err = t.ix.disk.syncDir(t.dir) // a pointer that could still go back to one of them does not any more
	}
	keeps := t.ix.cfg.keeps(live.kept, time.Now())
	var leftovers []string
	for _, entry := range entries {
		name := entry.Name()
		if !generationName.MatchString(name) || name == live.generation || has(keeps, name) || t.busy[name] {
			continue
		}
		if err != nil {
			if !readMark(filepath.Join(t.dir, name)).loading {
				continue
			}
		}
		t.busy[name] = true
		leftovers = append(leftovers, name)
	}
	return leftovers, err
}
