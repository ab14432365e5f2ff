package bleveindex

import (
	"context"
	"sync"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/index/scorch/mergeplan"
)

// changingPlan is how segments are merged while an index is changed. Each group of changes is a segment of a few
// products. With bleve's own plan, which takes up to 2,000 products for a small segment, each of them leads to another
// merge of hundreds of products, or of the whole index: with 80 changes a second that took four times as much time as
// everything else. Here up to some 20 small segments stay beside the large ones, the smallest are merged first, and a
// large segment is merged when a third of it has been replaced.
var changingPlan = map[string]any{
	"FloorSegmentSize":     20,
	"SegmentsPerMergeTask": 8,
	"ReclaimDeletesWeight": 1,
}

// restingPlan is how the segments of an index are merged once it is not changed any more: into few, for the searches.
func restingPlan() *mergeplan.MergePlanOptions {
	plan := mergeplan.DefaultMergePlanOptions
	plan.SegmentsPerMergeTask = 16 // one merge of many takes less time than several of few
	return &plan
}

// bleve removes the files of segments that were merged with its next write to the index, if nothing reads them any more
// by then. After the last merge there may be no next write, and the index stays larger than it is by up to a half. So a
// tidier makes a write that changes nothing as soon as merging has ended, until the files are gone. Before that, it merges
// by restingPlan.

func init() { //nolint:gochecknoinits // bleve reads its registry without a lock
	scorch.RegistryEventCallbacks[backgroundCallback] = backgroundEvent
}

// tidiers are the *tidier of open indexes, by *scorch.Scorch.
var tidiers sync.Map

// backgroundEvent is called by bleve with what an index does.
func backgroundEvent(event scorch.Event) bool {
	if event.Kind == scorch.EventKindMergerProgress {
		tidierOf(event.Scorch).start()
	}
	if event.Kind == scorch.EventKindCloseStart {
		tidierOf(event.Scorch).stop() // even if it was not started: the merger may make progress once more
	}
	if event.Kind == scorch.EventKindClose {
		tidiers.Delete(event.Scorch)
	}
	return true
}

func tidierOf(index *scorch.Scorch) *tidier {
	known, ok := tidiers.Load(index)
	if !ok {
		known, _ = tidiers.LoadOrStore(index, newTidier(index))
	}
	t, _ := known.(*tidier)
	return t
}

// tidier merges the segments of an index that is not changed any more, and removes what merges leave. Its goroutine runs
// only while there is something to do.
type tidier struct {
	index *scorch.Scorch
	open  context.Context //nolint:containedctx // until the index is being closed
	close context.CancelFunc

	mu      sync.Mutex
	running bool
	done    sync.WaitGroup
}

func newTidier(of *scorch.Scorch) *tidier {
	t := &tidier{index: of}
	t.open, t.close = context.WithCancel(context.Background())
	return t
}

// start begins to tidy unless that is going on.
func (t *tidier) start() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open.Err() == nil && !t.running {
		t.running = true
		t.done.Go(t.run)
	}
}

// stop ends tidying for good, and waits until it has ended.
func (t *tidier) stop() {
	t.mu.Lock()
	t.close()
	t.mu.Unlock()
	t.done.Wait()
}

// run looks at the index, again and again, until it has been at rest and all of its files are in use. A search can hold
// them for long, and a write can fail, which bleve reports: so it waits longer each time.
func (t *tidier) run() {
	merged := false // since it was changed last
	for pause, before := firstPause, changesOf(t.index); ; {
		select {
		case <-t.open.Done():
			return
		case <-time.After(pause):
		}
		now := changesOf(t.index)
		switch {
		case now != before:
			before, merged = now, false
		case merging(t.index):
		case !merged:
			// Only bleve's merger can fail, and its persister below, which report that themselves: see backgroundError.
			_ = guard(func() error { return t.index.ForceMerge(t.open, restingPlan()) })
			merged = true
		case t.ended():
			return
		default:
			pause = min(2*pause, lastPause)
			_ = guard(func() error { return t.index.DeleteInternal(noKey) })
		}
	}
}

// changesOf returns how often documents of an index were written or deleted since it was opened.
func changesOf(of *scorch.Scorch) uint64 {
	stats := of.StatsMap()
	updates, _ := stats["TotUpdates"].(uint64)
	deletions, _ := stats["TotDeletes"].(uint64)
	return updates + deletions
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
