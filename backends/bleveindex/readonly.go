package bleveindex

import (
	"errors"
	"time"

	"productindex/reindex"
)

// followInterval is how long a read-only Index may take to see that another process has switched a tenant.
const followInterval = time.Second

// writable returns nil, or the error of a call that changes something.
func (ix *Index) writable() error {
	if ix.cfg.ReadOnly {
		return ErrReadOnly
	}
	return nil
}

// follow looks whether another process has made another generation live, unless somebody looked within the interval. Searches use the
// generation before until the new one is open.
func (t *tenant) follow(interval time.Duration) {
	last, now := t.followed.Load(), time.Now().UnixNano()
	if now-last < int64(interval) || !t.followed.CompareAndSwap(last, now) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.live.Load()
	if t.closed || l == nil || t.opening != nil {
		return
	}
	switch p, err := readPointer(t.dir); {
	case errors.Is(err, reindex.ErrNoLiveIndex):
		t.live.Store(nil)
		t.retire(l, false)
	case err != nil:
		t.ix.cfg.Logger.Warn("searches go on in the generation before", "dir", t.dir, "error", err)
	case p.generation != l.name && p.generation != t.damage.generation:
		t.startOpening(p)
	}
}
