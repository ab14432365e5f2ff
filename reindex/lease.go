package reindex

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// renewals is how often a lease is renewed in its time.
const renewals = 4

// keepLease renews the job's lease, and stores how far it has come, until the returned function is called. It cancels the run when
// somebody wants it stopped, when the store has given it up, and when the lease could not be renewed until shortly before its end: the
// run stops while it is still the only one.
func (r *run) keepLease(ctx context.Context) (stop func()) {
	lease := r.cfg.Jobs.Lease()
	if lease <= 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(lease / renewals)
		defer ticker.Stop()
		renewed := time.Now()
		for {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
			start := time.Now()
			switch err := r.renew(ctx, lease); {
			case err == nil:
				renewed = start
			case ctx.Err() != nil:
				return
			case errors.Is(err, ErrCancelled), errors.Is(err, ErrLeaseLost):
				r.cancel(err)
				return
			default:
				r.log.WarnContext(ctx, "renewing the job's lease failed", "error", err)
			}
			if time.Since(renewed) >= lease*(renewals-1)/renewals {
				r.cancel(fmt.Errorf("%w: it could not be renewed for %v", ErrLeaseLost, time.Since(renewed)))
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

func (r *run) renew(ctx context.Context, lease time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, lease/renewals)
	defer cancel()
	return guard(func() error { return r.store(ctx) })
}

// holdLease makes sure, shortly before the switch-over, that the job is still this run's.
func (r *run) holdLease(ctx context.Context) error {
	lease := r.cfg.Jobs.Lease()
	if lease <= 0 {
		return nil
	}
	if err := r.cfg.Retry.do(ctx, func() error { return r.renew(ctx, lease) }); err != nil {
		return fmt.Errorf("renewing the lease before the switch-over: %w", err)
	}
	return nil
}

// store stores the job as it is. It does so once at a time, so that no older state replaces a newer one.
func (r *run) store(ctx context.Context) error {
	r.storing.Lock()
	defer r.storing.Unlock()
	cancelled, err := r.cfg.Jobs.Renew(ctx, r.now())
	if err == nil && cancelled {
		err = ofJob(r.tenant, r.id, ErrCancelled)
	}
	return err
}
