package bleveindex

import (
	"sync/atomic"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
)

// liveIndex is an open index with a count of those who use it: its being live, and every search.
type liveIndex struct {
	index bleve.Index
	name  string // of the generation
	refs  atomic.Int64
	last  atomic.Pointer[func()] // called when the last reference is dropped; set before being live ends
}

func newLiveIndex(index bleve.Index, name string) *liveIndex {
	l := &liveIndex{index: index, name: name}
	l.refs.Store(1)
	return l
}

// acquire takes a reference, unless the last one is gone.
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

// release drops the reference that being live is; last is called, once, when nobody has one any more.
func (l *liveIndex) release(last func()) {
	l.last.Store(&last)
	l.done()
}

// done drops a search's reference.
func (l *liveIndex) done() {
	if l.refs.Add(-1) == 0 {
		(*l.last.Load())()
	}
}

const (
	metaFile = "index_meta.json" // bleve's own, which it does not sync

	// Without a time limit bleve waits for ever for an index that is open elsewhere. The directory's lock keeps that from happening.
	boltTimeout = "5s"
)

// createForLoading creates an index whose segments are merged no further than queries at the switch need it: into 52, and one more for
// every 400,000 products. The smallest are merged, 16 into one. Without any merging pcparts, a catalogue of 47,551 products, is loaded
// in a tenth less time, and ends in a hundred segments, where queries take nearly three times as long as in an index that was built
// sequentially, not twice.
func createForLoading(dir string, cfg Config) (bleve.Index, error) {
	return bleve.NewUsing(dir, cfg.Mapping, scorch.Name, scorch.Name, map[string]any{
		"bolt_timeout":           boltTimeout,
		"asyncErrorCallbackName": backgroundCallback,
		"scorchMergePlanOptions": map[string]any{
			"MaxSegmentsPerTier":   52,
			"SegmentsPerMergeTask": 16,
			"TierGrowth":           1000,
			"FloorSegmentSize":     400,
		},
	})
}

// openForSearch opens an index with bleve's own options for merging, in place of those it was loaded with, but for one: more segments at
// once, since nothing is written to it any more.
func openForSearch(dir string) (bleve.Index, error) {
	return bleve.OpenUsing(dir, map[string]any{
		"bolt_timeout":           boltTimeout,
		"asyncErrorCallbackName": backgroundCallback,
		"scorchMergePlanOptions": map[string]any{"SegmentsPerMergeTask": 16},
	})
}
