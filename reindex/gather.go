package reindex

import "time"

const (
	// quietTime is how long an applier waits for one more change before it carries those that it has.
	quietTime = 25 * time.Millisecond
	// fullGroup is the number of changes that are worth a call of the index: an applier waits for no more.
	fullGroup = 64
	// maxMisses bounds how rarely an applier waits if waiting brings nothing: 1 time in 2 to the power of it.
	maxMisses = 6
	// runShare is the number of calls that would fit into the wait before the next one during a run: a call takes time
	// that the run could have.
	runShare = 10
	// longestWait bounds that wait.
	longestWait = 5 * time.Second
)

// flow is how the changes of a stream come.
type flow struct {
	steady bool          // they come while others are being carried
	misses int           // how often in a row it brought nothing to wait for more
	skip   int           // how often not to wait before the next try
	took   time.Duration // by the last call of the index
}

// met notes whether changes came while others were being carried.
func (f *flow) met(more bool) {
	switch {
	case !more:
	case f.skip > 0:
		f.skip--
	default:
		f.steady = true
	}
}

// gathered notes whether it brought more to wait.
func (f *flow) gathered(more bool) {
	if f.steady = more; more {
		f.misses = 0
		return
	}
	f.misses = min(f.misses+1, maxMisses)
	f.skip = 1 << f.misses
}

// gather is called when changes have been carried. It lets the next ones of a steady flow wait for each other, until
// they are worth a call of the index or no more come, for at most Config.ChangeDelay, or longer during a run. An index
// takes many changes in one call with little more work than one, and a run beside it has the rest of the machine.
//
// A change that comes alone does not wait. Callers that each wait until their last change is carried make the next ones
// at once, and then none: gather finds that out, and tries again ever more rarely.
func (s *streams) gather(st *stream) {
	if s.cfg.ChangeDelay < 0 || !st.isSteady() {
		return
	}
	delay, enough := s.patience(st)
	select {
	case <-st.full: // those were carried meanwhile, or head counts them
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

// patience returns how long gather waits at most, and the number of changes for which it does not wait. During a run,
// an index that accepts one call at a time and takes long for each gets fewer and larger ones.
func (s *streams) patience(st *stream) (delay time.Duration, enough int64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	delay, enough = s.cfg.ChangeDelay, fullGroup
	if st.feeds == 0 {
		return delay, enough
	}
	delay *= 2
	if long := min(runShare*st.flow.took, longestWait); long > delay && s.sizes.updates == 1 {
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
