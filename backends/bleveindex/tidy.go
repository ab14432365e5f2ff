package bleveindex

import (
	"sync"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
)

// bleve removes the files of segments that were merged with its next write to the index, if nothing reads them any more
// by then. After the last merge there may be no next write, and the index stays larger than it is by up to a half. So a
// tidier makes a write that changes nothing as soon as merging has ended, until the files are gone.

func init() { //nolint:gochecknoinits // bleve reads its registry without a lock
	scorch.RegistryEventCallbacks[backgroundCallback] = backgroundEvent
}

// tidiers are the *tidier of open indexes, by *scorch.Scorch.
var tidiers sync.Map

// backgroundEvent is called by bleve with what an index does.
func backgroundEvent(event scorch.Event) bool {
	if event.Kind == scorch.EventKindMergerProgress {
		known, _ := tidiers.LoadOrStore(event.Scorch, &tidier{index: event.Scorch, closing: make(chan struct{})})
		if t, ok := known.(*tidier); ok {
			t.start()
		}
	}
	if event.Kind == scorch.EventKindCloseStart {
		known, _ := tidiers.Load(event.Scorch)
		if t, ok := known.(*tidier); ok {
			t.stop()
		}
	}
	if event.Kind == scorch.EventKindClose {
		tidiers.Delete(event.Scorch)
	}
	return true
}

// tidier removes what merges leave of an index. Its goroutine runs only while there is something to remove.
type tidier struct {
	index   *scorch.Scorch
	closing chan struct{} // closed once the index is being closed

	mu      sync.Mutex
	closed  bool
	running bool
	done    sync.WaitGroup
}

// start begins to tidy unless that is going on.
func (t *tidier) start() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed && !t.running {
		t.running = true
		t.done.Go(t.run)
	}
}

// stop ends tidying for good, and waits until it has ended.
func (t *tidier) stop() {
	t.mu.Lock()
	if !t.closed {
		t.closed = true
		close(t.closing)
	}
	t.mu.Unlock()
	t.done.Wait()
}

// run looks at the files, again and again, until all are in use. A search can hold them for long, and a write can fail,
// which bleve reports: so it waits longer each time.
func (t *tidier) run() {
	for pause := firstPause; ; {
		select {
		case <-t.closing:
			return
		case <-time.After(pause):
		}
		if merging(t.index) {
			continue
		}
		if t.ended() {
			return
		}
		pause = min(2*pause, lastPause)
		// Only bleve's persister can fail, which reports that itself: see backgroundError.
		_ = guard(func() error { return t.index.DeleteInternal(noKey) })
	}
}

// noKey is a key that no index has.
var noKey = []byte("productindex-none")

// ended reports whether all files are in use, and lets the next merge start again if they are.
func (t *tidier) ended() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running = hasLeftovers(t.index)
	return !t.running
}

// merging reports whether something in the background of an index is going on.
func merging(of *scorch.Scorch) bool {
	active, _ := of.StatsMap()["index_bgthreads_active"].(bool)
	return active
}

// hasLeftovers reports whether the folder of an index holds more files than the index uses.
func hasLeftovers(of *scorch.Scorch) bool {
	const list = 1 // root.bolt
	stats := of.StatsMap()
	files, _ := stats["num_files_on_disk"].(uint64)
	segments, _ := stats["num_root_filesegments"].(uint64)
	return files > segments+list
}
