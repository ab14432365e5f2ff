package reindex

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// apply starts an applier of the tenant's changes if there is something to do and no applier is running.
func (s *streams) apply(st *stream) {
	if !st.start() {
		return
	}
	_, done := s.use(st.tenant)
	go func() {
		defer done()
		s.applyAll(st)
	}()
}

// applyAll carries changes into the live index until none is left. When the engine shuts down, changes stay in a log
// that outlives the process.
func (s *streams) applyAll(st *stream) {
	failures, since := 0, time.Time{} // the number of failures in a row, and the time of the first
	for !st.pause(s.durable() && (s.isClosing() || s.base.Err() != nil)) {
		before, start := st.position(), time.Now()
		blame := !s.durable() || failures > 0 && time.Since(since) >= s.cfg.MaxStall
		err := contain(func() error { return s.applyNext(s.base, st, blame) })
		switch {
		case err == nil:
			failures = 0
			s.gather(st)
			if d := st.resting(); d > 0 {
				s.rest(d)
			}
			continue
		case errors.Is(err, ErrClaimed):
			s.watch(st)
			continue
		}
		s.cfg.Logger.Error("changes could not be applied", "tenant", st.tenant, "error", err)
		switch {
		case s.durable():
			if failures++; failures == 1 {
				since = start
			}
			s.rest(s.cfg.Retry.delay(failures))
		case st.position() == before:
			st.carried(st.last(), nil, err)
		}
	}
}

func (s *streams) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// rest waits for a while, or for the end of the engine.
func (s *streams) rest(d time.Duration) { s.restUntil(nil, d) }

// restUntil waits like rest, but no longer than until early has an element.
func (s *streams) restUntil(early <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-early:
	case <-timer.C:
	case <-s.closing:
	case <-s.base.Done():
	}
}

// wake waits until the changes are applied, or until it is time to read a shared log again.
func (s *streams) wake(ctx context.Context, w *waiter) error {
	if !s.durable() {
		_, err := w.wait(ctx)
		return err
	}
	done := w.done
	if w.woken {
		done = nil
	}
	timer := time.NewTimer(s.poll())
	defer timer.Stop()
	select {
	case <-done:
		w.woken = true
	case <-timer.C:
	case <-s.closing:
		return ErrShutdown
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// poll returns the time between two reads of a shared log.
func (s *streams) poll() time.Duration {
	return min(pollInterval, max(time.Millisecond, s.log.Lease()/renewals))
}

// pollInterval is the time after which an engine checks again whether another engine has released a tenant's claim.
const pollInterval = 100 * time.Millisecond

// watch checks after a while how far the holder of the claim has come.
func (s *streams) watch(st *stream) {
	s.rest(s.poll())
	var state ChangeState
	err := contain(func() (err error) {
		state, err = s.log.State(s.base, st.tenant)
		return err
	})
	if err != nil {
		s.cfg.Logger.Warn("reading the log of changes failed", "tenant", st.tenant, "error", err)
		return
	}
	st.learn(state.Head)
	st.carried(state.Applied, nil, nil)
}

// applyNext carries the next changes into the live index. With blame, it refuses the few changes that the index does
// not accept, whatever the reason, so that they do not block the others.
func (s *streams) applyNext(ctx context.Context, st *stream, blame bool) (err error) {
	ctx, h, err := s.hold(ctx, st, false)
	if err != nil {
		return err
	}
	defer func() { h.release(ctx, err == nil) }()
	b := h.newBurst(blame)
	defer b.wait()
	return b.carry(ctx)
}

// note does the same as record, and has changes applied again if the claim was lost.
func (h *held) note(ctx context.Context, position int64, refused map[int64]ItemError) error {
	return h.lateOr(ctx, h.record(ctx, position, refused))
}

// record notes in the log that the live index is current up to a position.
func (h *held) record(ctx context.Context, position int64, refused map[int64]ItemError) error {
	list := make([]RefusedChange, 0, len(refused))
	for _, p := range slices.Sorted(maps.Keys(refused)) {
		if item := refused[p]; p > h.applied {
			list = append(list, RefusedChange{p, item.ID, reason(item.Err)})
			h.streams.cfg.Logger.WarnContext(ctx, "a change was refused by the live index",
				"tenant", h.stream.tenant, "product", item.ID, "reason", item.Err)
		}
	}
	return h.streams.cfg.Retry.Do(ctx, func() error {
		return contain(func() error {
			return h.streams.log.Applied(ctx, h.stream.tenant, h.fence, h.applied, position, list)
		})
	})
}

// update sends entries to the live index, and returns the refused ones by their positions.
func (s *streams) update(
	ctx context.Context, tenant string, entries []ChangeEntry, blame bool,
) (refused map[int64]ItemError, err error) {
	updater, _ := As[Updater](s.ix)
	c := s.newCarrier(tenant, func(changes []Change) error { return updater.Update(ctx, tenant, changes) })
	err = c.carryAll(ctx, entries)
	if err != nil && blame && len(entries) > 1 && ctx.Err() == nil && !errors.Is(err, ErrNoLiveIndex) {
		err = c.isolate(ctx, entries, err)
	}
	return c.refused, err
}

// resume applies the changes that other processes left in the log when they ended. It looks for them now, and again
// from time to time.
func (s *streams) resume() {
	_, done := s.use("")
	go func() {
		defer done()
		for !s.isClosing() && s.base.Err() == nil {
			if err := contain(s.resumeAll); err != nil {
				s.cfg.Logger.Warn("looking for changes that are not applied failed", "error", err)
			}
			s.rest(s.log.Lease())
		}
	}()
}

func (s *streams) resumeAll() error {
	tenants, err := s.log.Pending(s.base)
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		state, err := s.log.State(s.base, tenant)
		if err != nil {
			return fmt.Errorf("tenant %s: %w", tenant, err)
		}
		st, done := s.use(tenant)
		st.behind(state)
		s.apply(st)
		done()
	}
	return nil
}
