package reindex

import (
	"context"
	"fmt"
)

// Run reindexes the tenant and returns when the new index is live, or with the reason why it is not. The Report is
// filled in either case. The run ends when ctx does.
//
// The error matches [ErrTenant], [ErrRunning] or [ErrShutdown] if no run began, and is a [*RunError] if one failed:
// then the live index is what it was before, unless RunError.MayBeLive is set.
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

// Start begins a run of the tenant and returns its job at once, or joins the one in progress: then started is false and
// job is that run's. The run keeps the values of ctx but does not end with it; see Cancel and Shutdown.
//
// The error matches [ErrRunning] if a dry run is in progress, which nobody joins who wants a new index; job is that
// run's. It matches [ErrTenant] or [ErrShutdown], or is what the [JobStore] returned, if nothing was started otherwise.
func (e *Engine) Start(ctx context.Context, tenant string) (job Job, started bool, err error) {
	return e.StartWith(ctx, tenant, Options{})
}

// StartWith is Start with options. It joins only a run that does what the options ask for: a dry run never joins one
// that makes its index live, nor the other way round. The error matches [ErrRunning] then, and job is that of the run
// in progress. It matches [errors.ErrUnsupported] if the index lacks the capability that an option needs.
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
