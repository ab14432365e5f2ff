package bleveindex

import (
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

// Sentinel errors. Match them with [errors.Is].
var (
	// ErrNoIndex: the tenant has no live index; it was never reindexed.
	ErrNoIndex = errors.New("the tenant has no live index yet")

	// ErrClosed: the Index was closed.
	ErrClosed = errors.New("the index is closed")

	// ErrLocked: another process, or another Index of this one, has the directory open.
	ErrLocked = errors.New("the directory is open in another process or Index")

	// ErrDamaged: the file that names a tenant's live generation is not as it was written. A reindex of the tenant replaces it.
	ErrDamaged = errors.New("damaged pointer to the live index")
)

const (
	lockFile = "lock"

	batchDocs  = 1000
	maxWriters = 4
)

// Index is a directory of bleve indexes, one live one a tenant. It is a [reindex.Indexer] with the capabilities [reindex.Limiter] and
// [reindex.Reaper]. It is safe for concurrent use.
type Index struct {
	dir  string
	cfg  Config
	lock *flock.Flock

	mu      sync.RWMutex
	tenants map[string]*tenant // by name of their directory
	closed  bool

	open     sync.WaitGroup // live and retired indexes that are not closed yet, removals in progress
	once     sync.Once
	closeErr error
}

// Open opens the directory, creates it where it does not exist, and removes what dead processes have left in it. Indexes are opened when
// they are searched first. A nil cfg means the defaults. The error matches [ErrLocked], at once, while another Index has the directory
// open. A tenant whose pointer is damaged does not keep the others from being opened.
func Open(dir string, cfg *Config) (*Index, error) {
	c := cfg.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("bleveindex: open %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil { //nolint:gosec // the host's own choice
		return nil, fmt.Errorf("bleveindex: open: %w", err)
	}
	lock := flock.New(filepath.Join(dir, lockFile))
	switch locked, err := lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("bleveindex: open: %w", err)
	case !locked:
		return nil, fmt.Errorf("bleveindex: open %s: %w", dir, ErrLocked)
	}
	ix := &Index{dir: dir, cfg: c, lock: lock, tenants: map[string]*tenant{}}
	openIndexes.Store(dir, ix)
	if err := ix.reapAll(); err != nil {
		return nil, errors.Join(fmt.Errorf("bleveindex: open: %w", err), ix.Close())
	}
	return ix, nil
}

// Limits are the sizes that bleve works best with: batches of Config.BatchBytes, but no more than 1,000 products, and a writer for each
// processor up to 4, at least 2.
func (ix *Index) Limits() reindex.Limits {
	return reindex.Limits{MaxDocs: batchDocs, MaxBytes: ix.cfg.BatchBytes, MaxInFlight: max(2, min(runtime.GOMAXPROCS(0), maxWriters))}
}

// Close waits for running searches, discards open generations, closes every index and unlocks the directory. Calls that are made after
// it has begun fail with [ErrClosed]. Later calls of Close wait for the first one and return the same error.
func (ix *Index) Close() error {
	ix.once.Do(func() {
		ix.mu.Lock()
		ix.closed = true
		tenants := ix.tenants
		ix.mu.Unlock()
		var errs []error
		for _, t := range tenants {
			errs = append(errs, t.close())
		}
		ix.open.Wait()
		openIndexes.Delete(ix.dir)
		errs = append(errs, ix.lock.Unlock())
		if err := errors.Join(errs...); err != nil {
			ix.closeErr = fmt.Errorf("bleveindex: close: %w", err)
		}
	})
	return ix.closeErr
}

// tenant returns the state of a tenant. Where the tenant has no directory yet it is created, or the error matches [ErrNoIndex].
func (ix *Index) tenant(name string, create bool) (*tenant, error) {
	if err := reindex.CheckTenant(name); err != nil {
		return nil, err
	}
	base := tenantDir(name)
	ix.mu.RLock()
	t, closed := ix.tenants[base], ix.closed
	ix.mu.RUnlock()
	if t != nil || closed {
		return t, closedError(closed)
	}
	dir := filepath.Join(ix.dir, base)
	if create {
		if err := makeDir(dir); err != nil {
			return nil, explain(ix.dir, err)
		}
	} else if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) { //nolint:gosec // tenantDir has no separators
		return nil, ErrNoIndex
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if ix.closed {
		return nil, ErrClosed
	}
	if t = ix.tenants[base]; t == nil {
		t = newTenant(ix, dir)
		ix.tenants[base] = t
	}
	return t, nil
}

func closedError(closed bool) error {
	if closed {
		return ErrClosed
	}
	return nil
}

// makeDir creates a directory where it does not exist, and waits until its name is on the disk.
func makeDir(path string) error {
	err := os.Mkdir(path, 0o700) //nolint:gosec // tenantDir has no separators
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
