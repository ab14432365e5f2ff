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

// Reap implements [reindex.Reaper]. It removes the generations of a tenant that are not live, not kept and not in use
// by this process, and returns their number. If the tenant's pointer is lost or damaged, Reap removes only generations
// that were certainly never live, and the error matches [reindex.ErrDamaged].
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

// reapAll reaps every tenant, and removes the directories of deleted tenants. It returns an error only if the directory
// cannot be read, and logs all others.
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
			ix.cfg.Logger.Error("cannot remove the generations that a dead process has left", "dir", t.dir, "error", err)
		}
		if n > 0 {
			ix.cfg.Logger.Info("removed the generations that a dead process has left", "dir", t.dir, "generations", n)
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

// reap removes the tenant's leftover generations, one after the other, until ctx ends.
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

// claimLeftovers returns the leftover generations and marks them as in use, so that no other call removes them. With an
// error it returns only those that were certainly never live.
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
		err = t.ix.disk.syncDir(t.dir) // so that after a power cut no older pointer names one of them
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
