package reindex

import (
	"context"
	"iter"
	"time"
)

// Job returns one job of the tenant as it is now, or an error that matches [ErrJobNotFound].
func (e *Engine) Job(ctx context.Context, tenant, id string) (Job, error) {
	if r := e.find(tenant, id); r != nil {
		return r.record.now(), nil
	}
	job, err := e.cfg.Jobs.Get(ctx, tenant, id)
	return e.ends.of(job), err
}

// Jobs lists the tenant's jobs as they are now, newest first, and returns how many there are in all.
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

// Cancel asks a job to stop and returns at once; the job ends as a failure that says so, unless its switch-over has
// begun already. A job that another process runs learns of it when it renews its lease. The error matches
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

// Watch yields the job as it is, then as it is after changes, and ends when it has yielded the job's end. Changes that
// come faster than the consumer takes them are left out. An error ends the sequence: [ErrJobNotFound], or the end of
// ctx.
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

// follow returns a job as it is, and a channel that is closed when to look again.
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

// find returns the run of a job that this engine runs, and nil if it does not.
func (e *Engine) find(tenant, id string) *run {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.runs[id]; r != nil && r.tenant == tenant {
		return r
	}
	return nil
}

// refresh returns a stored job as it is now, if this engine runs it.
func (e *Engine) refresh(job Job) Job {
	if r := e.find(job.Tenant, job.ID); r != nil {
		return r.record.now()
	}
	return e.ends.of(job)
}

// snapshot holds jobs as they were at one moment, by id. A listing looks at a job several times, and has to see the
// same each time.
type snapshot map[string]Job

// running returns the jobs of the tenant that this engine runs, as they are now.
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

// of returns a stored job as it is now. One that has ended since is as it was stored.
func (s snapshot) of(stored Job) Job {
	if job, ok := s[stored.ID]; ok && !stored.Status.Ended() {
		return job
	}
	return stored
}
