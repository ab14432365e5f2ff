package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"productindex/reindex"
)

// tenant is what this process knows of one tenant: the live index and the generations in progress.
type tenant struct {
	ix   *Index
	name string
	dir  string
	live atomic.Pointer[liveIndex] // nil unless the live index is open

	mu      sync.Mutex               // guards the fields below, the pointer and the marks
	busy    map[string]bool          // the generations whose directories this process uses or removes
	gens    map[*generation]struct{} // the generations in progress
	opening *opening                 // the opening of the live index in progress, or nil
	idle    chan struct{}            // closed when the closing of an idle live index has ended; nil if there was none
	damage  damage
	token   int64         // the greatest fencing token of a generation
	again   bool          // the run with that token no longer has a generation, and may begin again
	freed   chan struct{} // closed and replaced when a generation is no longer in use
	closed  bool

	followed atomic.Int64 // the last check by a read-only Index, in nanoseconds since 1970
}

// opening is an opening of the live index in progress, shared by all calls that wait for it.
type opening struct {
	pointer    pointer
	superseded bool          // another generation has become live; guarded by t.mu, like remove
	remove     bool          // the generation must be removed
	done       chan struct{} // closed when the index is live or err is set
	err        error
}

// damage is the error of a damaged generation, which is not opened again.
type damage struct {
	generation string
	err        error
}

func newTenant(ix *Index, name string) *tenant {
	return &tenant{
		ix: ix, name: name, dir: filepath.Join(ix.dir, tenantDir(name)),
		busy: map[string]bool{}, gens: map[*generation]struct{}{}, freed: make(chan struct{}),
	}
}

// acquire returns the live index with a reference, which the caller drops with done. If the index is not open, acquire
// opens it and waits for that until ctx ends.
func (t *tenant) acquire(ctx context.Context) (*liveIndex, error) {
	if t.ix.cfg.ReadOnly {
		t.follow(followInterval)
	}
	for {
		if l := t.live.Load(); l != nil && l.acquire() {
			return l, nil
		}
		o, err := t.open()
		if err != nil {
			return nil, err
		}
		if o == nil {
			continue // the index has been opened meanwhile
		}
		select {
		case <-o.done:
			if o.err != nil {
				return nil, o.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// open starts to open the generation that the pointer names, unless that is already in progress. It returns nil if the
// live index is open.
func (t *tenant) open() (*opening, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return nil, ErrClosed
	case t.live.Load() != nil:
		return nil, nil //nolint:nilnil // as documented
	case t.opening != nil:
		return t.opening, nil
	}
	p, err := readPointer(t.dir)
	if err != nil {
		return nil, err
	}
	if p.generation == t.damage.generation {
		return nil, t.damage.err
	}
	return t.startOpening(p), nil
}

// startOpening starts to open a generation. t.mu is held, and t is not closed.
func (t *tenant) startOpening(p pointer) *opening {
	o := &opening{pointer: p, done: make(chan struct{})}
	t.opening = o
	t.busy[p.generation] = true
	closing := t.idle
	t.ix.open.Go(func() {
		if closing != nil {
			<-closing
		}
		l, err := t.openGeneration(p)
		t.opened(o, l, err)
		t.ix.closeSurplus()
	})
	return o
}

// openGeneration checks a generation's files and opens it for searches.
func (t *tenant) openGeneration(p pointer) (*liveIndex, error) {
	dir := filepath.Join(t.dir, p.generation)
	l := newLiveIndex(t, nil, p.generation)
	var n int64
	var err error
	if t.ix.cfg.ReadOnly {
		l.view = look(dir)
		l.index, n, l.snapshot, err = openShadow(t.ix.ctx, dir)
		l.view.took = time.Since(l.view.opened)
	} else if err = verify(t.ix.ctx, dir); err == nil {
		l.index, n, err = openForSearch(dir)
	}
	if err == nil {
		if err = checkDocuments(l.index, n, p.documents); err != nil {
			err = errors.Join(err, l.close())
		}
	}
	if err != nil {
		return nil, explain(t.dir, fmt.Errorf("live index %s: %w", dir, err))
	}
	return l, nil
}

// opened ends the opening o, whose result is l or err. It makes l the live index, unless another generation has become
// live.
func (t *tenant) opened(o *opening, l *liveIndex, err error) {
	t.mu.Lock()
	if err != nil && t.ix.cfg.ReadOnly {
		now, _ := readPointer(t.dir) // the writing process may have replaced it meanwhile
		o.superseded = now.generation != o.pointer.generation
	}
	if l := t.live.Load(); err != nil && l != nil && l.name == o.pointer.generation {
		t.ix.cfg.Logger.Warn("cannot open the updated index; searches continue without the latest updates", "dir", t.dir,
			"error", err)
	} else if errors.Is(err, reindex.ErrDamaged) && !o.superseded {
		t.damage = damage{o.pointer.generation, err}
	}
	unused := t.closed || o.superseded
	switch {
	case t.closed:
		err = ErrClosed
	case o.superseded:
		err = nil
	case err == nil:
		if before := t.setLive(l); before != nil {
			t.retire(before, false) // a read-only Index has followed
		}
	}
	if (err != nil || unused) && !o.remove {
		t.unuse(o.pointer.generation)
	}
	t.opening = nil
	t.mu.Unlock()
	o.err = err
	close(o.done)
	if unused && l != nil {
		l.closeLogged()
	}
	if o.remove {
		t.remove(o.pointer.generation)
	}
}

// condemn retires a damaged live index, which is not opened again.
func (t *tenant) condemn(l *liveIndex, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed && t.live.CompareAndSwap(l, nil) {
		t.damage = damage{l.name, err}
		t.retire(l, false)
	}
}

// setLive makes l the index that searches use, and returns the previous one. t.mu is held, and t is not closed.
func (t *tenant) setLive(l *liveIndex) (before *liveIndex) {
	t.ix.open.Add(1)
	t.busy[l.name] = true
	return t.live.Swap(l)
}

// retire drops the live reference of an index. When its last search has ended, the index is closed and, if remove is
// set, removed from the disk. t.mu is held.
func (t *tenant) retire(l *liveIndex, remove bool) {
	l.release(func() {
		go func() {
			defer t.ix.open.Done()
			l.closeLogged()
			if remove {
				t.remove(l.name)
				return
			}
			t.mu.Lock()
			defer t.mu.Unlock()
			t.unuse(l.name)
		}()
	})
}

// removeLater removes a generation that no search uses, in the background. t.mu is held, and t is not closed.
func (t *tenant) removeLater(name string) {
	t.busy[name] = true
	closing := t.idle
	t.ix.open.Go(func() {
		if closing != nil {
			<-closing
		}
		t.remove(name)
	})
}

// remove removes a generation from the disk. It logs a failure; a later Reap then removes the generation.
func (t *tenant) remove(name string) {
	if err := t.discard(name); err != nil {
		t.ix.cfg.Logger.Error("cannot remove an old generation; the next Reap will try again", "dir", t.dir,
			"generation", name, "error", err)
	}
}

// discard removes a generation from the disk, and marks it as no longer in use.
func (t *tenant) discard(name string) error {
	err := t.ix.disk.remove(filepath.Join(t.dir, name))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unuse(name)
	return err
}

// unuse marks a generation as no longer in use. t.mu is held.
func (t *tenant) unuse(name string) {
	delete(t.busy, name)
	close(t.freed)
	t.freed = make(chan struct{})
}

// documents returns the number of documents in the live index, or the stored number if the index is damaged. It returns
// -1 if it is certain that there is no live index.
func (t *tenant) documents(ctx context.Context) (int64, error) {
	if l := t.live.Load(); l != nil && l.acquire() {
		n, err := l.count()
		l.done()
		if err == nil {
			return n, nil
		}
	}
	t.mu.Lock()
	p, err := readPointer(t.dir)
	t.mu.Unlock()
	if errors.Is(err, reindex.ErrNoLiveIndex) {
		return -1, nil
	}
	if p.generation != "" {
		if m := readMark(filepath.Join(t.dir, p.generation)); m.documents != unknown {
			p.documents = m.documents // the number after the latest update
		}
	}
	if p.documents != unknown {
		if err != nil {
			t.ix.cfg.Logger.Warn("the live index is damaged; a commit replaces it", "dir", t.dir, "error", err)
		}
		return p.documents, nil
	}
	if err != nil {
		return 0, err
	}
	l, err := t.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer l.done()
	return l.count()
}

// close discards the generations in progress and retires the live index.
func (t *tenant) close() error {
	t.mu.Lock()
	t.closed = true
	gens := make([]*generation, 0, len(t.gens))
	for g := range t.gens {
		gens = append(gens, g)
	}
	if l := t.live.Swap(nil); l != nil {
		t.retire(l, false)
	}
	t.mu.Unlock()
	var errs []error
	for _, g := range gens {
		errs = append(errs, g.discard())
	}
	return errors.Join(errs...)
}
