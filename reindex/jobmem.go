package reindex

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// DefaultJobsKept is the number of ended jobs per tenant that [NewJobs] keeps by default.
const DefaultJobsKept = 100

// tenantsKept is the number of tenants whose ended jobs are kept if each has as many as it may.
const tenantsKept = 100

// NewJobs returns a [JobStore] in memory. Per tenant it keeps the jobs in progress and up to kept ended jobs (0:
// [DefaultJobsKept]), and of all tenants together at most 100 × kept ended jobs. The jobs are lost when the process
// ends. Several engines may share the store.
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
	ended     []endedJob       // oldest first; some of them were dropped already
}

// endedJob names a job that has ended.
type endedJob struct{ tenant, id string }

func (m *memJobs) Create(ctx context.Context, job Job) (Job, bool, error) {
	if err := ctx.Err(); err != nil {
		return Job{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	jobs := m.tenants[job.Tenant]
	for _, j := range jobs {
		if !j.Status.Ended() && j.EntityType == job.EntityType {
			return j, j.ID == job.ID, nil
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

func (m *memJobs) Renew(ctx context.Context, job Job) (cancelled bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	stored, err := m.stored(ctx, job.Tenant, job.ID)
	if err != nil {
		return false, err
	}
	if stored.Status.Ended() {
		return false, ofJob(job.Tenant, job.ID, ErrLeaseLost)
	}
	*stored = job
	return m.cancelled[job.ID], nil
}

func (m *memJobs) Finish(ctx context.Context, job Job) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	stored, err := m.stored(ctx, job.Tenant, job.ID)
	if err != nil {
		return err
	}
	if stored.Status.Ended() {
		if stored.Status == job.Status && stored.Message == job.Message {
			return nil
		}
		return ofJob(job.Tenant, job.ID, ErrLeaseLost)
	}
	*stored = job
	delete(m.cancelled, job.ID)
	m.tenants[job.Tenant] = m.forgetOldest(m.tenants[job.Tenant])
	m.ended = append(m.ended, endedJob{job.Tenant, job.ID})
	if len(m.ended) > m.kept*tenantsKept {
		m.forget(m.ended[0])
		m.ended = m.ended[1:]
	}
	return nil
}

// forget drops one ended job, and its tenant if that has no other job.
func (m *memJobs) forget(e endedJob) {
	jobs := slices.DeleteFunc(m.tenants[e.tenant], func(j Job) bool { return j.ID == e.id })
	if m.tenants[e.tenant] = jobs; len(jobs) == 0 {
		delete(m.tenants, e.tenant)
	}
}

// stored returns a pointer to the job in the store. The caller holds mu.
func (m *memJobs) stored(ctx context.Context, tenant, id string) (*Job, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	jobs := m.tenants[tenant]
	i := slices.IndexFunc(jobs, func(j Job) bool { return j.ID == id })
	if i < 0 {
		return nil, ofJob(tenant, id, ErrJobNotFound)
	}
	return &jobs[i], nil
}

func (m *memJobs) Get(ctx context.Context, tenant, id string) (Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	stored, err := m.stored(ctx, tenant, id)
	if err != nil {
		return Job{}, err
	}
	return *stored, nil
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
	m.mu.Lock()
	defer m.mu.Unlock()
	stored, err := m.stored(ctx, tenant, id)
	if err != nil {
		return err
	}
	if stored.Status.Ended() {
		return ofJob(tenant, id, ErrJobEnded)
	}
	m.cancelled[id] = true
	return nil
}

func (m *memJobs) Lease() time.Duration { return 0 }

// ofJob adds the tenant and the id of the job to an error.
func ofJob(tenant, id string, err error) error {
	return fmt.Errorf("tenant %s, job %q: %w", tenant, id, err)
}
