package reindex

import (
	"context"
	"math"
	"sync"
)

// share divides the time of an index between the changes of live indexes and the batches of runs. A run sends as many
// large batches at the same time as the index accepts. A server that handles requests in the order of their arrival
// would let a group of changes wait for all of these batches. Therefore, while a group of at least fullGroup changes is
// being carried, runs write only half as many batches at a time, at least one and at most two: one is on its way while
// the index works on the other. Smaller groups are carried in a moment.
//
// A batch that has to wait begins when another batch ends. It does not begin when a call with changes ends, since the
// next call often begins a moment later.
type share struct {
	most int // batches at a time while there are calls with many changes

	mu      sync.Mutex
	batches int           // in progress
	calls   int           // with many changes, in progress
	ended   chan struct{} // closed when a batch ends; nil if no batch is waiting
}

func newShare(workers int) *share { return &share{most: max(1, min(workers/2, 2))} }

// change begins a call with n changes. The caller must call the returned function when the call ends.
func (s *share) change(n int) (end func()) {
	if n < fullGroup {
		return func() {}
	}
	s.add(1)
	return func() { s.add(-1) }
}

func (s *share) add(calls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls += calls
}

// batch waits until a batch of a run may begin. If it returns nil, the caller must call batchEnded.
func (s *share) batch(ctx context.Context) error {
	for {
		wait := s.begin()
		if wait == nil {
			return nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin begins a batch and returns nil, or returns a channel that is closed when another batch ends.
func (s *share) begin() (wait <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := math.MaxInt
	if s.calls > 0 {
		limit = s.most
	}
	if s.batches < limit {
		s.batches++
		return nil
	}
	if s.ended == nil {
		s.ended = make(chan struct{})
	}
	return s.ended
}

func (s *share) batchEnded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches--
	if s.ended != nil {
		close(s.ended)
		s.ended = nil
	}
}
