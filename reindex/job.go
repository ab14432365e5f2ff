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

// Status is where a job stands. The values are those of the HTTP contract.
type Status string

// The states of a job, in the order in which it passes through them. A job ends as Success or Failure.
const (
	// StatusPending: the limit of parallel runs is reached and the job waits its turn.
	StatusPending Status = "PENDING"
	// StatusInProgress: products are being read and written.
	StatusInProgress Status = "IN_PROGRESS"
	// StatusPublished: the source is exhausted and every batch was handed to the index; in a rollback, the generation to
	// go back to has the changes that it lacked. Nothing is live yet.
	StatusPublished Status = "PUBLISHED"
	// StatusSuccess: the new generation was checked and is live, or the one that a rollback goes back to is; after a dry
	// run, it was checked and is not.
	StatusSuccess Status = "SUCCESS"
	// StatusFailure: the live index is what it was before the job. Where the answer to the switch-over itself was lost,
	// Message says so.
	StatusFailure Status = "FAILURE"
)

// Ended reports whether s is a state that a job does not leave.
func (s Status) Ended() bool { return s == StatusSuccess || s == StatusFailure }

// Job is the record of one run, as it was at one moment. It is a value; its Report's slices are never changed.
type Job struct {
	// ID is unique among all jobs: letters and digits.
	ID string
	// Tenant whose products are reindexed.
	Tenant string
	// EntityType is the type of the entities: Config.EntityType of the engine that runs the job.
	EntityType string
	// Options are the options of the run.
	Options Options
	// Status is where the job stands.
	Status Status
	// Phase is what the run is doing, or what it was doing when it failed: never [PhaseRead] or [PhaseWrite] before its
	// end, and never what cleans up. Empty until it waits for its turn, and after a success.
	Phase Phase
	// Expected is the number of products that the source announced through [Counter], or, where Estimated is set, the
	// number of documents that were live at the start (see [DocCounter]); -1 if neither is known.
	Expected  int64
	Estimated bool
	// Processed is the number of products read so far whose outcome is known: indexed, rejected or duplicate.
	Processed int64
	// InFlight is the number of batches that are written at the same time at most, and BatchBytes how large they are at
	// most, as the index takes them: what [BatchWrite] has. Both are 0 before the first batch.
	InFlight, BatchBytes int64
	// Message is the reason why the job failed; empty unless Status is StatusFailure. It is written for the caller of an
	// API: no secrets, no stack traces.
	Message string
	// Generation is the name of the generation that the job fills, or goes back to; empty until it has one. Of a rollback
	// it is that in Options.
	Generation string
	// Created is when the job was accepted, Modified when its record last changed, both in UTC.
	Created, Modified time.Time
	// Report is complete once the job has ended.
	Report Report
	// Fence is the job's fencing token, which the store gave it: greater than that of every earlier job of the tenant. 0
	// where the store gives none. See [Fence].
	Fence int64
}

// Fraction returns how much of the expected products has been processed, from 0 to 1; false where the number is not
// known.
func (j *Job) Fraction() (float64, bool) {
	switch {
	case j.Status == StatusSuccess:
		return 1, true
	case j.Expected <= 0:
		return 0, false
	}
	return min(1, float64(j.Processed)/float64(j.Expected)), true
}

// Remaining estimates, from the time that the products processed so far took, how long the rest will take; false while
// there is nothing to go by.
func (j *Job) Remaining() (time.Duration, bool) {
	done, known := j.Fraction()
	if !known || done == 0 || j.Status.Ended() {
		return 0, j.Status.Ended()
	}
	took := j.Modified.Sub(j.Created) - j.Report.Durations.Pending
	return time.Duration(float64(took) * (1 - done) / done), true
}

// JobStore keeps jobs. It is safe for concurrent use and is the authority on which run of a tenant is in progress. It
// passes reindextest.TestJobStore.
//
// A store that several processes share gives every job a lease, so that a process that dies does not block its tenants,
// and a fencing token, so that one that was only paused cannot publish late: see [Fence].
type JobStore interface {
	// Create stores job, which has not ended. Where the tenant already has a job of the same entity type that has not
	// ended, it stores nothing and returns that job and false; if that job has the same id, an earlier try of this call
	// has stored it, and created is true. The job that Create returns holds its Fence. An unfinished job of the tenant
	// whose lease has run out becomes a failure first.
	Create(ctx context.Context, job Job) (stored Job, created bool, err error)

	// Renew replaces the record of a job that has not ended, by tenant and id, and renews its lease. It reports whether
	// somebody has called Cancel. The error matches [ErrJobNotFound] if there is no such job, and [ErrLeaseLost] if the
	// job has ended as the store sees it; the record stays as it is then. A call that failed with a [*TemporaryError] can
	// succeed later.
	Renew(ctx context.Context, job Job) (cancelled bool, err error)

	// Finish replaces the record of a job by its end. Errors are those of Renew. For a job that has ended in the same way
	// already it does nothing and returns nil, so that a call whose answer was lost can be made again.
	Finish(ctx context.Context, job Job) error

	// Cancel asks the process that runs a job to stop it: its next Renew reports that. The error matches [ErrJobNotFound]
	// or [ErrJobEnded].
	Cancel(ctx context.Context, tenant, id string) error

	// Get returns one job, or an error that matches [ErrJobNotFound].
	Get(ctx context.Context, tenant, id string) (Job, error)

	// List returns the tenant's jobs that the query selects, and how many match it in all. Their Reports may lack
	// Rejections, DuplicateIDs and Difference.
	List(ctx context.Context, tenant string, query JobQuery) (jobs []Job, total int, err error)

	// Lease is how long a job counts as alive after its last Create or Renew. 0: for ever, as only this process uses
	// the store.
	Lease() time.Duration
}

// JobQuery selects a part of a tenant's jobs.
type JobQuery struct {
	// Match selects jobs; nil selects all.
	Match func(Job) bool
	// Compare puts jobs in order, as in [slices.SortStableFunc]; jobs that are equal by it, and all if it is nil, come
	// newest first.
	Compare func(a, b Job) int
	// Offset is the number of jobs to leave out.
	Offset int
	// Limit is the largest number of jobs to return; 0 means all of them.
	Limit int
}

// Page returns the positions, from first up to last, of the jobs that Offset and Limit select of total ones.
func (q JobQuery) Page(total int) (first, last int) {
	first, last = min(max(q.Offset, 0), total), total
	if q.Limit > 0 {
		last = first + min(q.Limit, total-first)
	}
	return first, last
}

// Select returns the part of jobs, which are newest first, that the query selects, and how many match it in all. It
// changes jobs.
func (q JobQuery) Select(jobs []Job) (selected []Job, total int) {
	if q.Match != nil {
		jobs = slices.DeleteFunc(jobs, func(j Job) bool { return !q.Match(j) })
	}
	total = len(jobs)
	first, last := q.Page(total)
	if q.Compare == nil {
		return jobs[first:last], total
	}
	// Jobs are large: a sort moves their positions.
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
