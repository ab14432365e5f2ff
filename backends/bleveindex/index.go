package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/gofrs/flock"

	"productindex/reindex"
)

const (
	lockFile = "lock"

	batchDocs  = 1000
	maxWriters = 4
)

// Index is a directory of bleve indexes, with one live index per tenant. It is a [reindex.Indexer] with the
// capabilities [reindex.Limiter], [reindex.Reaper], [reindex.DocCounter], [reindex.LiveScanner], [reindex.Rollbacker]
// and [reindex.Updater]; its generations are [reindex.Editor]s. It is safe for concurrent use.
type Index struct {
	dir  string
	cfg  Config
	disk disk
	lock *flock.Flock // nil if the Index is read-only

	ctx  context.Context //nolint:containedctx // ends with the Index; background work uses it
	stop context.CancelFunc

	mu      sync.RWMutex
	tenants map[string]*tenant // by name
	closed  bool

	open     sync.WaitGroup // indexes that are not closed yet, and background goroutines
	once     sync.Once
	closeErr error
}

// Open opens the directory, creates it if it does not exist, and removes the generations that dead processes have left
// in it. A tenant's index is opened by its first search. A nil cfg means the defaults. The error matches [ErrLocked] if
// another Index has the directory open and neither of the two is read-only. Open succeeds even if the files of a tenant
// are damaged; calls for that tenant then fail.
func Open(dir string, cfg *Config) (*Index, error) {
	return openOn(osDisk, dir, cfg)
}

func openOn(disk disk, dir string, cfg *Config) (*Index, error) {
	c := cfg.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("bleveindex: open %s: %w", dir, err)
	}
	ix := &Index{dir: dir, cfg: c, disk: disk, tenants: map[string]*tenant{}}
	ix.ctx, ix.stop = context.WithCancel(context.Background())
	if c.ReadOnly {
		_, err = os.ReadDir(dir)
	} else {
		err = ix.take()
	}
	if err != nil {
		ix.stop()
		return nil, fmt.Errorf("bleveindex: open %s: %w", dir, err)
	}
	if c.IdleTimeout > 0 {
		ix.open.Go(func() { ix.closeIdle(c.IdleTimeout) })
	}
	return ix, nil
}

// take creates the directory, locks it, and removes the generations that dead processes have left.
func (ix *Index) take() error {
	if err := ix.disk.makeAll(ix.dir); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(ix.dir, lockFile))
	switch locked, err := lock.TryLock(); {
	case err != nil:
		return err
	case !locked:
		return ErrLocked
	}
	if err := ix.reapAll(); err != nil {
		return errors.Join(err, lock.Unlock())
	}
	openIndexes.Store(ix.dir, ix)
	ix.lock = lock
	return nil
}

// Limits implements [reindex.Limiter]: batches of Config.BatchBytes and at most 1,000 products, and one writer per
// processor, but at least 2 and at most 4. bleve indexes fastest with these.
func (ix *Index) Limits() reindex.Limits {
	return reindex.Limits{
		MaxDocs:     batchDocs,
		MaxBytes:    ix.cfg.BatchBytes,
		MaxInFlight: writers(),
	}
}

// writers returns the number of batches that a run writes at the same time.
func writers() int { return max(2, min(runtime.GOMAXPROCS(0), maxWriters)) }

// Close discards open generations, waits for running searches, closes every index and unlocks the directory. Calls that
// begin after Close has begun fail with [ErrClosed]. Later calls of Close wait for the first one and return the same
// error.
func (ix *Index) Close() error {
	ix.once.Do(func() {
		ix.mu.Lock()
		ix.closed = true
		tenants := ix.tenants
		ix.mu.Unlock()
		ix.stop()
		var errs []error
		for _, t := range tenants {
			errs = append(errs, t.close())
		}
		ix.open.Wait()
		if ix.lock != nil {
			openIndexes.Delete(ix.dir)
			errs = append(errs, ix.lock.Unlock())
		}
		if err := errors.Join(errs...); err != nil {
			ix.closeErr = fmt.Errorf("bleveindex: close: %w", err)
		}
	})
	return ix.closeErr
}

// tenant returns the state of a tenant. If the tenant has no directory and create is false, the error matches
// [reindex.ErrNoLiveIndex].
func (ix *Index) tenant(name string, create bool) (*tenant, error) {
	if err := reindex.CheckTenant(name); err != nil {
		return nil, err
	}
	ix.mu.RLock()
	t, closed := ix.tenants[name], ix.closed
	ix.mu.RUnlock()
	switch {
	case closed:
		return nil, ErrClosed
	case t != nil:
		return t, nil
	}
	if !create {
		_, err := os.Stat(filepath.Join(ix.dir, tenantDir(name))) //nolint:gosec // tenantDir has no separators
		if errors.Is(err, fs.ErrNotExist) {
			return nil, reindex.ErrNoLiveIndex
		}
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if ix.closed {
		return nil, ErrClosed
	}
	if t = ix.tenants[name]; t == nil {
		t = newTenant(ix, name)
		ix.tenants[name] = t
	}
	return t, nil
}
