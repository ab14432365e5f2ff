package reindex

import "time"

// Trace is a set of functions that the engine calls as runs go on, for a host's metrics. Any of them may be nil. They are called from
// several goroutines at the same time, must return quickly, and see values that nobody changes any more.
type Trace struct {
	// JobChanged is called when a job is created and each time its status changes.
	JobChanged func(job Job)

	// BatchWritten is called after every call of Generation.Write.
	BatchWritten func(tenant string, w BatchWrite)

	// JobEnded is called once at the end of a run; err is what Engine.Run returns.
	JobEnded func(job Job, err error)
}

// BatchWrite describes one call of Generation.Write.
type BatchWrite struct {
	// Docs is the number of products sent.
	Docs int
	// Bytes is the sum of the lengths of their bodies, in bytes.
	Bytes int
	// Attempt counts the tries of these products: 1 for the first.
	Attempt int
	// Duration is how long the call took.
	Duration time.Duration
	// Err is what the call returned.
	Err error
	// InFlight is how many calls of the run may be made at the same time from now on, and MaxBytes how large batches may be: what the
	// engine makes of this call and the ones before it.
	InFlight, MaxBytes int
}
