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

	persister = "persister" // bleve's name for its goroutine that writes batches to the disk

	// After a failure bleve's merger and persister try again at once, forever. On a full disk each would keep a
	// processor busy, and the output of failing merges would take the remaining space. So each of them pauses between
	// attempts, twice as long as the last time.
	firstPause = time.Second
	lastPause  = time.Minute
	// closingPause is the pause while an index is being closed, until the goroutine notices that.
	closingPause = 10 * time.Millisecond
)

// openIndexes holds the open Indexes by directory, since bleve's callbacks get only the path of an index.
var openIndexes sync.Map

func init() { //nolint:gochecknoinits // bleve reads its registry without a lock
	scorch.RegistryAsyncErrorCallbacks[backgroundCallback] = backgroundError
}

// backgroundError logs a failure of one of bleve's goroutines, and delays its next attempt by a pause, which ends early
// if the index is closed.
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
	if r.isClosing() { // each batch was on the disk when its write returned
		<-time.After(closingPause)
		return
	}
	pause := r.next(source, time.Now())
	value, _ := openIndexes.Load(filepath.Dir(dir))
	if ix, ok := value.(*Index); ok {
		ix.cfg.Logger.Error("bleve failed in the background; it will try again after a pause",
			"dir", dir, "generation", filepath.Base(generation), "error", explain(dir, err), "pause", pause)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.closing:
	}
}

// allRetries holds the *retries of open indexes, by path.
var allRetries sync.Map

// retries is the state of the background failures of an index.
type retries struct {
	closing chan struct{} // closed when the index begins to close

	mu       sync.Mutex
	failed   map[string]failure // by source: the merger or the persister
	watching map[chan error]struct{}
}

// failure records the time of the next attempt after a failure, and the pause before it.
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

// isClosing reports whether the index has begun to close.
func (r *retries) isClosing() bool {
	select {
	case <-r.closing:
		return true
	default:
		return false
	}
}

// next returns the pause before the next attempt of source, which has just failed. The pauses start again if the last
// attempt was more than a minute ago, since it must have succeeded.
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

// closer is the part of bleve.Index that closeIndex uses.
type closer interface {
	Name() string
	Close() error
}

// closeIndex closes an index and ends the pauses of its goroutines. A panic becomes an error.
func closeIndex(index closer) error {
	name := index.Name()
	close(retriesOf(name).closing)
	defer allRetries.Delete(name)
	return guard(index.Close)
}
