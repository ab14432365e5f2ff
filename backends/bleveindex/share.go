package bleveindex

import (
	"context"
	"math"
	"sync"
)

// Runs give way to a call of Update with at least manyForShare changes. Fewer changes are written in a moment.
const manyForShare = 64

// share leaves a part of the processors to changes of live indexes while runs go on. The changes of a tenant are
// written one call after the other, by one goroutine, while a run writes as many batches at the same time as there are
// processors. The run would thus get most of the machine, and searches would see the changes late. So while calls with
// many changes are in progress, runs write one batch fewer than usual at the same time, but always at least one.
//
// A batch that has to wait begins when another one ends. It does not begin when a call ends, since the next call often
// begins a moment later.
type share struct {
	most int // batches at a time while there are calls with many changes

	mu      sync.Mutex
	batches int           // in progress
	calls   int           // with many changes, in progress
	ended   chan struct{} // closed when a batch ends; nil if no batch is waiting
}

func newShare(writers int) *share { return &share{most: max(1, writers-1)} }

// change begins a call with n changes. The caller must call the returned function when the call ends.
func (s *share) change(n int) (end func()) {
	if n < manyForShare {
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
