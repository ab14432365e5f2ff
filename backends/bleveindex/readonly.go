package bleveindex

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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

// follow looks whether another process has made another generation live, or updated this one, unless somebody looked
// within the interval. Searches use the generation before until the new one is open.
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
	case p.generation == t.damage.generation:
	case p.generation != l.name || l.stale():
		t.startOpening(p)
	}
}

// followShare bounds how much of the time a read-only Index opens a tenant's index again that is updated all the time:
// a tenth.
const followShare = 10

// view is what a read-only Index knows of the files that a snapshot was made of.
type view struct {
	root   fs.FileInfo // of the list of segments; nil if it cannot be compared
	opened time.Time
	took   time.Duration
}

// look returns a view of a generation that is going to be opened.
func look(dir string) view {
	v := view{opened: time.Now()}
	root, err := os.Stat(filepath.Join(dir, storeDir, rootFile)) //nolint:gosec // the path is the index's own
	if err == nil &&
		v.opened.Sub(root.ModTime()) > followInterval/10 { // else a file may change later and have the same time
		v.root = root
	}
	return v
}

// stale reports whether another process has written to the generation since this snapshot of it was made.
func (l *liveIndex) stale() bool {
	if time.Since(l.view.opened) < followShare*l.view.took {
		return false
	}
	root, err := os.Stat(filepath.Join(l.t.dir, l.name, storeDir, rootFile)) //nolint:gosec // the path is the index's own
	if err != nil {
		return false // it will be found out when there is another generation
	}
	was := l.view.root
	return was == nil || !root.ModTime().Equal(was.ModTime()) || root.Size() != was.Size()
}
