package bleveindex

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// tenant is what this process holds of one tenant: the live index and the generations in the making.
type tenant struct {
	ix   *Index
	dir  string
	live atomic.Pointer[liveIndex] // nil until it is searched first

	mu     sync.Mutex               // guards what follows, and the pointer file
	busy   map[string]bool          // generations whose directories this process uses or removes
	gens   map[*generation]struct{} // generations in the making
	closed bool
}

func newTenant(ix *Index, dir string) *tenant {
	return &tenant{ix: ix, dir: dir, busy: map[string]bool{}, gens: map[*generation]struct{}{}}
}

// acquire returns the live index with a reference that the caller releases. It opens it where no search did before.
func (t *tenant) acquire() (*liveIndex, error) {
	for {
		l := t.live.Load()
		if l == nil {
			if err := t.openLive(); err != nil {
				return nil, err
			}
			continue
		}
		if l.acquire() {
			return l, nil
		}
		// It was retired since it was loaded: its successor is in place.
	}
}

// openLive opens the generation that the pointer names.
func (t *tenant) openLive() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return ErrClosed
	case t.live.Load() != nil:
		return nil
	}
	name, err := readPointer(t.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNoIndex
	}
	if err != nil {
		return err
	}
	index, err := openForSearch(filepath.Join(t.dir, name))
	if err != nil {
		return explain(t.dir, fmt.Errorf("live index %s: %w", filepath.Join(t.dir, name), err))
	}
	t.setLive(newLiveIndex(index, name))
	return nil
}

// setLive makes l the index that searches use, and returns the one before. t.mu is held, and t is not closed.
func (t *tenant) setLive(l *liveIndex) (before *liveIndex) {
	t.ix.open.Add(1)
	t.busy[l.name] = true
	return t.live.Swap(l)
}

// publish makes a sealed generation live and retires the one before. The error is nil, or replaced tells whether it is live nevertheless.
func (t *tenant) publish(g *generation) (replaced bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false, ErrClosed
	}
	previous, _ := readPointer(t.dir) // where it can not be read there is nothing that can be retired
	if replaced, err = writePointer(t.dir, g.name); !replaced {
		return false, err
	}
	before := t.setLive(newLiveIndex(g.index, g.name))
	delete(t.gens, g)
	if before != nil {
		t.retire(before, err == nil) // a pointer that may come back keeps its index
	} else if previous != "" && err == nil {
		t.removeLater(previous)
	}
	return true, err
}

// retire drops the reference that being live is. When the last search has let go of it the index is closed, and removed from the disk.
func (t *tenant) retire(l *liveIndex, remove bool) {
	l.release(func() {
		go func() {
			defer t.ix.open.Done()
			if err := l.index.Close(); err != nil {
				t.ix.cfg.Logger.Error("closing an index failed", "dir", t.dir, "generation", l.name, "error", err)
			}
			if remove {
				t.remove(l.name)
			}
		}()
	})
}

// removeLater removes a generation that no search uses. t.mu is held, and t is not closed.
func (t *tenant) removeLater(name string) {
	t.busy[name] = true
	t.ix.open.Go(func() { t.remove(name) })
}

// remove removes a generation from the disk. What can not be removed now is left to Reap.
func (t *tenant) remove(name string) {
	if err := t.discard(name); err != nil {
		t.ix.cfg.Logger.Error("removing an old generation failed", "dir", t.dir, "generation", name, "error", err)
	}
}

// discard removes a generation from the disk, and from those that this process uses.
func (t *tenant) discard(name string) error {
	err := os.RemoveAll(filepath.Join(t.dir, name))
	t.mu.Lock()
	delete(t.busy, name)
	t.mu.Unlock()
	return err
}

// close discards the generations in the making and lets go of the live index.
func (t *tenant) close() error {
	t.mu.Lock()
	t.closed = true
	gens := make([]*generation, 0, len(t.gens))
	for g := range t.gens {
		gens = append(gens, g)
	}
	l := t.live.Swap(nil)
	t.mu.Unlock()
	if l != nil {
		t.retire(l, false)
	}
	var errs []error
	for _, g := range gens {
		errs = append(errs, g.discard())
	}
	return errors.Join(errs...)
}
