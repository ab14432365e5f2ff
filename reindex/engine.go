package reindex

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
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

	mu     sync.Mutex
	closed bool
	runs   map[string]*run // by job id
	active sync.WaitGroup  // the runs
}

// sizes is what a pump works with.
type sizes struct {
	docs, bytes, workers int
	slow                 time.Duration
}

// newSizes takes what the config asks for, within the index's limits. Where it asks for nothing, batches are as large, and as many at the
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

// within returns n, or the limit where there is one and n is above it.
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
	return &Engine{src: src, ix: ix, cfg: c, sizes: newSizes(&c, ix), turns: turns{free: c.MaxRuns}, runs: map[string]*run{}}, nil
}

// EntityType returns what the engine reindexes: Config.EntityType, or its default.
func (e *Engine) EntityType() string { return e.cfg.EntityType }

// Run reindexes the tenant in the caller's goroutine and returns when the new index is live, or with the reason why it is not: then
// the live index is what it was before. The Report is filled in either case. The run ends when ctx does.
//
// The error matches [ErrTenant], [ErrRunning] or [ErrShutdown] where no run began, and is a [*RunError] where one failed.
func (e *Engine) Run(ctx context.Context, tenant string) (Report, error) {
	ctx, r, job, err := e.admit(ctx, ctx, tenant)
	if err != nil {
		return Report{}, err
	}
	if r == nil {
		return Report{}, fmt.Errorf("tenant %s, job %s: %w", tenant, job.ID, ErrRunning)
	}
	defer e.release(r)
	return r.execute(ctx)
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
	job = r.now()
	go func() {
		defer e.release(r)
		_, _ = r.execute(runCtx) // the outcome is in the job and in the log
	}()
	return job, true, nil
}

// Job returns one job of the tenant as it is now, or an error that matches [ErrJobNotFound].
func (e *Engine) Job(ctx context.Context, tenant, id string) (Job, error) {
	if r := e.find(tenant, id); r != nil {
		return r.now(), nil
	}
	return e.cfg.Jobs.Get(ctx, tenant, id)
}

// Jobs lists the tenant's jobs as they are now, newest first, and tells how many there are in all.
func (e *Engine) Jobs(ctx context.Context, tenant string, query JobQuery) (jobs []Job, total int, err error) {
	now := e.running(tenant)
	if match := query.Match; match != nil {
		query.Match = func(j Job) bool { return match(now.of(j)) }
	}
	if compare := query.Compare; compare != nil {
		query.Compare = func(a, b Job) int { return compare(now.of(a), now.of(b)) }
	}
	jobs, total, err = e.cfg.Jobs.List(ctx, tenant, query)
	if err != nil {
		return nil, 0, err
	}
	for i, job := range jobs {
		jobs[i] = now.of(job)
	}
	return jobs, total, nil
}

// Cancel asks a job to stop and returns at once; the job ends as a failure that says so, unless its switch-over has begun already. A
// job that another process runs learns of it when it renews its lease. The error matches [ErrJobNotFound] or [ErrJobEnded].
func (e *Engine) Cancel(ctx context.Context, tenant, id string) error {
	if r := e.find(tenant, id); r != nil && !r.now().Status.Ended() {
		r.cancel(ErrCancelled)
		return nil
	}
	return e.cfg.Jobs.Cancel(ctx, tenant, id)
}

// Watch yields the job as it is, then as it is after changes, and ends when it has yielded the job's end. Changes that come faster
// than the consumer takes them are left out. An error ends the sequence: [ErrJobNotFound], or the end of ctx.
func (e *Engine) Watch(ctx context.Context, tenant, id string) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		for {
			job, changed, err := e.follow(ctx, tenant, id)
			if !yield(job, err) || err != nil || job.Status.Ended() {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				yield(Job{}, context.Cause(ctx))
				return
			}
		}
	}
}

// watchInterval is how often Watch looks at a job that another process runs.
const watchInterval = time.Second

// follow returns a job as it is, and a channel that tells when to look again.
func (e *Engine) follow(ctx context.Context, tenant, id string) (job Job, changed <-chan struct{}, err error) {
	if r := e.find(tenant, id); r != nil {
		job, changed = r.progress.follow()
		return job, changed, nil
	}
	job, err = e.cfg.Jobs.Get(ctx, tenant, id)
	later, cancel := context.WithTimeout(ctx, watchInterval)
	context.AfterFunc(later, cancel)
	return job, later.Done(), err
}

// Shutdown stops accepting runs and waits until those in progress have ended. When ctx ends first, it cancels them, waits until they
// have cleaned up, and returns the cause of ctx's end. No goroutine of the engine is left when it returns.
func (e *Engine) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	idle := make(chan struct{})
	go func() {
		e.active.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
	}
	e.mu.Lock()
	for _, r := range e.runs {
		r.cancel(ErrShutdown)
	}
	e.mu.Unlock()
	<-idle
	return context.Cause(ctx)
}

// admit makes a run of the tenant whose context is derived from base, stores its job and gives it a place in the line. Where one is
// in progress already, r is nil and job is that one's.
func (e *Engine) admit(ctx, base context.Context, tenant string) (runCtx context.Context, r *run, job Job, err error) {
	if err := CheckTenant(tenant); err != nil {
		return nil, nil, Job{}, err
	}
	r = e.newRun(tenant)
	runCtx, r.cancel = context.WithCancelCause(base)
	if err := e.register(r); err != nil {
		r.cancel(err)
		return nil, nil, Job{}, err
	}
	job, created, err := e.cfg.Jobs.Create(ctx, r.now())
	if err != nil || !created {
		e.release(r)
		return nil, nil, e.refresh(job), err
	}
	r.change(func(j *Job) { j.Fence = job.Fence })
	if job.Fence > 0 {
		runCtx = WithFence(runCtx, job.Fence)
	}
	r.notify(job)
	r.turn = e.turns.enter()
	if r.turn.now() {
		r.enter(ctx, StatusInProgress)
	}
	return runCtx, r, job, nil
}

func (e *Engine) newRun(tenant string) *run {
	now := time.Now().UTC()
	id := rand.Text()
	return &run{
		Engine: e, id: id, tenant: tenant, started: now,
		log: e.cfg.Logger.With("tenant", tenant, "job", id),
		progress: progress{job: Job{
			ID: id, Tenant: tenant, EntityType: e.cfg.EntityType, Status: StatusPending, Expected: -1,
			Created: now, Modified: now, Report: Report{Expected: -1, Replaced: -1},
		}},
	}
}

func (e *Engine) register(r *run) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fmt.Errorf("tenant %s: %w", r.tenant, ErrShutdown)
	}
	e.runs[r.id] = r
	e.active.Add(1)
	return nil
}

func (e *Engine) release(r *run) {
	r.cancel(nil)
	e.mu.Lock()
	delete(e.runs, r.id)
	e.mu.Unlock()
	e.active.Done()
}

// find returns the run of a job that this engine runs, and nil where it does not.
func (e *Engine) find(tenant, id string) *run {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.runs[id]; r != nil && r.tenant == tenant {
		return r
	}
	return nil
}

// refresh returns a stored job as it is now, where this engine runs it.
func (e *Engine) refresh(job Job) Job {
	if r := e.find(job.Tenant, job.ID); r != nil {
		return r.now()
	}
	return job
}

// snapshot holds jobs as they were at one moment, by id. A listing looks at a job several times, and has to see the same each time.
type snapshot map[string]Job

// running returns the jobs of the tenant that this engine runs, as they are now.
func (e *Engine) running(tenant string) snapshot {
	e.mu.Lock()
	defer e.mu.Unlock()
	jobs := snapshot{}
	for id, r := range e.runs {
		if r.tenant == tenant {
			jobs[id] = r.now()
		}
	}
	return jobs
}

// of returns a stored job as it is now. One that has ended since is as it was stored.
func (s snapshot) of(stored Job) Job {
	if job, ok := s[stored.ID]; ok && !stored.Status.Ended() {
		return job
	}
	return stored
}
