package reindex

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Engine reindexes tenants. It is safe for concurrent use.
type Engine struct {
	src   Source
	ix    Indexer
	cfg   Config
	sizes sizes
	turns turns

	streams *streams

	mu     sync.Mutex
	closed bool
	runs   map[string]*run // by job id
	idle   chan struct{}   // made when the engine is closed, closed when no run is left
	ends   ends
}

// sizes is what a pump works with.
type sizes struct {
	docs, bytes, workers int
	slow                 time.Duration
}

// newSizes returns what the config asks for, within the index's limits. If it asks for nothing, batches are as large, and as many at the
// same time, as the index likes them.
func newSizes(c *Config, ix Indexer) sizes {
	var limits Limits
	if l, ok := As[Limiter](ix); ok {
		limits = l.Limits()
	}
	return sizes{
		docs:    within(cmp.Or(c.BatchDocs, limits.MaxDocs, defaultBatchDocs), limits.MaxDocs),
		bytes:   within(cmp.Or(c.BatchBytes, limits.MaxBytes, defaultBatchBytes), limits.MaxBytes),
		workers: within(cmp.Or(c.Workers, limits.MaxInFlight, max(2, runtime.GOMAXPROCS(0))), limits.MaxInFlight),
		slow:    cmp.Or(limits.SlowWrite, defaultSlowWrite),
	}
}

// within returns n, or the limit if there is one and n is above it.
func within(n, limit int) int {
	if limit > 0 {
		return min(n, limit)
	}
	return n
}

// New returns an engine that reads products through src and writes them through ix. A nil cfg means the defaults. The error names
// every setting that is invalid.
func New(src Source, ix Indexer, cfg *Config) (*Engine, error) {
	if src == nil || ix == nil {
		return nil, errors.New("reindex: New needs a Source and an Indexer")
	}
	c := cfg.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	e := &Engine{src: src, ix: ix, cfg: c, sizes: newSizes(&c, ix), turns: turns{free: c.MaxRuns}, runs: map[string]*run{}}
	e.streams = newStreams(&e.cfg, src, ix, e.sizes)
	return e, nil
}

// EntityType returns what the engine reindexes: Config.EntityType, or its default.
func (e *Engine) EntityType() string { return e.cfg.EntityType }

// Run reindexes the tenant and returns when the new index is live, or with the reason why it is not. The Report is filled in either case.
// The run ends when ctx does.
//
// The error matches [ErrTenant], [ErrRunning] or [ErrShutdown] if no run began, and is a [*RunError] if one failed: then the live index
// is what it was before, unless RunError.MayBeLive is set.
func (e *Engine) Run(ctx context.Context, tenant string) (Report, error) {
	ctx, r, job, err := e.admit(ctx, ctx, tenant)
	if err != nil {
		return Report{}, err
	}
	if r == nil {
		return Report{}, fmt.Errorf("tenant %s, job %s: %w", tenant, job.ID, ErrRunning)
	}
	return e.execute(ctx, r)
}

// Start begins a run of the tenant and returns its job at once, or joins the one in progress: then started is false and job is that
// run's. The run keeps the values of ctx but does not end with it; see Cancel and Shutdown.
//
// The error matches [ErrTenant] or [ErrShutdown], or is what the [JobStore] returned; nothing was started then.
func (e *Engine) Start(ctx context.Context, tenant string) (job Job, started bool, err error) {
	runCtx, r, job, err := e.admit(ctx, context.WithoutCancel(ctx), tenant)
	if err != nil || r == nil {
		return job, false, err
	}
	job = r.record.now()
	go func() { _, _ = e.execute(runCtx, r) }() // the outcome is in the job and in the log
	return job, true, nil
}
