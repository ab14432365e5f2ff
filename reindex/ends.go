package reindex

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// ends keeps jobs whose end could not be stored. A store without leases would otherwise list these jobs as running
// forever. The ends are stored before the tenant's next run.
type ends struct {
	mu   sync.Mutex
	jobs map[string]Job // by id
}

func (e *ends) keep(job Job) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.jobs == nil {
		e.jobs = map[string]Job{}
	}
	e.jobs[job.ID] = job
}

// store stores the ends of the tenant's jobs, or of every tenant's if tenant is empty.
func (e *ends) store(ctx context.Context, cfg *Config, tenant string) error {
	e.mu.Lock()
	jobs := slices.Collect(maps.Values(e.jobs))
	e.mu.Unlock()
	for _, job := range jobs {
		if tenant != "" && job.Tenant != tenant {
			continue
		}
		err := contain(func() error { return cfg.Jobs.Finish(ctx, job) })
		if err != nil && !endKnown(err) {
			return ofJob(job.Tenant, job.ID, fmt.Errorf("storing the end of an earlier job: %w", err))
		}
		e.mu.Lock()
		delete(e.jobs, job.ID)
		e.mu.Unlock()
	}
	return nil
}

// of returns the end of a stored job if the end could not be stored; otherwise it returns the job itself.
func (e *ends) of(stored Job) Job {
	e.mu.Lock()
	defer e.mu.Unlock()
	if job, ok := e.jobs[stored.ID]; ok && !stored.Status.Ended() && job.Tenant == stored.Tenant {
		return job
	}
	return stored
}

func (e *ends) has(tenant, id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	job, ok := e.jobs[id]
	return ok && job.Tenant == tenant
}

// addTo adds the tenant's jobs to a map by id.
func (e *ends) addTo(jobs map[string]Job, tenant string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, job := range e.jobs {
		if job.Tenant == tenant {
			jobs[id] = job
		}
	}
}
