package reindex

import (
	"context"
	"time"
)

// Trace is a set of functions that the engine calls during runs, for the metrics and spans of a host. Any of them may
// be nil. They are called from several goroutines at the same time and must return quickly. Their arguments are not
// modified later. The engine recovers from their panics.
//
// The functions come in pairs. The first one returns the context for the work that follows: a span in that context
// becomes the parent of the following spans, and reaches the Source and the Indexer. The second one gets that context
// back.
type Trace struct {
	// JobStarted is called when a job has been created, with the context of the call that created it. The run uses the
	// context that it returns.
	JobStarted func(ctx context.Context, job Job) context.Context
	// JobChanged is called when a job has been created, with an empty before, and each time its status has changed.
	JobChanged func(ctx context.Context, job Job, before Status)
	// JobEnded is called once at the end of a run; err is what Engine.Run returns.
	JobEnded func(ctx context.Context, job Job, err error)

	// PhaseStarted is called before each phase of a run, except for PhaseRead and PhaseWrite, which are the two sides of
	// PhaseLoad.
	PhaseStarted func(ctx context.Context, of JobInfo, phase Phase) context.Context
	// PhaseEnded is called after each of these phases; err is nil if the phase succeeded.
	PhaseEnded func(ctx context.Context, of JobInfo, phase Phase, err error)

	// WriteStarted is called before each call of Writer.Write. Only Docs, Bytes and Attempt of w are set.
	WriteStarted func(ctx context.Context, of JobInfo, w BatchWrite) context.Context
	// WriteEnded is called after each call of Writer.Write, with all fields of w set.
	WriteEnded func(ctx context.Context, of JobInfo, w BatchWrite)
}

// JobInfo names the job that a part of a [Trace] belongs to.
type JobInfo struct {
	// ID is the job's id.
	ID string
	// Tenant is the tenant whose products are reindexed.
	Tenant string
	// EntityType is the type of the entities.
	EntityType string
}

// BatchWrite describes one call of Writer.Write.
type BatchWrite struct {
	// Docs is the number of products sent.
	Docs int
	// Bytes is the sum of the lengths of their ids and bodies, in bytes.
	Bytes int
	// Attempt counts the tries of these products, from 1.
	Attempt int
	// Duration is how long the call took.
	Duration time.Duration
	// Err is the error of the call.
	Err error
	// InFlight is the number of concurrent calls, and MaxBytes the size of a batch, that the run may use from now on. The
	// engine derives them from the outcomes of this call and the ones before it.
	InFlight, MaxBytes int
}
