package reindex

import (
	"context"
	"iter"
	"time"
)

// Job returns the current state of one job of the tenant, or an error that matches [ErrJobNotFound].
func (e *Engine) Job(ctx context.Context, tenant, id string) (Job, error) {
	if r := e.find(tenant, id); r != nil {
		return r.record.now(), nil
	}
	job, err := e.cfg.Jobs.Get(ctx, tenant, id)
	return e.ends.of(job), err
}

// Jobs returns the tenant's jobs that the query selects in their current state, newest first, and the number of all
// that match it.
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

// Cancel asks a job to stop and returns at once. The job ends as a failure that says so, unless its switch-over has
// begun. If another process runs the job, that process notices when it renews the lease. The error matches
// [ErrJobNotFound] or [ErrJobEnded].
func (e *Engine) Cancel(ctx context.Context, tenant, id string) error {
	if r := e.find(tenant, id); r != nil && !r.record.now().Status.Ended() {
		r.cancel(ErrCancelled)
		return nil
	}
	if e.ends.has(tenant, id) {
		return ofJob(tenant, id, ErrJobEnded)
	}
	return e.cfg.Jobs.Cancel(ctx, tenant, id)
}

// Watch yields the job in its current state and after each change, until it has yielded the ended job. It skips states
// that the consumer is too slow for. An error, such as [ErrJobNotFound] or the end of ctx, ends the sequence.
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

// watchInterval is the time between two reads by Watch of a job that another process runs.
const watchInterval = time.Second

// follow returns the current state of a job, and a channel that is closed when it is time to look again.
func (e *Engine) follow(ctx context.Context, tenant, id string) (job Job, changed <-chan struct{}, err error) {
	if r := e.find(tenant, id); r != nil {
		job, changed = r.record.follow()
		return job, changed, nil
	}
	job, err = e.cfg.Jobs.Get(ctx, tenant, id)
	later, cancel := context.WithTimeout(ctx, watchInterval)
	context.AfterFunc(later, cancel)
	return e.ends.of(job), later.Done(), err
}

// find returns the run of a job, or nil if this engine does not run it.
func (e *Engine) find(tenant, id string) *run {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.runs[id]; r != nil && r.tenant == tenant {
		return r
	}
	return nil
}

// refresh returns a stored job with its current state, if this engine runs it.
func (e *Engine) refresh(job Job) Job {
	if r := e.find(job.Tenant, job.ID); r != nil {
		return r.record.now()
	}
	return e.ends.of(job)
}

// snapshot holds jobs by id as they were at one moment, since a listing looks at a job several times and has to see the
// same state each time.
type snapshot map[string]Job

// running returns the current states of the tenant's jobs that this engine runs.
func (e *Engine) running(tenant string) snapshot {
	e.mu.Lock()
	defer e.mu.Unlock()
	jobs := snapshot{}
	for id, r := range e.runs {
		if r.tenant == tenant {
			jobs[id] = r.record.now()
		}
	}
	e.ends.addTo(jobs, tenant)
	return jobs
}

// of returns the state of a stored job in the snapshot. A job that has ended since then keeps its stored state.
func (s snapshot) of(stored Job) Job {
	if job, ok := s[stored.ID]; ok && !stored.Status.Ended() {
		return job
	}
	return stored
}
