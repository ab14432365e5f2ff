package reindex

import (
	"context"
	"slices"
	"sync"
)

// turns limits the number of runs at a time. Others wait and follow in the order of arrival.
type turns struct {
	mu      sync.Mutex
	free    int
	waiting []*turn
}

// turn is one run's place in the line.
type turn struct {
	line  *turns
	ready chan struct{} // closed when the turn has come
}

// enter takes the next place in the line. The caller must leave it.
func (l *turns) enter() *turn {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &turn{line: l, ready: make(chan struct{})}
	if l.free > 0 {
		l.free--
		close(t.ready)
	} else {
		l.waiting = append(l.waiting, t)
	}
	return t
}

// now reports whether the turn has come.
func (t *turn) now() bool {
	select {
	case <-t.ready:
		return true
	default:
		return false
	}
}

// wait returns nil when the turn has come, or the cause of the end of ctx.
func (t *turn) wait(ctx context.Context) error {
	select {
	case <-t.ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// leave gives the place to the next in line.
func (t *turn) leave() {
	l := t.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting, t); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
		return
	}
	if len(l.waiting) == 0 {
		l.free++
		return
	}
	close(l.waiting[0].ready)
	l.waiting = slices.Delete(l.waiting, 0, 1)
}
