package bleveindex

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// closeIdle closes the live indexes that no search has used for some time, until the Index is closed.
func (ix *Index) closeIdle(timeout time.Duration) {
	ticker := time.NewTicker(max(timeout/2, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ix.ctx.Done():
			return
		case now := <-ticker.C:
			ix.closeUnusedSince(now.Add(-timeout))
		}
	}
}

// closeUnusedSince closes the live indexes that no search has used since the given time.
func (ix *Index) closeUnusedSince(then time.Time) {
	for _, t := range ix.known() {
		t.closeUnusedSince(then)
	}
}

// known returns the tenants that this process knows.
func (ix *Index) known() []*tenant {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return slices.Collect(maps.Values(ix.tenants))
}

// closeSurplus closes the least recently used live indexes while more than Config.MaxOpen are open. Indexes in use stay
// open.
func (ix *Index) closeSurplus() {
	if ix.cfg.MaxOpen == 0 {
		return
	}
	type opened struct {
		tenant *tenant
		used   int64
	}
	var all []opened
	for _, t := range ix.known() {
		if l := t.live.Load(); l != nil {
			all = append(all, opened{t, l.used.Load()})
		}
	}
	slices.SortFunc(all, func(a, b opened) int { return cmp.Compare(a.used, b.used) })
	surplus := len(all) - ix.cfg.MaxOpen
	for _, o := range all[:max(0, len(all)-1)] { // not the most recently used one, for which the others are closed
		if surplus > 0 && o.tenant.closeUnusedSince(time.Now()) {
			surplus--
		}
	}
}

// closeUnusedSince closes the live index if no search has used it since the given time, and reports whether it does.
// The next search opens it again.
func (t *tenant) closeUnusedSince(then time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.live.Load()
	if t.closed || l == nil || l.used.Load() > then.UnixNano() || !l.refs.CompareAndSwap(1, 0) {
		return false
	}
	t.live.Store(nil) // a search that fails to get a reference sees this once it has t.mu
	closed := make(chan struct{})
	t.idle = closed
	go func() {
		defer t.ix.open.Done()
		l.closeLogged()
		t.mu.Lock()
		if t.opening == nil || t.opening.pointer.generation != l.name {
			t.unuse(l.name)
		}
		t.mu.Unlock()
		close(closed)
	}()
	return true
}
