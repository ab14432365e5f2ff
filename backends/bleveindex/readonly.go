package bleveindex

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"productindex/reindex"
)

// followInterval is the interval at which a read-only Index checks whether another process has switched or updated a
// tenant.
const followInterval = time.Second

// writable returns an error if the Index is read-only.
func (ix *Index) writable() error {
	if ix.cfg.ReadOnly {
		return ErrReadOnly
	}
	return nil
}

// follow checks whether another process has switched or updated the tenant, unless a check was made within the
// interval. Searches use the previous index until the new one is open.
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
		t.ix.cfg.Logger.Warn("cannot read the pointer; searches continue in the previous generation", "dir", t.dir, "error",
			err)
	case p.generation == t.damage.generation:
	case p.generation != l.name || l.stale():
		t.startOpening(p)
	}
}

// followShare limits the time that a read-only Index spends on opening a constantly updated index, to a tenth.
const followShare = 10

// view describes the files from which a read-only Index has made a snapshot.
type view struct {
	root   fs.FileInfo // the list of segments; nil if it cannot be compared
	opened time.Time
	took   time.Duration
}

// look returns the view of a generation that is about to be opened.
func look(dir string) view {
	v := view{opened: time.Now()}
	root, err := os.Stat(filepath.Join(dir, storeDir, rootFile)) //nolint:gosec // the path is the index's own
	if err == nil &&
		v.opened.Sub(root.ModTime()) > followInterval/10 { // a file that has just changed may change again without a new time
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
		return false // the next switch will be noticed
	}
	was := l.view.root
	return was == nil || !root.ModTime().Equal(was.ModTime()) || root.Size() != was.Size()
}
