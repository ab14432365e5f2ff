package reindex

import (
	"context"
	"time"
)

// Trace is a set of functions that the engine calls as runs go on, for a host's metrics and spans. Any of them may be
// nil. They are called from several goroutines at the same time, must return quickly, and see values that nobody
// changes any more. A panic of one harms nothing but the trace.
//
// Of each pair, the first function returns the context under which the work between the two is done: a span that it
// puts there is the parent of what follows, and reaches the Source and the Indexer. The second gets that context back.
type Trace struct {
	// JobStarted is called when a job has been created, under the context of the call that created it. Everything else of
	// the job happens under the context that it returns.
	JobStarted func(ctx context.Context, job Job) context.Context
	// JobChanged is called when a job has been created (before is empty then) and each time its status has changed.
	JobChanged func(ctx context.Context, job Job, before Status)
	// JobEnded is called once at the end of a run; err is what Engine.Run returns.
	JobEnded func(ctx context.Context, job Job, err error)

	// PhaseStarted is called before each phase of a run but PhaseRead and PhaseWrite, which are the two sides of
	// PhaseLoad.
	PhaseStarted func(ctx context.Context, of JobInfo, phase Phase) context.Context
	// PhaseEnded is called after it; err is nil if the phase succeeded.
	PhaseEnded func(ctx context.Context, of JobInfo, phase Phase, err error)

	// WriteStarted is called before each call of Generation.Write. Docs, Bytes and Attempt of w are set.
	WriteStarted func(ctx context.Context, of JobInfo, w BatchWrite) context.Context
	// WriteEnded is called after it.
	WriteEnded func(ctx context.Context, of JobInfo, w BatchWrite)
}

// JobInfo names the job that a part of a [Trace] belongs to.
type JobInfo struct {
	// ID is the job's id.
	ID string
	// Tenant whose products are reindexed.
	Tenant string
	// EntityType is the type of the entities.
	EntityType string
}

// BatchWrite describes one call of Generation.Write.
type BatchWrite struct {
	// Docs is the number of products sent.
	Docs int
	// Bytes is the sum of the lengths of their ids and bodies, in bytes.
	Bytes int
	// Attempt counts the tries of these products: 1 for the first.
	Attempt int
	// Duration is how long the call took.
	Duration time.Duration
	// Err is what the call returned.
	Err error
	// InFlight is the number of calls of the run that may be made at the same time from now on, and MaxBytes how large
	// batches may be: what the engine makes of this call and the ones before it.
	InFlight, MaxBytes int
}
