package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Reap removes the generations of a tenant that are neither live nor in use by this process, and returns how many that were. Open has
// done so before; what is left since then could not be removed at that time. Of a tenant whose pointer is damaged nothing is removed,
// since one of its generations may be the live one; the error then matches [ErrDamaged].
func (ix *Index) Reap(ctx context.Context, tenant string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	t, err := ix.tenant(tenant, false)
	if errors.Is(err, ErrNoIndex) {
		return 0, nil
	}
	if err == nil {
		var n int
		if n, err = t.reap(ctx); err == nil {
			return n, nil
		}
		return n, fmt.Errorf("bleveindex: reap tenant %q: %w", tenant, err)
	}
	return 0, fmt.Errorf("bleveindex: reap tenant %q: %w", tenant, err)
}

// reapAll reaps every tenant of the directory. Only a directory that can not be read is an error.
func (ix *Index) reapAll() error {
	entries, err := os.ReadDir(ix.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.IsDir() || !isTenantDir(entry.Name()) {
			continue
		}
		dir := filepath.Join(ix.dir, entry.Name())
		if n, err := newTenant(ix, dir).reap(context.Background()); err != nil {
			ix.cfg.Logger.Error("removing leftovers failed", "dir", dir, "error", err)
		} else if n > 0 {
			ix.cfg.Logger.Info("removed leftovers", "dir", dir, "generations", n)
		}
	}
	return nil
}

// reap removes the tenant's leftovers, one after the other until ctx ends.
func (t *tenant) reap(ctx context.Context) (int, error) {
	leftovers, err := t.claimLeftovers()
	if err != nil {
		return 0, err
	}
	removed := 0
	var errs []error
	for _, name := range leftovers {
		if ctx.Err() != nil {
			t.mu.Lock()
			delete(t.busy, name)
			t.mu.Unlock()
			continue
		}
		if err := t.discard(name); err != nil {
			errs = append(errs, err)
			continue
		}
		removed++
	}
	return removed, errors.Join(append(errs, ctx.Err())...)
}

// claimLeftovers returns the generations that nobody uses, and marks them as in use, so that nobody else removes them.
func (t *tenant) claimLeftovers() ([]string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrClosed
	}
	live, err := readPointer(t.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		return nil, err
	}
	var leftovers []string
	for _, entry := range entries {
		name := entry.Name()
		if generationName.MatchString(name) && name != live && !t.busy[name] {
			t.busy[name] = true
			leftovers = append(leftovers, name)
		}
	}
	return leftovers, nil
}
