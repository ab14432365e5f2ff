package reindex

import (
	"context"
	"errors"
	"iter"
)

// Engine reindexes tenants. It is safe for concurrent use.
type Engine struct {
	src Source
	ix  Indexer
	cfg Config
}

// New returns an engine that reads products through src and writes them through ix. A nil cfg means the defaults. The error names
// every setting that is invalid.
func New(src Source, ix Indexer, cfg *Config) (*Engine, error) {
	c := cfg.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	return &Engine{src: src, ix: ix, cfg: c}, nil
}

// Run reindexes the tenant in the caller's goroutine.
func (e *Engine) Run(ctx context.Context, tenant string) (Report, error) {
	return Report{}, errors.ErrUnsupported
}

// Start begins a run of the tenant that does not depend on ctx, or joins the one in progress: then started is false and job is that
// run's.
func (e *Engine) Start(ctx context.Context, tenant string) (job Job, started bool, err error) {
	return Job{}, false, errors.ErrUnsupported
}

// Job returns one job of the tenant.
func (e *Engine) Job(ctx context.Context, tenant, id string) (Job, error) {
	return Job{}, errors.ErrUnsupported
}

// Jobs lists the tenant's jobs, newest first.
func (e *Engine) Jobs(ctx context.Context, tenant string, query JobQuery) (jobs []Job, total int, err error) {
	return nil, 0, errors.ErrUnsupported
}

// Cancel stops a job.
func (e *Engine) Cancel(ctx context.Context, tenant, id string) error {
	return errors.ErrUnsupported
}

// Watch yields the job as it is, then each change of it, and ends after the job has ended.
func (e *Engine) Watch(ctx context.Context, tenant, id string) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {}
}

// Shutdown stops accepting runs, waits for those in progress, cancels what outlives ctx, and waits for it.
func (e *Engine) Shutdown(ctx context.Context) error {
	return errors.ErrUnsupported
}
