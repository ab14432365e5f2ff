package reindex

import "time"

const (
	// quietTime is how long an applier waits for one more change before it carries those that it has.
	quietTime = 25 * time.Millisecond
	// fullGroup is the number of changes that are worth a call of the index. An applier waits for more only during a run,
	// if the index is slow.
	fullGroup = 64
	// maxMisses limits how rarely an applier waits if waiting brings nothing: it skips at most 2^maxMisses chances in a
	// row.
	maxMisses = 6
	// runShare is the longest wait for more changes during a run, as a multiple of the duration of the last call: a call
	// takes time that the run could have.
	runShare = 10
	// longestWait limits that wait.
	longestWait = 5 * time.Second
	// maxRests is how often the rest of an applier between two calls is made longer while a run catches up.
	maxRests = 4
	// longestRest limits that rest.
	longestRest = time.Second
)

// flow describes how the changes of a stream come.
type flow struct {
	steady bool          // they come while others are being carried
	misses int           // how often in a row waiting for more has brought nothing
	skip   int           // how many chances to wait are skipped before the next try
	took   time.Duration // the duration of the last call of the index
}

// met records whether changes came while others were being carried.
func (f *flow) met(more bool) {
	switch {
	case !more:
	case f.skip > 0:
		f.skip--
	default:
		f.steady = true
	}
}

// gathered records whether waiting has brought more changes.
func (f *flow) gathered(more bool) {
	if f.steady = more; more {
		f.misses = 0
		return
	}
	f.misses = min(f.misses+1, maxMisses)
	f.skip = 1 << f.misses
}

// gather is called when changes have been carried. If changes come in a steady flow, it waits until there are enough
// for a call of the index or no more come, for at most Config.ChangeDelay, or longer during a run. Many changes in one
// call are little more work for an index than a single change, and leave more of the machine to a run.
//
// A change that comes alone does not wait. If each caller waits until its last change is carried, the callers make
// their next changes at once, and no more come until those are carried. Then waiting brings nothing: gather notices
// this, and tries again ever more rarely.
func (s *streams) gather(st *stream) {
	if s.cfg.ChangeDelay < 0 || !st.isSteady() {
		return
	}
	delay, enough := s.patience(st)
	select {
	case <-st.full: // the changes that filled it were carried meanwhile, or head counts them
	default:
	}
	end, head, grew := time.Now().Add(delay), st.last(), 0
	for head-st.position() < enough && !s.isClosing() {
		s.restUntil(st.full, min(quietTime, time.Until(end)))
		now := st.last()
		if now > head {
			grew++
		}
		if now == head || !time.Now().Before(end) {
			break
		}
		head = now
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.flow.gathered(grew > 1 || st.head-st.applied >= fullGroup)
}

// patience returns how long gather waits at most, and the number of changes that end the wait. During a run, an index
// that takes long for each call gets fewer and larger calls.
func (s *streams) patience(st *stream) (delay time.Duration, enough int64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	delay, enough = s.cfg.ChangeDelay, fullGroup
	if st.feeds == 0 {
		return delay, enough
	}
	delay *= 2
	if long := min(runShare*st.flow.took, longestWait); long > delay {
		delay, enough = long, max(fullGroup, int64(s.sizes.docs))
	}
	return delay, enough
}

// isSteady reports whether changes come while others are being carried.
func (s *stream) isSteady() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flow.steady
}
