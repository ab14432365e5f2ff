package bleveindex

import (
	"context"
	"sync"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/index/scorch/mergeplan"
)

// changingPlan defines how segments are merged while an index is changed. Each group of changes is a segment of a few
// products. By bleve's own plan, segments of up to 2,000 products are small, so each group of changes leads to another
// merge of hundreds of products or of the whole index; with 80 changes per second, these merges took four times as much
// time as everything else. By this plan, up to about 20 small segments remain beside the large ones, the smallest are
// merged first, and a large segment is merged when a third of it has been replaced.
var changingPlan = map[string]any{
	"FloorSegmentSize":     20,
	"SegmentsPerMergeTask": 8,
	"ReclaimDeletesWeight": 1,
}

// restingPlan returns the plan for an index that is no longer changed. It merges the segments into few, so that
// searches are fast.
func restingPlan() *mergeplan.MergePlanOptions {
	plan := mergeplan.DefaultMergePlanOptions
	plan.SegmentsPerMergeTask = 16 // one merge of many takes less time than several of few
	return &plan
}

// bleve removes the files of merged segments at the next write to the index, if nothing reads them by then. After the
// last merge there may be no further write, and the index would stay up to 50 % larger than necessary. So a tidier
// first merges the segments by restingPlan, and then makes writes that change nothing until the files are removed.

func init() { //nolint:gochecknoinits // bleve reads its registry without a lock
	scorch.RegistryEventCallbacks[backgroundCallback] = backgroundEvent
}

// tidiers holds the *tidier of open indexes, by *scorch.Scorch.
var tidiers sync.Map

// backgroundEvent starts and stops the tidier of an index. bleve calls it for each event of the index.
func backgroundEvent(event scorch.Event) bool {
	if event.Kind == scorch.EventKindMergerProgress {
		tidierOf(event.Scorch).start()
	}
	if event.Kind == scorch.EventKindCloseStart {
		tidierOf(event.Scorch).stop() // even if it is not running, since progress of the merger could still start it
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

// tidier merges the segments of an index that is no longer changed, and removes the files that merges leave. Its
// goroutine runs only while there is work.
type tidier struct {
	index *scorch.Scorch
	open  context.Context //nolint:containedctx // ends when the index begins to close
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

// start starts the goroutine unless it is running.
func (t *tidier) start() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open.Err() == nil && !t.running {
		t.running = true
		t.done.Go(t.run)
	}
}

// stop ends the goroutine for good, and waits for it.
func (t *tidier) stop() {
	t.mu.Lock()
	t.close()
	t.mu.Unlock()
	t.done.Wait()
}

// run checks the index periodically until it is merged and all of its files are in use. The pauses grow, since a search
// can hold files for a long time and a write can fail.
func (t *tidier) run() {
	merged := false // since the last change
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
			// Only bleve's merger and, below, its persister can fail; backgroundError logs both.
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

// changesOf returns the number of documents that were written or deleted since the index was opened.
func changesOf(of *scorch.Scorch) uint64 {
	stats := of.StatsMap()
	updates, _ := stats["TotUpdates"].(uint64)
	deletions, _ := stats["TotDeletes"].(uint64)
	return updates + deletions
}

// noKey is a key that no index has.
var noKey = []byte("productindex-none")

// ended reports whether all files are in use. If so, the next merge starts the goroutine again.
func (t *tidier) ended() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running = hasLeftovers(t.index)
	return !t.running
}

// merging reports whether bleve works on the index in the background.
func merging(of *scorch.Scorch) bool {
	active, _ := of.StatsMap()["index_bgthreads_active"].(bool)
	return active
}

// hasLeftovers reports whether the directory of an index has more files than the index uses.
func hasLeftovers(of *scorch.Scorch) bool {
	const list = 1 // root.bolt
	stats := of.StatsMap()
	files, _ := stats["num_files_on_disk"].(uint64)
	segments, _ := stats["num_root_filesegments"].(uint64)
	return files > segments+list
}
