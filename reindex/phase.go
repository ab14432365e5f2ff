package reindex

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Phase is a part of a run's life.
type Phase string

// The phases of a run, in order.
const (
	// PhasePending is the wait for the run's turn.
	PhasePending Phase = "pending"
	// PhaseOpen opens the source, counts its products and splits it.
	PhaseOpen Phase = "open"
	// PhaseBegin removes leftovers and opens a generation.
	PhaseBegin Phase = "begin"
	// PhaseLoad reads and writes products. Its errors have PhaseRead or PhaseWrite.
	PhaseLoad Phase = "load"
	// PhaseRead is the side of PhaseLoad that reads products.
	PhaseRead Phase = "read"
	// PhaseWrite is the side of PhaseLoad that checks and writes them.
	PhaseWrite Phase = "write"
	// PhaseCatchUp applies to the generation the changes that were accepted during the run, before and after PhaseSeal.
	PhaseCatchUp Phase = "catch-up"
	// PhaseSeal waits until the writes have landed, and counts the products.
	PhaseSeal Phase = "seal"
	// PhaseCheck applies the rules of the gate.
	PhaseCheck Phase = "check"
	// PhaseCommit is the switch-over.
	PhaseCommit Phase = "commit"
	// PhaseAbort discards the generation, unless it is live, and closes the source.
	PhaseAbort Phase = "abort"
	// PhaseEnd stores the end of the job.
	PhaseEnd Phase = "end"
)

// cleansUp reports whether a phase goes on, for a limited time, after its run was cancelled.
func (p Phase) cleansUp() bool { return p == PhaseCommit || p == PhaseAbort || p == PhaseEnd }

// RunError is the error of Engine.Run if a run fails. Match its cause with [errors.Is] and [errors.As].
type RunError struct {
	// Tenant and Job identify the run.
	Tenant, Job string
	// Phase is the phase in which the run failed.
	Phase Phase
	// Err is the cause: a [*GateError], [ErrCancelled], [ErrShutdown], a [*PanicError], or an error of the Source or the
	// Indexer.
	Err error
	// MayBeLive reports whether the new index may be live, since the switch-over was begun and its outcome is not known.
	// If MayBeLive is false, the live index is what it was before the run.
	MayBeLive bool

	stopped  bool // the run's context had ended
	rollback bool // the run was a rollback
}

// Error names tenant, job, phase and cause, and says whether the new index may be live.
func (e *RunError) Error() string {
	text := fmt.Sprintf("%s of tenant %s, job %s: %s: %v", e.what(), e.Tenant, e.Job, e.Phase, e.Err)
	if e.MayBeLive {
		text += e.worded(notSure)
	}
	return text
}

// Unwrap returns the cause.
func (e *RunError) Unwrap() error { return e.Err }

// phaseError carries the phase of an error up to the end of the run.
type phaseError struct {
	phase Phase
	err   error
}

func (e *phaseError) Error() string { return string(e.phase) + ": " + e.err.Error() }
func (e *phaseError) Unwrap() error { return e.err }

// inPhase returns err as an error of the phase, unless it has a phase already.
func inPhase(phase Phase, err error) error {
	if err == nil || errors.As(err, new(*phaseError)) {
		return err
	}
	return &phaseError{phase, err}
}

// position is the current phase of a run, and the time at which it began.
type position struct {
	phase Phase
	since time.Time
}

// phases holds the current phase of a run.
type phases struct{ at atomic.Pointer[position] }

func (p *phases) enter(phase Phase) { p.at.Store(&position{phase, time.Now()}) }

func (p *phases) where() position {
	if at := p.at.Load(); at != nil {
		return *at
	}
	return position{phase: PhasePending}
}

// of returns a pointer to the length of a phase, or nil if it is not kept.
func (d *Durations) of(phase Phase) *time.Duration {
	return map[Phase]*time.Duration{
		PhasePending: &d.Pending, PhaseOpen: &d.Open, PhaseBegin: &d.Begin, PhaseLoad: &d.Load, PhaseCatchUp: &d.CatchUp,
		PhaseSeal: &d.Seal, PhaseCheck: &d.Check, PhaseCommit: &d.Commit,
	}[phase]
}
