package reindex

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// paceSteps is the number of steps from nothing to the largest batch. The smallest batch has the size of one step.
	paceSteps = 64
	// probeAfter is the number of windows of quick writes after which a window that was too large is tried again.
	probeAfter = 16
)

// pace adapts a run to the capacity of its index: the number of writes in flight (the window) and the size of the
// batches. Both begin at their limits, so an index that never complains is never held back. Both follow the rule by
// which TCP shares a network: additive increase, multiplicative decrease (RFC 5681).
//
//   - Overload (a temporary error, or items that can be retried) halves the window. If one write at a time is still too
//     much, it halves the batches.
//   - A slow write halves the batches. If the smallest batches are still slow, it halves the window.
//   - A write that was in flight when something was halved halves nothing more.
//   - After a whole window of quick writes in a row, the window grows by one, and the batches grow by one step. A
//     window that was too large the last time is tried again only after many such windows (as in RFC 9438, growth is
//     slow around it), so that an index which accepts n writes gets n of them nearly all the time. After an outage, in
//     which every try halves, batches double until they have half of their former size.
//   - If a batch was refused as too large, but every part of it was accepted, batches stay below its size for the rest
//     of the run.
type pace struct {
	maxInFlight, maxBytes int
	step                  int // of growth, in bytes, and the size of the smallest batch
	slow                  time.Duration
	slots                 *semaphore.Weighted

	mu       sync.Mutex
	window   int
	excess   int  // slots to take out of use when writes end
	overload int  // the last window that was too large; 0 for none
	streak   int  // quick writes since something changed
	rounds   int  // windows of quick writes since the window changed
	bytes    int  // the largest batch
	regain   int  // the size up to which batches double
	refused  int  // the smallest batch known to be too large; 0 for none
	failing  bool // nothing was accepted since something was halved
	epoch    int  // counts the halvings
}

func newPace(s sizes) *pace {
	return &pace{
		maxInFlight: s.workers, maxBytes: s.bytes, step: max(1, s.bytes/paceSteps), slow: s.slow,
		slots: semaphore.NewWeighted(int64(s.workers)), window: s.workers, bytes: s.bytes,
	}
}

// ticket permits one write of at most bytes bytes.
type ticket struct{ bytes, epoch int }

// enter waits until one more write may begin.
func (p *pace) enter(ctx context.Context) (ticket, error) {
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return ticket{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return ticket{p.bytes, p.epoch}, nil
}

// leave ends a write, adapts the pace to its outcome, and returns the new window and size of batches.
func (p *pace) leave(t ticket, took time.Duration, err error) (window, size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.release() // after the window was halved, so that this slot goes out of use first
	switch {
	case t.epoch != p.epoch:
	case overloaded(err):
		p.relieve()
	case !accepted(err):
	case p.slow > 0 && took > p.slow:
		p.lighten()
	default:
		p.failing = false
		if p.slow <= 0 || took <= p.slow/2 {
			p.grow()
		}
	}
	return p.window, p.bytes
}

// overloaded reports whether the index could accept the same write later.
func overloaded(err error) bool {
	if failed, ok := errors.AsType[*BatchError](err); ok {
		for _, item := range failed.Items {
			if item.Retryable {
				return true
			}
		}
		return false
	}
	_, ok := errors.AsType[*TemporaryError](err)
	return ok
}

// accepted reports whether the index has processed the batch, even if it refused some of its products.
func accepted(err error) bool {
	_, ok := errors.AsType[*BatchError](err)
	return ok || err == nil
}

// relieve reacts to overload. A later try in the same outage says nothing about the capacity of the index.
func (p *pace) relieve() {
	if !p.failing {
		p.failing, p.overload, p.regain = true, p.window, p.bytes/2
	}
	if !p.narrow() {
		p.shrink()
	}
}

// lighten reacts to a slow write.
func (p *pace) lighten() {
	p.failing, p.regain = false, p.bytes/2
	if !p.shrink() {
		p.overload = p.window
		p.narrow()
	}
}

// narrow halves the window, if it can.
func (p *pace) narrow() bool {
	fewer := p.window - max(1, p.window/2)
	for range fewer {
		if !p.slots.TryAcquire(1) {
			p.excess++
		}
	}
	p.window -= fewer
	p.halved()
	return fewer > 0
}

// shrink halves the batches, if it can.
func (p *pace) shrink() bool {
	before := p.bytes
	p.bytes = max(p.step, p.bytes/2)
	p.halved()
	return p.bytes < before
}

func (p *pace) halved() { p.epoch, p.streak, p.rounds = p.epoch+1, 0, 0 }

// grow counts a quick write. A window of them makes batches and window larger.
func (p *pace) grow() {
	if p.streak++; p.streak < p.window {
		return
	}
	p.streak = 0
	p.enlarge()
	p.widen()
}

// enlarge makes the batches larger.
func (p *pace) enlarge() {
	larger := p.bytes + p.step
	if p.bytes < p.regain {
		larger = min(2*p.bytes, p.regain)
	}
	larger = min(larger, p.maxBytes)
	if p.refused > 0 {
		larger = min(larger, p.refused-p.step)
	}
	p.bytes = max(p.bytes, larger)
}

// widen makes the window larger by one. Near a window that was too large, it does so only after many rounds.
func (p *pace) widen() {
	p.rounds++
	if p.window == p.maxInFlight || p.window+1 >= p.overload && p.overload > 0 && p.rounds < probeAfter {
		return
	}
	p.window, p.rounds = p.window+1, 0
	if p.window >= p.overload {
		p.overload = 0
	}
	p.release()
}

// release gives a slot back, or takes it out of use.
func (p *pace) release() {
	if p.excess > 0 {
		p.excess--
		return
	}
	p.slots.Release(1)
}

// tooLarge notes that a batch of this size was refused for its size alone.
func (p *pace) tooLarge(bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused == 0 || bytes < p.refused {
		p.refused = bytes
	}
	p.bytes = max(p.step, min(p.bytes, bytes/2))
	p.regain = p.bytes
}

// size returns the current size of the largest batch.
func (p *pace) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes
}

// fit returns the number of products for the next batch of at most bytes bytes, at least one. It divides the products
// so that all batches have about the same size.
func fit(products []Product, bytes int) int {
	total := productBytes(products)
	if total <= bytes {
		return len(products)
	}
	share := total / ((total + bytes - 1) / bytes)
	n, sum := 1, productBytes(products[:1])
	for sum < share {
		next := productBytes(products[n : n+1])
		if sum+next > bytes {
			break
		}
		sum += next
		n++
	}
	return n
}
