// Package throttle limits how fast products are read, for each tenant and for all tenants together. The limits can be
// changed during a run. A throttle wraps a [reindex.Source]: this relieves both the source and the index, and the
// engine does not mistake the waits for a slow index.
//
//	t, err := throttle.New(throttle.Config{All: throttle.Limits{Documents: 2000}})
//	...
//	engine, err := reindex.New(t.Source(src), index, nil)
//	...
//	err = t.SetLimits("acme", throttle.Limits{Paused: true}) // while a run of acme goes on
//
// A run that waits keeps what it holds: its place among the parallel runs, the generation that it fills, and the
// snapshot of its source, such as a transaction of a database. Changes of single products are not throttled. Limits
// hold for one process: if several machines read parts of a run, each machine has its own limits.
package throttle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits states how fast products may be read. The zero value sets no limit.
type Limits struct {
	// Documents is the number of products per second. 0: any number.
	Documents float64
	// Bytes is the sum of the lengths of the ids and bodies of products per second. 0: any number.
	Bytes float64
	// Paused stops the reading until it is false again.
	Paused bool
	// Window is the time of the day in which products are read. Nil: at any time.
	Window *Window
}

// Config holds the initial limits of a [Throttle].
type Config struct {
	// All holds the limits of all tenants together.
	All Limits
	// Tenant holds the limits of each tenant for which SetLimits was not called.
	Tenant Limits
}

// Throttle holds limits, which can be changed at any time. It is safe for concurrent use.
type Throttle struct {
	all *gauge

	mu      sync.Mutex
	tenant  Limits
	tenants map[string]*gauge
}

// New returns a throttle. The error names every limit that is not valid.
func New(cfg Config) (*Throttle, error) {
	if err := errors.Join(within("All", cfg.All.check()), within("Tenant", cfg.Tenant.check())); err != nil {
		return nil, fmt.Errorf("throttle: invalid config: %w", err)
	}
	return &Throttle{all: newGauge(cfg.All), tenant: cfg.Tenant, tenants: map[string]*gauge{}}, nil
}

func within(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

func (l Limits) check() error {
	var errs []error
	for name, v := range map[string]float64{"Documents": l.Documents, "Bytes": l.Bytes} {
		if v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
			errs = append(errs, fmt.Errorf("%s is %v, it must be a number that is not negative", name, v))
		}
	}
	if l.Window != nil {
		errs = append(errs, l.Window.check())
	}
	return errors.Join(errs...)
}

// SetAll changes the limits of all tenants together. It takes effect at once.
func (t *Throttle) SetAll(l Limits) error {
	if err := l.check(); err != nil {
		return fmt.Errorf("throttle: invalid limits: %w", err)
	}
	t.all.set(l)
	return nil
}

// All returns the limits of all tenants together.
func (t *Throttle) All() Limits { return t.all.limits() }

// SetLimits changes the limits of a tenant. It takes effect at once, also for a run that waits.
func (t *Throttle) SetLimits(tenant string, l Limits) error {
	if err := l.check(); err != nil {
		return fmt.Errorf("throttle: invalid limits of tenant %s: %w", tenant, err)
	}
	t.gauge(tenant).set(l)
	return nil
}

// Limits returns the limits of a tenant.
func (t *Throttle) Limits(tenant string) Limits {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.tenants[tenant]; g != nil {
		return g.limits()
	}
	return t.tenant
}

// Pause stops the reading of a tenant's products, and keeps its other limits.
func (t *Throttle) Pause(tenant string) { t.gauge(tenant).pause(true) }

// Resume lets the reading go on after Pause.
func (t *Throttle) Resume(tenant string) { t.gauge(tenant).pause(false) }

// Tenants returns the tenants whose limits were set, or whose products were read, in order.
func (t *Throttle) Tenants() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Sorted(maps.Keys(t.tenants))
}

func (t *Throttle) gauge(tenant string) *gauge {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.tenants[tenant]
	if g == nil {
		g = newGauge(t.tenant)
		t.tenants[tenant] = g
	}
	return g
}

// wait waits until a product of the tenant may be read.
func (t *Throttle) wait(ctx context.Context, g *gauge, bytes int) error {
	if err := g.wait(ctx, bytes); err != nil {
		return err
	}
	return t.all.wait(ctx, bytes)
}

// gauge holds the limits of one tenant, or of all tenants together.
type gauge struct {
	mu      sync.Mutex
	current Limits
	docs    *rate.Limiter
	bytes   *rate.Limiter
	changed chan struct{} // closed, and replaced, when the limits change
}

func newGauge(l Limits) *gauge {
	g := &gauge{changed: make(chan struct{}), docs: rate.NewLimiter(rate.Inf, 0), bytes: rate.NewLimiter(rate.Inf, 0)}
	g.set(l)
	return g
}

func (g *gauge) limits() Limits {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.current
}

func (g *gauge) pause(paused bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.current.Paused = paused
	g.wake()
}

func (g *gauge) set(l Limits) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.Window != nil {
		window := *l.Window
		l.Window = &window
	}
	adjust(g.docs, l.Documents)
	adjust(g.bytes, l.Bytes)
	g.current = l
	g.wake()
}

// wake makes all waiting calls look at the limits again.
func (g *gauge) wake() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// burstsPerSecond is the number of bursts into which the limit of a second is divided. Short bursts keep a run close to
// its limit.
const burstsPerSecond = 20

// adjust sets the rate of a limiter, and the length of its bursts.
func adjust(l *rate.Limiter, perSecond float64) {
	if perSecond == 0 {
		l.SetLimit(rate.Inf)
		return
	}
	l.SetBurst(burst(perSecond))
	l.SetLimit(rate.Limit(perSecond))
}

func burst(perSecond float64) int { return int(max(1, min(perSecond/burstsPerSecond, 1<<30))) }

// wait waits until one product of that size may be read.
func (g *gauge) wait(ctx context.Context, bytes int) error {
	if err := g.take(ctx, func() *rate.Limiter { return g.docs }, 1); err != nil {
		return err
	}
	return g.take(ctx, func() *rate.Limiter { return g.bytes }, bytes)
}

// take takes n tokens of a limiter, as many at once as it allows.
func (g *gauge) take(ctx context.Context, of func() *rate.Limiter, n int) error {
	for n > 0 {
		now := time.Now()
		g.mu.Lock()
		changed, closed := g.changed, g.current.closed(now)
		limiter := of()
		part := n
		if limiter.Limit() != rate.Inf {
			part = min(n, limiter.Burst())
		}
		var reserved *rate.Reservation
		delay := closed
		if closed == 0 {
			reserved = limiter.ReserveN(now, part)
			delay = reserved.DelayFrom(now)
		}
		g.mu.Unlock()
		if delay > 0 {
			again, err := sleep(ctx, delay, changed)
			if (again || err != nil) && reserved != nil {
				reserved.Cancel()
			}
			if err != nil {
				return err
			}
			if again || reserved == nil {
				continue
			}
		}
		n -= part
	}
	return nil
}

// forever is the length of a wait that only a change ends.
const forever = time.Duration(math.MaxInt64)

// closed returns the time until reading is allowed; 0 if it is allowed now.
func (l Limits) closed(now time.Time) time.Duration {
	switch {
	case l.Paused:
		return forever
	case l.Window == nil:
		return 0
	}
	return l.Window.until(now)
}

// sleep waits for a time, for a change, or for the end of ctx.
func sleep(ctx context.Context, d time.Duration, changed <-chan struct{}) (again bool, err error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false, nil
	case <-changed:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}
