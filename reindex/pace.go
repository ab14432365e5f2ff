package reindex

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// paceSteps is how many steps of growth lead from the smallest batch to the largest. The smallest is one step.
	paceSteps = 64
	// probeAfter is the number of windows of quick writes that it takes to try the window again that was too much the last
	// time.
	probeAfter = 16
)

// pace adapts a run to what its index takes: how many writes are in flight (the window) and how large batches are. Both
// begin at the most that is allowed, so an index that never complains is never held back, and follow the rule by which
// TCP shares a network: additive increase, multiplicative decrease (RFC 5681).
//
//   - Overload (a temporary error, or items that are to be sent again) halves the window; one write at a time that is
//     still too much halves the batches.
//   - A slow write halves the batches; the smallest ones that are still slow halve the window.
//   - A write that was in flight when something was halved is not new, and halves nothing more.
//   - A window of quick writes in a row makes the window larger by one, and the batches by a step. The window that was
//     too much the last time is tried again only after many of them (as in RFC 9438, growth is slow around it): an
//     index that takes n writes gets n nearly all the time. After an outage, in which every try halves, batches double
//     up to half of what they were.
//   - A batch that was refused as too large, but of which every part was accepted, caps the batches below its size for
//     good.
type pace struct {
	maxInFlight, maxBytes int
	step                  int // of batches, in bytes, and the smallest one
	slow                  time.Duration
	slots                 *semaphore.Weighted

	mu       sync.Mutex
	window   int
	excess   int  // slots that go out of use as soon as writes end
	overload int  // the window that was too much the last time; 0 for none
	streak   int  // quick writes since something changed
	rounds   int  // windows of them since the window changed
	bytes    int  // the largest batch
	regain   int  // up to this size batches double
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

// ticket lets one write begin, of at most so many bytes.
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

// leave ends a write, adapts to how it went, and returns the window and the size of batches from now on.
func (p *pace) leave(t ticket, took time.Duration, err error) (window, size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.release() // after the window was halved: it is this slot that goes out of use first
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

// overloaded reports whether the index could take the same later.
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

// accepted reports whether the index has dealt with the batch, were it by refusing some products of it.
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

// widen makes the window larger by one, around the one that was too much the last time only after many rounds.
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

// tooLarge notes that a batch of so many bytes was refused for its size alone.
func (p *pace) tooLarge(bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused == 0 || bytes < p.refused {
		p.refused = bytes
	}
	p.bytes = max(p.step, min(p.bytes, bytes/2))
	p.regain = p.bytes
}

// size is the size of the largest batch as things stand.
func (p *pace) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes
}

// fit returns how many of the products make the next batch of at most so many bytes, one at the least. Batches that
// follow come out about as large.
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
