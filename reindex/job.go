package reindex

import (
	"context"
	"time"
)

// EntityProduct is the entity type of every job of an [Engine]: it reindexes products.
const EntityProduct = "PRODUCT"

// Status is where a job stands. The values are those of the HTTP contract.
type Status string

// The states of a job, in the order in which it passes through them. A job ends as Success or Failure.
const (
	// StatusPending: the limit of parallel runs is reached and the job waits its turn.
	StatusPending Status = "PENDING"
	// StatusInProgress: products are being read and written.
	StatusInProgress Status = "IN_PROGRESS"
	// StatusPublished: the source is exhausted and every batch was handed to the index. Nothing is live yet.
	StatusPublished Status = "PUBLISHED"
	// StatusSuccess: the new generation was checked and is live.
	StatusSuccess Status = "SUCCESS"
	// StatusFailure: the live index is what it was before the job. Where the answer to the switch-over itself was lost, Message says so.
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
	// EntityType is [EntityProduct].
	EntityType string
	// Status is where the job stands.
	Status Status
	// Expected is the number of products that the source announced through [Counter]; -1 where it announces none.
	Expected int64
	// Processed is the number of products read so far whose outcome is known: indexed, rejected or duplicate.
	Processed int64
	// Message tells why the job failed; empty unless Status is StatusFailure. It is written for the caller of an API: no secrets,
	// no stack traces.
	Message string
	// Created is when the job was accepted, Modified when its record last changed, both in UTC.
	Created, Modified time.Time
	// Report is complete once the job has ended.
	Report Report
}

// JobStore keeps jobs. It is safe for concurrent use and is the authority on which run of a tenant is in progress. It passes
// reindextest.TestJobStore.
type JobStore interface {
	// Create stores job, which has not ended. Where the tenant already has a job of the same entity type that has not ended, it
	// stores nothing and returns that job and false.
	Create(ctx context.Context, job Job) (stored Job, created bool, err error)

	// Update replaces the record of the same tenant and id. It returns an error that matches [ErrJobNotFound] where there is none.
	Update(ctx context.Context, job Job) error

	// Get returns one job, or an error that matches [ErrJobNotFound].
	Get(ctx context.Context, tenant, id string) (Job, error)

	// List returns the tenant's jobs that the query selects, newest first, and how many there are in all.
	List(ctx context.Context, tenant string, query JobQuery) (jobs []Job, total int, err error)
}

// JobQuery selects a part of a tenant's jobs.
type JobQuery struct {
	// Offset is the number of jobs to leave out.
	Offset int
	// Limit is the largest number of jobs to return; 0 means all of them.
	Limit int
}
