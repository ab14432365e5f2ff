package reindex

import (
	"errors"
	"slices"
	"sync"
)

// entry is a change at its position in a tenant's log.
type entry struct {
	position int64
	change   Change
}

// changeLog keeps the accepted changes of one tenant, in the order in which they were accepted, for as long as the live
// index or a run still needs them. Positions count from 1.
type changeLog struct {
	limit int // of bytes

	mu       sync.Mutex
	entries  []entry
	bytes    int
	head     int64             // the last position that was given
	applied  int64             // up to which the live index is current
	lost     int64             // up to which changes were dropped that a run still needed
	pins     map[*pin]struct{} // where runs began
	waiting  []*waiter         // in the order of their positions
	applying bool              // an applier is at work
}

// waiter is a call of Update that waits until its changes are in the live index.
type waiter struct {
	first, last int64
	done        chan struct{}
	refused     []ItemError
	err         error
}

// append adds changes, which become known to the runs in progress, and returns what to wait for.
func (l *changeLog) append(changes []Change) *waiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &waiter{first: l.head + 1, done: make(chan struct{})}
	for _, c := range changes {
		l.head++
		l.entries = append(l.entries, entry{l.head, c})
		l.bytes += c.size()
	}
	if w.last = l.head; w.last <= l.applied {
		close(w.done)
		return w
	}
	l.waiting = append(l.waiting, w)
	l.shed()
	return w
}

// position returns up to where the live index is current.
func (l *changeLog) position() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.applied
}

// last returns the last position that was given.
func (l *changeLog) last() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// shed keeps the log within its limit: it drops the oldest changes that the live index has, although a run needs them
// still.
func (l *changeLog) shed() {
	n := 0
	for l.bytes > l.limit && n < len(l.entries) && l.entries[n].position <= l.applied {
		l.bytes -= l.entries[n].change.size()
		l.lost = l.entries[n].position
		n++
	}
	l.entries = slices.Delete(l.entries, 0, n)
}

// trim forgets what neither the live index nor a run needs any more.
func (l *changeLog) trim() {
	oldest := l.applied
	for p := range l.pins {
		oldest = min(oldest, p.position)
	}
	n := 0
	for n < len(l.entries) && l.entries[n].position <= oldest {
		l.bytes -= l.entries[n].change.size()
		n++
	}
	l.entries = slices.Delete(l.entries, 0, n)
}

// errLogLost: changes that a run has to replay were dropped.
var errLogLost = errors.New("more changes came while the reindex went on than are kept (ChangeBytes)")

// after returns the changes after a position, up to a number of documents and of bytes, at least one if there is any,
// and how many are left behind them.
func (l *changeLog) after(position int64, docs, bytes int) (entries []entry, left int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if position < l.lost {
		return nil, 0, errLogLost
	}
	first, _ := slices.BinarySearchFunc(l.entries, position+1, func(e entry, p int64) int { return int(e.position - p) })
	n, sum := first, 0
	for n < len(l.entries) && n-first < docs {
		size := l.entries[n].change.size()
		if n > first && sum+size > bytes {
			break
		}
		sum += size
		n++
	}
	return slices.Clone(l.entries[first:n]), len(l.entries) - n, nil
}

// carried notes that the live index is current up to a position, and wakes those whose changes it has: refused are the
// ones that it did not take, err is why it took none.
func (l *changeLog) carried(position int64, refused map[int64]ItemError, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.applied = max(l.applied, position)
	for _, w := range l.waiting {
		for p, item := range refused {
			if w.first <= p && p <= w.last {
				w.refused = append(w.refused, item)
			}
		}
		if err != nil && w.first <= position {
			w.err = err
		}
	}
	l.waiting = slices.DeleteFunc(l.waiting, func(w *waiter) bool {
		if w.last > position {
			return false
		}
		close(w.done)
		return true
	})
	l.shed()
	l.trim()
}

// pin is a position after which a log keeps everything, as a run needs it.
type pin struct{ position int64 }

// pin makes the log keep what comes from now on.
func (l *changeLog) pin() *pin {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &pin{l.head}
	l.pins[p] = struct{}{}
	return p
}

func (l *changeLog) unpin(p *pin) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pins, p)
	l.trim()
}

// pinned reports whether a run is in progress that will replay what is accepted now.
func (l *changeLog) pinned() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pins) > 0
}

// start reports whether an applier has to be started: there is something to do and none is at work.
func (l *changeLog) start() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.applying || l.applied == l.head {
		return false
	}
	l.applying = true
	return true
}

// pause reports whether the applier can end: nothing is left to do.
func (l *changeLog) pause() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.applied < l.head {
		return false
	}
	l.applying = false
	return true
}

// busy reports whether an applier is at work.
func (l *changeLog) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.applying
}

// lastOfEach returns the last change of each id, in the order in which these came.
func lastOfEach(entries []entry) []entry {
	last := make(map[string]int, len(entries))
	for i, e := range entries {
		last[e.change.ID] = i
	}
	kept := make([]entry, 0, len(last))
	for i, e := range entries {
		if last[e.change.ID] == i {
			kept = append(kept, e)
		}
	}
	return kept
}
