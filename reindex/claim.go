package reindex

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// held is the right to write to a tenant's live index: its turn in this process, and the claim among all processes.
type held struct {
	streams *streams
	stream  *stream
	ended   <-chan struct{} // closed once the claim must no longer be used
	cancel  context.CancelCauseFunc
	fence   int64
	applied int64 // the position up to which the live index was current when the claim was made
	at      time.Time
	stop    func()
}

// hold waits until nobody else in this process writes to the tenant's live index, and claims it. An urgent call also
// waits for other processes; without urgent, an error that matches [ErrClaimed] means that another process holds the
// claim. Writes must use the returned context, which ends if the claim is lost. The caller must call release.
func (s *streams) hold(ctx context.Context, st *stream, urgent bool) (inside context.Context, h *held, err error) {
	if urgent {
		st.want(1)
		defer st.want(-1)
	}
	select {
	case st.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	defer func() {
		if err != nil {
			<-st.turn
		}
	}()
	for {
		inside, h, err := s.claim(ctx, st, urgent)
		if err == nil || !urgent || !errors.Is(err, ErrClaimed) {
			return inside, h, err
		}
		timer := time.NewTimer(s.poll())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, nil, context.Cause(ctx)
		}
	}
}

// claim asks the log for the claim, and repeats calls that failed with a [*TemporaryError].
func (s *streams) claim(ctx context.Context, st *stream, urgent bool) (inside context.Context, h *held, err error) {
	h = &held{streams: s, stream: st, stop: func() {}}
	err = s.cfg.Retry.Do(ctx, func() error {
		h.at = time.Now()
		return contain(func() (err error) {
			h.fence, h.applied, err = s.log.Claim(ctx, st.tenant, s.holder, urgent)
			return err
		})
	})
	if err != nil {
		return nil, nil, err
	}
	inside, h.cancel = context.WithCancelCause(ctx)
	h.ended = inside.Done()
	if s.durable() {
		h.stop = h.keep(context.WithoutCancel(ctx))
	}
	return inside, h, nil
}

// keep renews the claim until it is stopped. If the claim is lost, or could not be renewed until shortly before its
// end, keep ends the writes under it.
func (h *held) keep(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	lease := h.streams.log.Lease()
	go func() {
		defer close(done)
		ticker := time.NewTicker(max(1, lease/renewals))
		defer ticker.Stop()
		renewed := h.at
		for {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			case <-h.ended:
				return
			}
			start := time.Now()
			err := h.renew(ctx, lease/renewals)
			if err == nil {
				renewed = start
			}
			if errors.Is(err, ErrClaimLost) || time.Since(renewed) >= lease*(renewals-1)/renewals {
				h.cancel(fmt.Errorf("tenant %s: %w", h.stream.tenant, ErrClaimLost))
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// renew renews the claim.
func (h *held) renew(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return contain(func() error {
		fence, _, err := h.streams.log.Claim(ctx, h.stream.tenant, h.streams.holder, false)
		if errors.Is(err, ErrClaimed) || err == nil && fence != h.fence {
			return errors.Join(ErrClaimLost, h.streams.log.Release(ctx, h.stream.tenant, fence))
		}
		return err
	})
}

// check returns an error unless the claim is still held. It is called right before a write. If the log does not answer
// in time, the error matches [ErrClaimLost].
func (h *held) check(ctx context.Context) error {
	lease := h.streams.log.Lease()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if lease == 0 || time.Since(h.at) < lease/renewals {
		return nil
	}
	err := h.renew(ctx, lease/renewals)
	switch {
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: it could not be renewed for %v", ErrClaimLost, lease/renewals)
	}
	return err
}

// lateOr returns err. If the claim was lost, a write under it may have landed after the writes of the next holder. In
// that case lateOr has all changes applied again that were accepted after the claim was made.
func (h *held) lateOr(ctx context.Context, err error) error {
	if err != nil && (errors.Is(context.Cause(ctx), ErrClaimLost) || errors.Is(err, ErrClaimLost)) {
		h.rewind(ctx, h.applied)
	}
	return err
}

// rewind has all changes after a position applied again.
func (h *held) rewind(ctx context.Context, position int64) {
	s, st := h.streams, h.stream
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.CleanupTimeout)
	defer cancel()
	err := s.cfg.Retry.Do(ctx, func() error {
		return contain(func() error { return s.log.Rewind(ctx, st.tenant, position) })
	})
	if err != nil {
		s.cfg.Logger.Error("changes that came late may have replaced newer ones in the live index: reindex the tenant",
			"tenant", st.tenant, "after", position, "error", err)
		return
	}
	s.cfg.Logger.Warn("the claim on the live index was lost; its changes are applied again",
		"tenant", st.tenant, "after", position)
	st.back(position)
}

// release lets others write. If some writes may not have ended, others wait until the claim expires.
func (h *held) release(ctx context.Context, ended bool) {
	h.stop()
	s := h.streams
	defer func() { <-h.stream.turn }()
	defer h.cancel(nil)
	if !ended && s.durable() && context.Cause(ctx) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.CleanupTimeout)
	defer cancel()
	err := contain(func() error { return s.log.Release(ctx, h.stream.tenant, h.fence) })
	if err != nil {
		s.cfg.Logger.Warn("giving the claim on a live index back failed", "tenant", h.stream.tenant, "error", err)
	}
}
