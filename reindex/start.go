package reindex

import (
	"context"
	"fmt"
)

// Run reindexes the tenant and returns once the new index is live, or with an error that says why it is not. The Report
// is filled in both cases. The run ends when ctx does.
//
// The error matches [ErrTenant], [ErrRunning] or [ErrShutdown] if no run began. If a run failed, it is a [*RunError],
// and the live index is what it was before, unless RunError.MayBeLive is set.
func (e *Engine) Run(ctx context.Context, tenant string) (Report, error) {
	return e.RunWith(ctx, tenant, Options{})
}

// RunWith is Run with options.
func (e *Engine) RunWith(ctx context.Context, tenant string, options Options) (Report, error) {
	ctx, r, job, err := e.admit(ctx, ctx, tenant, options)
	if err != nil {
		return Report{}, err
	}
	if r == nil {
		return Report{}, fmt.Errorf("tenant %s, job %s: %w", tenant, job.ID, ErrRunning)
	}
	return e.execute(ctx, r)
}

// Start begins a run of the tenant and returns its job at once. If a run is in progress already, Start joins it:
// started is false, and job is the job of that run. A run keeps the values of ctx but does not end with it; see Cancel
// and Shutdown.
//
// The error matches [ErrRunning] if the run in progress is a dry run, which cannot be joined since it publishes no
// index; job is the job of that run. Otherwise the error matches [ErrTenant] or [ErrShutdown], or is that of the
// [JobStore], and nothing was started.
func (e *Engine) Start(ctx context.Context, tenant string) (job Job, started bool, err error) {
	return e.StartWith(ctx, tenant, Options{})
}

// StartWith is Start with options. It joins a run in progress only if that run does everything that the options ask
// for; for example, a reindex does not join a dry run. If it cannot join, the error matches [ErrRunning], and job is
// the job of the run in progress. It matches [errors.ErrUnsupported] if the index lacks the capability that an option
// needs.
func (e *Engine) StartWith(ctx context.Context, tenant string, options Options) (job Job, started bool, err error) {
	runCtx, r, job, err := e.admit(ctx, context.WithoutCancel(ctx), tenant, options)
	if err != nil {
		return job, false, err
	}
	if r == nil {
		return job, false, options.joined(job)
	}
	job = r.record.now()
	go func() { _, _ = e.execute(runCtx, r) }() // the outcome is in the job and in the log
	return job, true, nil
}
