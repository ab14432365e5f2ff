package reindex

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"
)

// streams applies the changes of all tenants to their live indexes.
type streams struct {
	cfg    *Config
	log    ChangeLog
	src    Source
	ix     Indexer
	sizes  sizes
	share  *share // of the index's time, between changes and runs
	holder string // of claims

	base context.Context //nolint:containedctx // of the appliers: it ends with the engine
	stop context.CancelCauseFunc

	mu      sync.Mutex
	closed  bool
	closing chan struct{} // closed with closed
	tenants map[string]*stream
	idled   sync.Once
	idle    chan struct{} // made when the streams are closed, closed when none is in use
}

func newStreams(cfg *Config, src Source, ix Indexer, sizes sizes) *streams {
	s := &streams{
		cfg: cfg, log: cfg.Changes, src: src, ix: ix, sizes: sizes, share: newShare(sizes.workers), holder: rand.Text(),
		closing: make(chan struct{}), tenants: map[string]*stream{},
	}
	s.base, s.stop = context.WithCancelCause(context.Background())
	return s
}

// durable reports whether changes outlive the process once they are in the log.
func (s *streams) durable() bool { return s.log.Lease() > 0 }

// stream applies the changes of one tenant to its live index, in order. It has one applier at a time, which ends when
// no change is left. A writer to the live index, an applier or a switch-over, holds turn and the claim of the log.
type stream struct {
	tenant string
	turn   chan struct{}

	users int // calls, runs and appliers that use it; guarded by streams.mu

	mu       sync.Mutex
	head     int64         // the last position that is known to be in use
	applied  int64         // the position up to which the live index is known to be current
	waiting  []*waiter     // in the order of their positions
	applying bool          // an applier is running
	flow     flow          // how changes come
	full     chan struct{} // has an element once there are enough changes for a call of the index
	wanted   int           // switch-overs that wait for turn
	rests    int           // how long the applier rests after each call, so that a run can catch up; see yield
	feeds    int           // runs in progress, which replay changes that are accepted now
}

// waiter is a call that waits until changes are in the live index.
type waiter struct {
	first, last int64
	done        chan struct{}
	refused     []ItemError
	err         error
	woken       bool // the waiting call has been woken
}

// use returns a tenant's stream, which remains in use until done is called.
func (s *streams) use(tenant string) (st *stream, done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.join(tenant)
}

// accept is use for calls from outside. It returns [ErrShutdown] once the engine is shut down.
func (s *streams) accept(tenant string) (st *stream, done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, fmt.Errorf("tenant %s: %w", tenant, ErrShutdown)
	}
	st, done = s.join(tenant)
	return st, done, nil
}

// join is use for a caller that holds mu.
func (s *streams) join(tenant string) (st *stream, done func()) {
	st = s.tenants[tenant]
	if st == nil {
		st = &stream{tenant: tenant, turn: make(chan struct{}, 1), full: make(chan struct{}, 1)}
		s.tenants[tenant] = st
	}
	st.users++
	return st, func() { s.leave(tenant, st) }
}

func (s *streams) leave(tenant string, st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.users--; st.users > 0 {
		return
	}
	delete(s.tenants, tenant)
	if len(s.tenants) == 0 && s.closed {
		s.idled.Do(func() { close(s.idle) })
	}
}

// close accepts no more changes, and returns a channel that is closed when no stream is in use any more.
func (s *streams) close() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed, s.idle = true, make(chan struct{})
		close(s.closing)
	}
	if len(s.tenants) == 0 {
		s.idled.Do(func() { close(s.idle) })
	}
	return s.idle
}

// left returns the tenants whose changes are being applied.
func (s *streams) left() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var tenants []string
	for tenant, st := range s.tenants {
		if st.busy() {
			tenants = append(tenants, tenant)
		}
	}
	slices.Sort(tenants)
	return tenants
}

// append adds changes to the log, and returns a waiter for them, which has nothing to wait for if the log outlives the
// process.
func (s *streams) append(ctx context.Context, st *stream, changes []Change) (*waiter, error) {
	if s.durable() {
		last, err := s.add(ctx, st.tenant, changes)
		if err != nil {
			return nil, err
		}
		st.learn(last)
		w := &waiter{done: make(chan struct{})}
		close(w.done)
		return w, nil
	}
	st.mu.Lock() // so that the waiter exists before the applier is done
	defer st.mu.Unlock()
	last, err := s.log.Append(ctx, st.tenant, changes)
	if err != nil {
		return nil, err
	}
	st.grow(last)
	return st.wait(last-int64(len(changes))+1, last), nil
}

// add appends changes to a log outside of the process.
func (s *streams) add(ctx context.Context, tenant string, changes []Change) (last int64, err error) {
	err = s.cfg.Retry.Do(ctx, func() error {
		return contain(func() (err error) {
			last, err = s.log.Append(ctx, tenant, changes)
			return err
		})
	})
	return last, err
}

// wait returns a waiter for positions. The caller holds mu.
func (s *stream) wait(first, last int64) *waiter {
	w := &waiter{first: first, last: last, done: make(chan struct{})}
	if last <= s.applied {
		close(w.done)
		return w
	}
	s.waiting = append(s.waiting, w)
	return w
}

// await returns a waiter for everything up to a position.
func (s *stream) await(last int64) *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wait(last+1, last)
}

// learn notes that the log has changes up to a position.
func (s *stream) learn(head int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grow(head)
}

// grow is learn for a caller that holds mu.
func (s *stream) grow(head int64) {
	s.head = max(s.head, head)
	if s.head-s.applied < fullGroup {
		return
	}
	select {
	case s.full <- struct{}{}:
	default:
	}
}

// behind notes the state of the log, which other processes may have changed.
func (s *stream) behind(state ChangeState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head = max(s.head, state.Head)
	if !s.applying {
		s.applied = state.Applied
	}
}

// carried notes that the live index is current up to a position, and wakes the waiters up to there. The index did not
// accept the changes in refused; if err is not nil, it accepted none.
func (s *stream) carried(position int64, refused map[int64]ItemError, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applied = max(s.applied, position)
	s.flow.met(s.head > position)
	for _, w := range s.waiting {
		for p, item := range refused {
			if w.first <= p && p <= w.last {
				w.refused = append(w.refused, item)
			}
		}
		if err != nil && w.first <= position {
			w.err = err
		}
	}
	s.waiting = slices.DeleteFunc(s.waiting, func(w *waiter) bool {
		if w.last > position {
			return false
		}
		close(w.done)
		return true
	})
}

// back notes that the live index may be current only up to a position.
func (s *stream) back(position int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applied = min(s.applied, position)
}

// position returns the position up to which the live index is known to be current.
func (s *stream) position() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied
}

// last returns the last known position of the log.
func (s *stream) last() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// fed adds n to the number of runs that will replay changes which are accepted now, and returns the new number.
func (s *stream) fed(n int) (feeds int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.feeds += n
	return s.feeds
}

// yield makes the applier rest after each call of the index, so that a run can catch up: the call's duration doubled
// for each of rests after the first. With 0 it does not rest.
func (s *stream) yield(rests int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rests = rests
}

// resting returns how long the applier has to rest before its next call.
func (s *stream) resting() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rests == 0 {
		return 0
	}
	return min(s.flow.took<<(s.rests-1), longestRest)
}

// took records how long a call of the index took.
func (s *stream) took(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flow.took = d
}

// want adds n to the number of switch-overs that wait for the stream's turn.
func (s *stream) want(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted += n
}

// isWanted reports whether a switch-over waits for the stream's turn.
func (s *stream) isWanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wanted > 0
}

// start reports whether an applier has to be started: there are changes to apply and no applier is running.
func (s *stream) start() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.applying || s.applied >= s.head {
		return false
	}
	s.applying = true
	return true
}

// pause reports whether the applier can end, since no change is left or since it has to end anyway.
func (s *stream) pause(anyway bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.applied < s.head && !anyway {
		return false
	}
	s.applying = false
	return true
}

// busy reports whether an applier is running.
func (s *stream) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applying
}
