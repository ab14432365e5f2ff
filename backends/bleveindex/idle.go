package bleveindex

import "time"

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

// closeUnusedSince closes the live indexes that no search has used since then.
func (ix *Index) closeUnusedSince(then time.Time) {
	ix.mu.RLock()
	tenants := make([]*tenant, 0, len(ix.tenants))
	for _, t := range ix.tenants {
		tenants = append(tenants, t)
	}
	ix.mu.RUnlock()
	for _, t := range tenants {
		t.closeUnusedSince(then)
	}
}

// closeUnusedSince closes the live index if no search uses it, nor has since then. The next search opens it again, when it is closed.
func (t *tenant) closeUnusedSince(then time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.live.Load()
	if t.closed || l == nil || l.used.Load() > then.UnixNano() || !l.refs.CompareAndSwap(1, 0) {
		return
	}
	t.live.Store(nil) // a search that has found no reference left finds this once it has t.mu
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
}
