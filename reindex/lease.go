package reindex

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// renewals is the number of renewals per lease.
	renewals = 4
	// leaselessInterval is the time between two updates of a job if its store has no leases. Updates are still needed,
	// since another engine may show or cancel the job.
	leaselessInterval = time.Second
)

// keepLease renews the job's lease and stores its progress until the returned function is called, at the very end of
// the run. It stops the run if somebody has cancelled it, if the lease was lost, or if the lease could not be renewed
// until shortly before its end, so that the run stops before another one can begin. A run that was stopped keeps its
// lease while it cleans up.
func (r *record) keepLease(ctx context.Context, stopRun context.CancelCauseFunc) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	k := keeper{record: r, lease: r.cfg.Jobs.Lease(), stopRun: stopRun}
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// keeper keeps the lease of one job.
type keeper struct {
	record  *record
	lease   time.Duration // 0 if the store has none
	stopRun context.CancelCauseFunc
}

// interval is the time from one renewal to the next.
func (k keeper) interval() time.Duration {
	if k.lease <= 0 {
		return leaselessInterval
	}
	return max(1, k.lease/renewals)
}

func (k keeper) run(ctx context.Context) {
	ticker := time.NewTicker(k.interval())
	defer ticker.Stop()
	renewed := time.Now()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		start := time.Now()
		switch err := k.renew(ctx); {
		case err == nil:
			renewed = start
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrCancelled):
			renewed = start
			k.stopRun(err)
		case errors.Is(err, ErrLeaseLost):
			k.stopRun(err)
			return
		default:
			k.record.log.WarnContext(ctx, "renewing the job's lease failed", "error", err)
		}
		if since := time.Since(renewed); k.lease > 0 && since >= k.lease*(renewals-1)/renewals {
			k.stopRun(fmt.Errorf("%w: it could not be renewed for %v", ErrLeaseLost, since))
		}
	}
}

func (k keeper) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, k.interval())
	defer cancel()
	return k.record.renew(ctx)
}

// holdLease checks shortly before the switch-over that the run still has its lease and was not cancelled.
func (r *record) holdLease(ctx context.Context) error {
	k := keeper{record: r, lease: r.cfg.Jobs.Lease()}
	err := r.cfg.Retry.Do(ctx, func() error { return k.renew(ctx) })
	if err != nil && (k.lease > 0 || stops(err)) {
		return fmt.Errorf("renewing the lease before the switch-over: %w", err)
	}
	return nil
}
