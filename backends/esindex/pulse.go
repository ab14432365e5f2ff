package esindex

import (
	"context"
	"sync"
	"time"
)

// pulse calls a function periodically until it is stopped.
type pulse struct {
	mu      sync.Mutex
	stopped bool
	timer   *time.Timer
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// start calls beat after each interval. The context of a call ends after one interval, or when the pulse is stopped.
func (p *pulse) start(interval time.Duration, beat func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel = cancel
	p.timer = time.AfterFunc(interval, func() {
		p.mu.Lock()
		if p.stopped {
			p.mu.Unlock()
			return
		}
		p.running.Add(1)
		p.mu.Unlock()
		defer p.running.Done()
		limited, done := context.WithTimeout(ctx, interval)
		defer done()
		beat(limited)
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.stopped {
			p.timer.Reset(interval)
		}
	})
}

// stop ends the calls and waits for a call in progress. It may be called more than once.
func (p *pulse) stop() {
	p.mu.Lock()
	p.stopped = true
	if p.timer != nil {
		p.timer.Stop()
		p.cancel()
	}
	p.mu.Unlock()
	p.running.Wait()
}
