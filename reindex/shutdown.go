package reindex

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// shutdownGrace is the time after which a cancelled run that has not ended counts as stuck.
	shutdownGrace = time.Second
	// stuckInterval is the time after which Shutdown checks again whether all remaining runs are stuck.
	stuckInterval = 50 * time.Millisecond
)

// StuckError is the error of Engine.Shutdown if calls are stuck in code that ignores its context. Each stuck run holds
// a goroutine, its lease and its place until that code returns.
type StuckError struct {
	// Runs are the runs that have not ended, the oldest first.
	Runs []StuckRun
	// Updates are the tenants whose live index is still being changed.
	Updates []string
}

// StuckRun is a run that did not end although it was cancelled.
type StuckRun struct {
	// Tenant and Job identify the run.
	Tenant, Job string
	// Phase is the phase in which the run is stuck.
	Phase Phase
	// For is the time that it has spent in that phase.
	For time.Duration
}

// Error names every stuck call.
func (e *StuckError) Error() string {
	var runs []string
	for _, r := range e.Runs {
		runs = append(runs,
			fmt.Sprintf("tenant %s, job %s: %s for %v", r.Tenant, r.Job, r.Phase, r.For.Round(time.Millisecond)))
	}
	for _, tenant := range e.Updates {
		runs = append(runs, fmt.Sprintf("tenant %s: an update", tenant))
	}
	return fmt.Sprintf("%d calls are stuck in code that ignores its context (%s)", len(runs), strings.Join(runs, "; "))
}

// Shutdown stops accepting runs and changes, and waits until those in progress have ended. If ctx ends first, it
// cancels them, waits for at most Config.CleanupTimeout until they have cleaned up, and returns the cause of the end of
// ctx. When it returns, no goroutine of the engine is left except those that are stuck in code that ignores its
// context; the error is then also a [*StuckError] that names them.
func (e *Engine) Shutdown(ctx context.Context) error {
	idle := e.close()
	select {
	case <-idle:
		return e.ends.store(ctx, &e.cfg, "")
	case <-ctx.Done():
	}
	cause := context.Cause(ctx)
	e.streams.stop(ErrShutdown)
	for _, r := range e.left() {
		r.cancel(ErrShutdown)
	}
	start := time.Now()
	ticker := time.NewTicker(stuckInterval)
	defer ticker.Stop()
	for {
		select {
		case <-idle:
			return cause
		case <-ticker.C:
			if stuck := e.stuck(start); stuck != nil {
				return errors.Join(cause, stuck)
			}
		}
	}
}

// close stops accepting runs and returns a channel that is closed when no run is left.
func (e *Engine) close() <-chan struct{} {
	e.mu.Lock()
	e.closed = true
	if e.idle == nil {
		e.idle = make(chan struct{})
		if len(e.runs) == 0 {
			close(e.idle)
		}
	}
	runs := e.idle
	e.mu.Unlock()
	streams := e.streams.close()
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		<-runs
		<-streams
	}()
	return idle
}

// left returns the runs that have not ended, the oldest first.
func (e *Engine) left() []*run {
	e.mu.Lock()
	defer e.mu.Unlock()
	var runs []*run
	for _, r := range e.runs {
		runs = append(runs, r)
	}
	slices.SortFunc(runs, func(a, b *run) int { return a.record.started.Compare(b.record.started) })
	return runs
}

// stuck returns an error that names the remaining runs, and the tenants with remaining updates, if all of them are
// stuck. They were cancelled at the given time.
func (e *Engine) stuck(cancelled time.Time) error {
	var stuck StuckError
	if time.Since(cancelled) >= shutdownGrace {
		stuck.Updates = e.streams.left()
	}
	for _, r := range e.left() {
		at := r.where()
		patience := shutdownGrace
		if at.phase.cleansUp() {
			patience += e.cfg.CleanupTimeout
		}
		if time.Since(at.since) < patience || time.Since(cancelled) < patience {
			return nil
		}
		job := r.record.now()
		stuck.Runs = append(stuck.Runs, StuckRun{job.Tenant, job.ID, at.phase, time.Since(at.since)})
	}
	if len(stuck.Runs)+len(stuck.Updates) == 0 {
		return nil
	}
	return &stuck
}
