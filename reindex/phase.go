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
	// PhasePending: the run waits for its turn.
	PhasePending Phase = "pending"
	// PhaseOpen: the source is opened and asked what it announces.
	PhaseOpen Phase = "open"
	// PhaseBegin: leftovers are removed and a generation is opened.
	PhaseBegin Phase = "begin"
	// PhaseLoad: products are read and written. Errors of it are of PhaseRead or PhaseWrite.
	PhaseLoad Phase = "load"
	// PhaseRead is the side of PhaseLoad that reads products.
	PhaseRead Phase = "read"
	// PhaseWrite is the side of PhaseLoad that checks and writes them.
	PhaseWrite Phase = "write"
	// PhaseCatchUp: changes that were accepted meanwhile are carried into the generation, before and after PhaseSeal.
	PhaseCatchUp Phase = "catch-up"
	// PhaseSeal: the writes land and the products are counted.
	PhaseSeal Phase = "seal"
	// PhaseCheck: the gate decides.
	PhaseCheck Phase = "check"
	// PhaseCommit: the switch-over.
	PhaseCommit Phase = "commit"
	// PhaseAbort: the generation is discarded, unless it is live, and the source is closed.
	PhaseAbort Phase = "abort"
	// PhaseEnd: the end of the job is stored.
	PhaseEnd Phase = "end"
)

// cleansUp reports whether a phase goes on, for a limited time, after its run was cancelled.
func (p Phase) cleansUp() bool { return p == PhaseCommit || p == PhaseAbort || p == PhaseEnd }

// RunError is what Engine.Run returns when a run fails. Match its cause with [errors.Is] and [errors.As].
type RunError struct {
	// Tenant and Job identify the run.
	Tenant, Job string
	// Phase in which it ended.
	Phase Phase
	// Err is the cause: a [*GateError], [ErrCancelled], [ErrShutdown], a [*PanicError], or what the Source or the Indexer
	// returned.
	Err error
	// MayBeLive reports that it is not known whether the new index is live: the switch-over was begun, and no answer to it
	// is known. If it is not set, the live index is what it was before the run.
	MayBeLive bool

	stopped  bool // the run's context had ended
	rollback bool // the run was one
}

// Error names tenant, job, phase and cause, and says if the new index may be live.
func (e *RunError) Error() string {
	text := fmt.Sprintf("%s of tenant %s, job %s: %s: %v", e.what(), e.Tenant, e.Job, e.Phase, e.Err)
	if e.MayBeLive {
		text += e.worded(notSure)
	}
	return text
}

// Unwrap returns the cause.
func (e *RunError) Unwrap() error { return e.Err }

// phaseError carries the phase of an error up to where the run ends.
type phaseError struct {
	phase Phase
	err   error
}

func (e *phaseError) Error() string { return string(e.phase) + ": " + e.err.Error() }
func (e *phaseError) Unwrap() error { return e.err }

// inPhase returns err as one of the phase, unless it is one of a phase already.
func inPhase(phase Phase, err error) error {
	if err == nil || errors.As(err, new(*phaseError)) {
		return err
	}
	return &phaseError{phase, err}
}

// position is the phase that a run is in, and since when.
type position struct {
	phase Phase
	since time.Time
}

// phases is where a run stands.
type phases struct{ at atomic.Pointer[position] }

func (p *phases) enter(phase Phase) { p.at.Store(&position{phase, time.Now()}) }

func (p *phases) where() position {
	if at := p.at.Load(); at != nil {
		return *at
	}
	return position{phase: PhasePending}
}

// of returns where the length of a phase is kept; nil if it is not.
func (d *Durations) of(phase Phase) *time.Duration {
	return map[Phase]*time.Duration{
		PhasePending: &d.Pending, PhaseOpen: &d.Open, PhaseBegin: &d.Begin, PhaseLoad: &d.Load, PhaseCatchUp: &d.CatchUp,
		PhaseSeal: &d.Seal, PhaseCheck: &d.Check,
		PhaseCommit: &d.Commit,
	}[phase]
}
