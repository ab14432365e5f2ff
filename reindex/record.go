package reindex

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// execute runs the run to its end, and records it.
func (r *run) execute(ctx context.Context) (Report, error) {
	stop := r.keepLease(ctx)
	err := guard(func() error { return r.rebuild(ctx) })
	r.locate(ctx)
	stop()
	r.turn.leave()
	if err == nil {
		return r.finish(ctx, nil).Report, nil
	}
	failure := r.explain(ctx, err)
	return r.finish(ctx, failure).Report, failure
}

// locate adds to the listed rejections where the source has them.
func (r *run) locate(ctx context.Context) {
	locator, ok := As[Locator](r.snap)
	listed := r.now().Report.Rejections
	if !ok || len(listed) == 0 || ctx.Err() != nil {
		return
	}
	ids := make([]string, 0, len(listed))
	for _, rejection := range listed {
		ids = append(ids, rejection.ID)
	}
	var where map[string]string
	err := guard(func() (err error) {
		where, err = locator.Locate(ctx, ids...)
		return err
	})
	if err != nil {
		r.log.WarnContext(ctx, "locating the rejected products failed", "error", err)
		return
	}
	listed = slices.Clone(listed)
	for i := range listed {
		listed[i].Where = where[listed[i].ID]
	}
	r.change(func(j *Job) { j.Report.Rejections = listed })
}

// explain makes the error that the caller sees out of the one that ended the run.
func (r *run) explain(ctx context.Context, err error) *RunError {
	phase := PhaseBegin
	if p, ok := errors.AsType[*phaseError](err); ok {
		phase, err = p.phase, p.err
	}
	cause := context.Cause(ctx)
	if cause != nil && !errors.Is(err, cause) {
		if errors.Is(err, ctx.Err()) {
			err = cause // the run was stopped; how its parts put that does not matter
		} else {
			err = fmt.Errorf("%w: %w", cause, err)
		}
	}
	return &RunError{Tenant: r.tenant, Job: r.id, Phase: phase, Err: err, stopped: cause != nil}
}

// enter records that the job has come to a state that is not its end.
func (r *run) enter(ctx context.Context, status Status) {
	if r.now().Status == status {
		return
	}
	job := r.change(func(j *Job) { j.Status = status })
	if err := r.store(ctx); err != nil {
		r.log.WarnContext(ctx, "storing the job failed", "status", status, "error", err)
	}
	r.notify(job)
}

// finish records the job's end; failure is nil where it succeeded. The end is stored before it shows, so that whoever sees it can
// start the next run.
func (r *run) finish(ctx context.Context, failure *RunError) Job {
	job := r.now()
	job.Status = StatusSuccess
	var err error
	if failure != nil {
		job.Status, job.Message, err = StatusFailure, message(failure), failure
	}
	job.Modified = time.Now().UTC()
	job.Report.Durations.Total = time.Since(r.started)

	storeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.CleanupTimeout)
	defer cancel()
	if err := r.cfg.Retry.do(storeCtx, func() error { return r.cfg.Jobs.Finish(storeCtx, job) }); err != nil {
		r.log.ErrorContext(ctx, "storing the job's end failed", "status", job.Status, "error", err)
	}
	job = r.change(func(j *Job) { *j = job })
	r.notify(job)
	if f := r.cfg.Trace.JobEnded; f != nil {
		r.traced(func() { f(job, err) })
	}
	r.logEnd(ctx, &job.Report, err)
	return job
}

// loggedRejections is how many rejections the log names at the end of a run.
const loggedRejections = 5

func (r *run) logEnd(ctx context.Context, report *Report, err error) {
	attrs := []any{
		"read", report.Read, "indexed", report.Indexed, "rejected", report.Rejected, "duplicates", report.Duplicates,
		"bytes", report.Bytes, "duration", report.Durations.Total,
	}
	if len(report.Rejections) > 0 {
		attrs = append(attrs, "rejections", report.Rejections[:min(loggedRejections, len(report.Rejections))])
	}
	if err == nil {
		r.log.InfoContext(ctx, "reindex succeeded", attrs...)
		return
	}
	attrs = append(attrs, "error", err)
	if panicked, ok := errors.AsType[*PanicError](err); ok {
		attrs = append(attrs, "stack", string(panicked.Stack))
	}
	r.log.ErrorContext(ctx, "reindex failed", attrs...)
}

func (r *run) notify(job Job) {
	if f := r.cfg.Trace.JobChanged; f != nil {
		r.traced(func() { f(job) })
	}
}

// traced calls a host's trace function; a panic of it harms nothing but the trace.
func (r *run) traced(f func()) {
	if err := guard(func() error { f(); return nil }); err != nil {
		r.log.Error("a trace function failed", "error", err)
	}
}

// message tells the caller of an API why a job failed: in full where the text is the engine's own, and by phase alone where it comes
// from a source or an index, whose errors can name hosts and accounts.
func message(err *RunError) string {
	if gate, ok := errors.AsType[*GateError](err); ok {
		return gate.Error()
	}
	_, panicked := errors.AsType[*PanicError](err)
	switch {
	case errors.Is(err, ErrCancelled):
		return ErrCancelled.Error()
	case errors.Is(err, ErrShutdown):
		return "the reindex was stopped because the service was shut down"
	case errors.Is(err, ErrLeaseLost), errors.Is(err, ErrFenced):
		return "the reindex was stopped because it was out of touch for too long; another one may have taken over"
	case err.stopped:
		return "the reindex was stopped by its caller"
	case panicked:
		return "the reindex failed by a defect" + seeLog
	}
	return phaseMessages[err.Phase] + seeLog
}

const seeLog = "; the service's log has the details"

var phaseMessages = map[Phase]string{
	PhasePending: "the reindex failed while it waited for its turn",
	PhaseBegin:   "opening a new index failed",
	PhaseRead:    "reading the products failed",
	PhaseWrite:   "writing to the new index failed",
	PhaseSeal:    "completing the new index failed",
	PhaseCheck:   "checking the new index failed",
	PhaseCommit:  "switching over to the new index failed, and whether it is live is not known",
}
