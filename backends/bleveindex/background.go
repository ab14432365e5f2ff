package bleveindex

import (
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
)

const (
	backgroundCallback = "productindex"

	persister = "persister" // what bleve calls its goroutine that writes batches to the disk

	// bleve's merger and persister try again at once, for ever, if they fail. On a full disk each would keep a processor
	// busy, and what a merge has written until it fails would take the space that others wait for. So each waits before,
	// twice as long as the last time.
	firstPause = time.Second
	lastPause  = time.Minute
)

// openIndexes are the open Indexes by directory, since bleve's callbacks know no more than the path of an index.
var openIndexes sync.Map

func init() { //nolint:gochecknoinits // bleve reads its registry without a lock
	scorch.RegistryAsyncErrorCallbacks[backgroundCallback] = backgroundError
}

// backgroundError logs what failed in one of bleve's own goroutines, and keeps it from trying again until a pause is
// over or the index is being closed.
func backgroundError(err error, storePath string) {
	generation := filepath.Dir(storePath)
	dir := filepath.Dir(generation)
	source := ""
	if failure, ok := errors.AsType[*scorch.ScorchError](err); ok {
		source = failure.Source
	}
	r := retriesOf(generation)
	if source == persister {
		r.fail(err)
	}
	pause := r.next(source, time.Now())
	value, _ := openIndexes.Load(filepath.Dir(dir))
	if ix, ok := value.(*Index); ok {
		ix.cfg.Logger.Error("bleve failed in the background and will try again",
			"dir", dir, "generation", filepath.Base(generation), "error", explain(dir, err), "pause", pause)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.closing:
	}
}

// allRetries are the *retries of open indexes, by path.
var allRetries sync.Map

// retries are what goes on failing in the background of an index.
type retries struct {
	closing chan struct{} // closed once the index is being closed

	mu       sync.Mutex
	failed   map[string]failure // by what failed: the merger or the persister
	watching map[chan error]struct{}
}

// failure is when something fails next if it goes on failing, and how long it has waited then.
type failure struct {
	next  time.Time
	pause time.Duration
}

func retriesOf(generation string) *retries {
	r := &retries{
		closing:  make(chan struct{}),
		failed:   map[string]failure{},
		watching: map[chan error]struct{}{},
	}
	if known, ok := allRetries.LoadOrStore(generation, r); ok {
		r, _ = known.(*retries)
	}
	return r
}

// next returns how long something that has failed waits until it tries again. If it has not failed for a
// minute since then, it has succeeded.
func (r *retries) next(source string, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, pause := r.failed[source], firstPause
	if now.Before(last.next.Add(time.Minute)) {
		pause = min(2*last.pause, lastPause)
	}
	r.failed[source] = failure{now.Add(pause), pause}
	return pause
}

// closer is a bleve.Index that is closed.
type closer interface {
	Name() string
	Close() error
}

// closeIndex closes an index, and ends the pauses of what fails in its background. A panic becomes an error.
func closeIndex(index closer) error {
	name := index.Name()
	close(retriesOf(name).closing)
	defer allRetries.Delete(name)
	return guard(index.Close)
}
