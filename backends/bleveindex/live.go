package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/mapping"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/backends/bleveindex/internal/bodies"
	"productindex/reindex"
)

// liveIndex is an open index with a reference count. Being live is one reference, and every search is another.
type liveIndex struct {
	t     *tenant
	index bleve.Index
	name  string // the name of the generation

	snapshot string // the directory of this process's snapshot; empty if it has none
	view     view   // the files from which the snapshot was made

	refs atomic.Int64
	last atomic.Pointer[func()] // called when the last reference is dropped; set before the live reference is dropped
	used atomic.Int64           // the time of the last search or the opening, in nanoseconds since 1970

	editing sync.Mutex // held while the index is changed
	mapper  *mapper    // nil until the first change, if this Index has not built it; guarded by editing
	noted   bool       // the mark says that it was changed; guarded by editing

	fields    fieldCache
	thesaurus func() (*thesaurus, error)    // made once
	bodies    func() (*bodies.Codec, error) // made once

	checking sync.Mutex
	sound    bool // its files were checked after a panic, and are not damaged
}

func newLiveIndex(t *tenant, index bleve.Index, name string) *liveIndex {
	l := &liveIndex{t: t, index: index, name: name}
	l.thesaurus = sync.OnceValues(func() (*thesaurus, error) {
		m, err := t.ix.cfg.mappingOf(t.name)
		if err != nil {
			return nil, err
		}
		return newThesaurus(m), nil
	})
	l.bodies = sync.OnceValues(func() (*bodies.Codec, error) {
		dictionary, err := l.index.GetInternal(dictionaryKey)
		if err != nil {
			return nil, err
		}
		return bodies.New(slices.Clone(dictionary))
	})
	l.refs.Store(1)
	l.used.Store(time.Now().UnixNano())
	return l
}

// acquire takes a reference, and reports false if there are none left.
func (l *liveIndex) acquire() bool {
	for {
		n := l.refs.Load()
		if n == 0 {
			return false
		}
		if l.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release drops the live reference. The function last is called once, when all references are dropped.
func (l *liveIndex) release(last func()) {
	l.last.Store(&last)
	l.drop()
}

// done drops the reference of a search.
func (l *liveIndex) done() {
	l.used.Store(time.Now().UnixNano())
	l.drop()
}

func (l *liveIndex) drop() {
	if l.refs.Add(-1) == 0 {
		(*l.last.Load())()
	}
}

// close closes the index, and removes its snapshot if it has one.
func (l *liveIndex) close() error {
	err := closeIndex(l.index)
	if l.snapshot != "" {
		err = errors.Join(err, os.RemoveAll(l.snapshot)) //nolint:gosec // os.MkdirTemp's own name
	}
	return err
}

func (l *liveIndex) closeLogged() {
	if err := l.close(); err != nil {
		l.t.ix.cfg.Logger.Error("cannot close an index", "dir", l.t.dir, "generation", l.name, "error", err)
	}
}

// count returns the number of documents in the index.
func (l *liveIndex) count() (int64, error) { return countDocuments(l.index) }

func countDocuments(of bleve.Index) (n int64, err error) {
	err = guard(func() error {
		documents, err := of.DocCount()
		n = int64(documents) //nolint:gosec // bleve counts documents in 64 bits, and holds less than 2⁶³
		return err
	})
	return n, err
}

// suspect logs a panic in a call of the index, and checks the files of the index, once per index. If they are damaged,
// the error matches [reindex.ErrDamaged].
func (l *liveIndex) suspect(ctx context.Context, cause error) error {
	if panicked, ok := errors.AsType[*panicError](cause); ok {
		l.t.ix.cfg.Logger.Error(
			"bleve panicked",
			"dir",
			l.t.dir,
			"generation",
			l.name,
			"panic",
			panicked.value,
			"stack",
			string(panicked.stack),
		)
	}
	if !l.checking.TryLock() {
		return cause // another call is checking
	}
	defer l.checking.Unlock()
	if l.sound {
		return cause
	}
	err := l.verify(ctx)
	if errors.Is(err, reindex.ErrDamaged) {
		l.t.condemn(l, err)
		return errors.Join(err, cause)
	}
	l.sound = err == nil
	return cause
}

// verify compares the segments of an open index with their checksums.
func (l *liveIndex) verify(ctx context.Context) error {
	return guard(func() error {
		inner, err := l.index.Advanced()
		if err != nil {
			return err
		}
		of, ok := inner.(*scorch.Scorch)
		if !ok {
			return fmt.Errorf("the index is a %T, want a *scorch.Scorch", inner)
		}
		reader := of.CopyReader() // keeps the files until it is closed, even if their segments are merged
		var paths []string
		if snapshot, ok := reader.(*scorch.IndexSnapshot); ok {
			for _, s := range snapshot.Segments() {
				if file, ok := s.Segment().(interface{ Path() string }); ok {
					paths = append(paths, file.Path())
				}
			}
		}
		err = withFiles(paths, func(segments []*os.File) error { return verifySegments(ctx, segments) })
		return errors.Join(err, reader.CloseCopyReader())
	})
}

const metaFile = "index_meta.json" // bleve's own file, which bleve does not sync

// createForLoading creates an index for a load. During the load each segment is merged about once, the 16 smallest into
// one at a time, so that about 20 segments remain, and one more for every 400,000 products. Merging later would slow
// down searches after the switch, which must read every segment: with 52 segments, a Query of pcparts, a catalogue of
// 47,551 products, took three times as long.
func createForLoading(dir string, m mapping.IndexMapping) (created bleve.Index, err error) {
	err = guard(func() (err error) {
		created, err = bleve.NewUsing(dir, m, scorch.Name, scorch.Name, map[string]any{
			"bolt_timeout":           boltTimeout.String(),
			"asyncErrorCallbackName": backgroundCallback,
			unsafeBatch:              true,
			"scorchMergePlanOptions": map[string]any{
				"MaxSegmentsPerTier":   20,
				"SegmentsPerMergeTask": 16,
				"TierGrowth":           1000,
				"FloorSegmentSize":     400,
			},
		})
		if err != nil {
			return err
		}
		inner, err := created.Advanced()
		if err == nil { // bleve does not wait until the mapping is on the disk
			err = persist(inner, created.Name(), index.NewBatch())
		}
		if err != nil {
			return errors.Join(err, closeIndex(created))
		}
		return nil
	})
	return created, err
}

// openForSearch opens an index for searches and changes, and returns the number of its documents. Its segments are
// merged by changingPlan, and by restingPlan once it is no longer changed. After a panic in bleve the error matches
// [reindex.ErrDamaged].
func openForSearch(dir string) (opened bleve.Index, documents int64, err error) {
	return openIndex(dir, map[string]any{
		"scorchMergePlanOptions": changingPlan,
		"eventCallbackName":      backgroundCallback,
		unsafeBatch:              true,
	})
}

// openReadOnly is like openForSearch, but does not change any file.
func openReadOnly(dir string) (opened bleve.Index, documents int64, err error) {
	return openIndex(dir, map[string]any{"read_only": true})
}

func openIndex(dir string, options map[string]any) (opened bleve.Index, documents int64, err error) {
	options["bolt_timeout"] = boltTimeout.String()
	options["asyncErrorCallbackName"] = backgroundCallback
	for try := 1; ; try++ {
		err = guard(func() (err error) {
			opened, err = bleve.OpenUsing(dir, options)
			return err
		})
		if err == nil || !strings.HasPrefix(err.Error(), nothingFound) {
			break
		}
		if lack := checkSegments(dir); lack != nil {
			err = lack
			break
		}
		if try == openTries { // the process may lack memory to map them
			err = fmt.Errorf("bleve cannot open the segments, although all files exist: %w", err)
			break
		}
	}
	if _, panicked := errors.AsType[*panicError](err); panicked {
		return nil, 0, damaged("%w", err)
	}
	if err != nil && strings.HasSuffix(err.Error(), "registered") { // an analyzer of the mapping is missing, for example
		return nil, 0, damaged("another version of this program has built it: %w", err)
	}
	if err != nil {
		return nil, 0, err
	}
	if documents, err = countDocuments(opened); err != nil {
		return nil, 0, errors.Join(err, closeIndex(opened))
	}
	return opened, documents, nil
}

const (
	// nothingFound begins bleve's error if it cannot open a segment for any reason: it then continues with an empty
	// index, which has no mapping.
	nothingFound = "error parsing mapping JSON"

	// openTries is the number of attempts to open an index for which bleve returns nothingFound although all of its
	// files can be opened.
	openTries = 3
)
