package reindex

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

// admit creates a run for the tenant, stores its job and gives it a place in the line. The context of the run is
// derived from base. If a run is in progress already, r is nil and job is the job of that run. The caller must execute
// a run that was admitted.
func (e *Engine) admit(
	ctx, base context.Context, tenant string, options Options,
) (runCtx context.Context, r *run, job Job, err error) {
	if err := CheckTenant(tenant); err != nil {
		return nil, nil, Job{}, err
	}
	if err := options.check(tenant, e.ix); err != nil {
		return nil, nil, Job{}, err
	}
	if err := e.ends.store(ctx, &e.cfg, tenant); err != nil {
		return nil, nil, Job{}, err
	}
	r = e.newRun(tenant, options)
	runCtx, r.cancel = context.WithCancelCause(base)
	if err := e.register(r); err != nil {
		r.cancel(err)
		return nil, nil, Job{}, err
	}
	job, created, err := r.record.create(ctx)
	if err != nil {
		e.ends.keep(r.record.neverBegan()) // the store may have created the job although its answer was lost
	}
	if err != nil || !created {
		e.release(r)
		return nil, nil, e.refresh(job), err
	}
	if job.Fence > 0 {
		runCtx = WithFence(runCtx, job.Fence)
	}
	if f := e.cfg.Trace.JobStarted; f != nil {
		before := runCtx
		runCtx = e.cfg.starts(runCtx, func() context.Context { return f(before, job) })
	}
	r.record.notify(runCtx, job, "")
	r.turn = e.turns.enter()
	if r.turn.now() {
		r.stopIf(r.record.enter(ctx, StatusInProgress))
	}
	return runCtx, r, job, nil
}

func (e *Engine) newRun(tenant string, options Options) *run {
	now := time.Now().UTC()
	return &run{src: e.src, ix: e.ix, cfg: &e.cfg, sizes: e.sizes, streams: e.streams, tenant: tenant,
		record: newRecord(&e.cfg, Job{
			ID: rand.Text(), Tenant: tenant, EntityType: e.cfg.EntityType, Options: options, Status: StatusPending, Expected: -1,
			Generation: options.Generation, Created: now, Modified: now, Report: Report{Expected: -1, Replaced: -1},
		})}
}

func (e *Engine) register(r *run) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fmt.Errorf("tenant %s: %w", r.tenant, ErrShutdown)
	}
	e.runs[r.record.now().ID] = r
	return nil
}

func (e *Engine) release(r *run) {
	r.cancel(nil)
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.runs, r.record.now().ID)
	if len(e.runs) == 0 && e.closed {
		close(e.idle)
	}
}

// execute executes a run that was admitted, and keeps its end if the store does not have it.
func (e *Engine) execute(ctx context.Context, r *run) (Report, error) {
	defer e.release(r)
	job, err, storeErr := r.execute(ctx)
	if storeErr != nil && !endKnown(storeErr) {
		e.ends.keep(job)
	}
	return job.Report, err
}
