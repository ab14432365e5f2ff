package reindex

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// EntityProduct is the entity type of the jobs of an [Engine] that reindexes products; see Config.EntityType for
// others.
const EntityProduct = "PRODUCT"

// Status is the state of a job. The values are those of the HTTP contract.
type Status string

// The states of a job, in the order in which it passes through them. A job ends with StatusSuccess or StatusFailure.
const (
	// StatusPending means that the limit of parallel runs is reached and the job waits for its turn.
	StatusPending Status = "PENDING"
	// StatusInProgress means that products are being read and written.
	StatusInProgress Status = "IN_PROGRESS"
	// StatusPublished means that the source was read to its end and every batch was written. In a rollback it means that
	// the kept generation has the changes that it lacked. Nothing is live yet.
	StatusPublished Status = "PUBLISHED"
	// StatusSuccess means that the new generation, or that of a rollback, is live. After a dry run it means that the
	// generation was checked and could have gone live.
	StatusSuccess Status = "SUCCESS"
	// StatusFailure means that the live index is what it was before the job, unless Message says that it is not known
	// whether the new index is live.
	StatusFailure Status = "FAILURE"
)

// Ended reports whether s is a state that a job does not leave.
func (s Status) Ended() bool { return s == StatusSuccess || s == StatusFailure }

// Job is the record of one run at one moment. It is a value; the slices in its Report are never modified.
type Job struct {
	// ID is unique among all jobs. It consists of letters and digits.
	ID string
	// Tenant is the tenant whose products are reindexed.
	Tenant string
	// EntityType is the type of the entities: Config.EntityType of the engine that runs the job.
	EntityType string
	// Options are the options of the run.
	Options Options
	// Status is the state of the job.
	Status Status
	// Phase is the phase of the run, or the one in which it failed. It is never a phase that cleans up, and only a failed
	// job has [PhaseRead] or [PhaseWrite]. It is empty before the run waits for its turn, and after a success.
	Phase Phase
	// Expected is the number of products that the source announced through [Counter]. If Estimated is set, it is an
	// estimate of the source or the number of documents that were live at the start (see [Estimator], [DocCounter]). It is
	// -1 if nothing is known.
	Expected  int64
	Estimated bool
	// Processed is the number of products read so far whose outcome is known: indexed, rejected or duplicate.
	Processed int64
	// InFlight is the largest number of batches that are written at the same time, and BatchBytes the largest size of a
	// batch. Both follow what the index accepts; see [BatchWrite]. They are 0 before the first batch.
	InFlight, BatchBytes int64
	// Message is the reason why the job failed; empty unless Status is StatusFailure. It is written for the caller of an
	// API: no secrets, no stack traces.
	Message string
	// Generation is the name of the generation that the job fills or goes back to; empty before it has one. In a rollback
	// it is also in Options.
	Generation string
	// Created is the time at which the job was accepted, and Modified that of the last change of its record, both in UTC.
	Created, Modified time.Time
	// Report is complete once the job has ended.
	Report Report
	// Fence is the fencing token that the store gave the job. It is greater than that of every earlier job of the tenant,
	// and 0 if the store gives none. See [Fence].
	Fence int64
}

// Fraction returns the processed fraction of the expected products, from 0 to 1. It returns false if the number of
// products is not known.
func (j *Job) Fraction() (float64, bool) {
	switch {
	case j.Status == StatusSuccess:
		return 1, true
	case j.Expected <= 0:
		return 0, false
	}
	return min(1, float64(j.Processed)/float64(j.Expected)), true
}

// Remaining estimates how long the rest of the products will take, from the time that the processed ones took. It
// returns false while an estimate is not possible.
func (j *Job) Remaining() (time.Duration, bool) {
	done, known := j.Fraction()
	if !known || done == 0 || j.Status.Ended() {
		return 0, j.Status.Ended()
	}
	took := j.Modified.Sub(j.Created) - j.Report.Durations.Pending
	return time.Duration(float64(took) * (1 - done) / done), true
}

// JobStore keeps jobs, and decides which run of a tenant is in progress. It is safe for concurrent use. An
// implementation must pass reindextest.TestJobStore.
//
// A store that several processes share gives every job a lease, so that a dead process does not block its tenants. It
// also gives every job a fencing token, so that a process that was paused cannot publish late; see [Fence].
type JobStore interface {
	// Create stores job, which has not ended, and returns it with its Fence. If the tenant has another unfinished job of
	// the same entity type, Create stores nothing and returns that job and false. If that job has the same id, an earlier
	// try of this call has stored it, and created is true. Before that, an unfinished job of the tenant whose lease has
	// expired becomes a failure.
	Create(ctx context.Context, job Job) (stored Job, created bool, err error)

	// Renew replaces the record of a job that has not ended, by tenant and id, and renews its lease. It reports whether
	// somebody has called Cancel. The error matches [ErrJobNotFound] if there is no such job, and [ErrLeaseLost] if the
	// stored job has ended, for example because its lease expired; its record is then left as it is. A call that failed
	// with a [*TemporaryError] can succeed later.
	Renew(ctx context.Context, job Job) (cancelled bool, err error)

	// Finish replaces the record of a job with that of its end. Errors are those of Renew. If the job has ended in the
	// same way already, Finish returns nil, so that a call whose answer was lost can be repeated.
	Finish(ctx context.Context, job Job) error

	// Cancel asks the process that runs a job to stop it: the next Renew of the job reports that. The error matches
	// [ErrJobNotFound] or [ErrJobEnded].
	Cancel(ctx context.Context, tenant, id string) error

	// Get returns one job, or an error that matches [ErrJobNotFound].
	Get(ctx context.Context, tenant, id string) (Job, error)

	// List returns the tenant's jobs that the query selects, and the number of all jobs that match it. The Report of each
	// may lack Rejections, DuplicateIDs and Difference.
	List(ctx context.Context, tenant string, query JobQuery) (jobs []Job, total int, err error)

	// Lease returns how long a job counts as alive after its last Create or Renew. Zero means forever, since only this
	// process uses the store.
	Lease() time.Duration
}

// JobQuery selects some of a tenant's jobs.
type JobQuery struct {
	// Match selects jobs; nil selects all.
	Match func(Job) bool
	// Compare orders the jobs, as in [slices.SortStableFunc]. Jobs that it finds equal come newest first, and so do all
	// jobs if it is nil.
	Compare func(a, b Job) int
	// Offset is the number of jobs to skip.
	Offset int
	// Limit is the largest number of jobs to return; 0 means all of them.
	Limit int
}

// Page returns the positions [first, last) of the jobs that Offset and Limit select from a total number of jobs.
func (q JobQuery) Page(total int) (first, last int) {
	first, last = min(max(q.Offset, 0), total), total
	if q.Limit > 0 {
		last = first + min(q.Limit, total-first)
	}
	return first, last
}

// Select returns the jobs that the query selects, and the number of all that match it. The jobs must be in order, the
// newest first. Select modifies the slice.
func (q JobQuery) Select(jobs []Job) (selected []Job, total int) {
	if q.Match != nil {
		jobs = slices.DeleteFunc(jobs, func(j Job) bool { return !q.Match(j) })
	}
	total = len(jobs)
	first, last := q.Page(total)
	if q.Compare == nil {
		return jobs[first:last], total
	}
	// Jobs are large, so their positions are sorted instead of the jobs.
	order := make([]int, total)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(q.Compare(jobs[a], jobs[b]), a-b) })
	selected = make([]Job, 0, last-first)
	for _, i := range order[first:last] {
		selected = append(selected, jobs[i])
	}
	return selected, total
}
