package reindex

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// DefaultJobsKept is how many ended jobs of a tenant [NewJobs] keeps by default.
const DefaultJobsKept = 100

// NewJobs returns a [JobStore] in memory that keeps, of each tenant, the job in progress and the last kept ended ones (0:
// [DefaultJobsKept]). What it holds ends with the process.
func NewJobs(kept int) JobStore {
	if kept <= 0 {
		kept = DefaultJobsKept
	}
	return &memJobs{kept: kept, tenants: map[string][]Job{}, cancelled: map[string]bool{}}
}

type memJobs struct {
	kept int

	mu        sync.Mutex
	tenants   map[string][]Job // oldest first
	cancelled map[string]bool  // ids of jobs that somebody wants to stop
}

func (m *memJobs) Create(ctx context.Context, job Job) (Job, bool, error) {
	if err := ctx.Err(); err != nil {
		return Job{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	jobs := m.tenants[job.Tenant]
	for _, j := range jobs {
		if !j.Status.Ended() && j.EntityType == job.EntityType {
			return j, false, nil
		}
	}
	m.tenants[job.Tenant] = append(m.forgetOldest(jobs), job)
	return job, true, nil
}

// forgetOldest drops the oldest ended jobs beyond the number to keep.
func (m *memJobs) forgetOldest(jobs []Job) []Job {
	ended := 0
	for _, j := range jobs {
		if j.Status.Ended() {
			ended++
		}
	}
	return slices.DeleteFunc(jobs, func(j Job) bool {
		if ended <= m.kept || !j.Status.Ended() {
			return false
		}
		ended--
		return true
	})
}

func (m *memJobs) Update(ctx context.Context, job Job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.index(job.Tenant, job.ID)
	if i < 0 {
		return notFound(job.Tenant, job.ID)
	}
	if m.tenants[job.Tenant][i].Status.Ended() {
		return fmt.Errorf("tenant %s, job %q: %w", job.Tenant, job.ID, ErrLeaseLost)
	}
	m.tenants[job.Tenant][i] = job
	if job.Status.Ended() {
		m.tenants[job.Tenant] = m.forgetOldest(m.tenants[job.Tenant])
		delete(m.cancelled, job.ID)
		return nil
	}
	if m.cancelled[job.ID] {
		return fmt.Errorf("tenant %s, job %q: %w", job.Tenant, job.ID, ErrCancelled)
	}
	return nil
}

func (m *memJobs) Get(ctx context.Context, tenant, id string) (Job, error) {
	if err := ctx.Err(); err != nil {
		return Job{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.index(tenant, id)
	if i < 0 {
		return Job{}, notFound(tenant, id)
	}
	return m.tenants[tenant][i], nil
}

func (m *memJobs) List(ctx context.Context, tenant string, query JobQuery) ([]Job, int, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	m.mu.Lock()
	jobs := slices.Clone(m.tenants[tenant])
	m.mu.Unlock()
	slices.Reverse(jobs)
	jobs, total := query.Select(jobs)
	return jobs, total, nil
}

func (m *memJobs) Cancel(ctx context.Context, tenant, id string) error {
	job, err := m.Get(ctx, tenant, id)
	if err != nil {
		return err
	}
	if job.Status.Ended() {
		return fmt.Errorf("tenant %s, job %q: %w", tenant, id, ErrJobEnded)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cancelled[id] = true
	return nil
}

func (m *memJobs) Lease() time.Duration { return 0 }

func (m *memJobs) index(tenant, id string) int {
	return slices.IndexFunc(m.tenants[tenant], func(j Job) bool { return j.ID == id })
}

func notFound(tenant, id string) error {
	return fmt.Errorf("tenant %s, job %q: %w", tenant, id, ErrJobNotFound)
}
