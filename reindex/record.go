package reindex

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// record owns the job of a run: it alone changes the job, stores it, and shows it to its followers.
type record struct {
	progress

	cfg     *Config
	log     *slog.Logger
	started time.Time
	storing sync.Mutex // held while the job is written to the store
}

func newRecord(cfg *Config, job Job) *record {
	return &record{
		progress: progress{job: job}, cfg: cfg, log: cfg.Logger.With("tenant", job.Tenant, "job", job.ID),
		started: time.Now(),
	}
}

func (r *record) info() JobInfo {
	job := r.now()
	return JobInfo{ID: job.ID, Tenant: job.Tenant, EntityType: job.EntityType}
}

// unannounce turns the announced number of products into an estimate, since the products are read from other snapshots.
func (r *record) unannounce() {
	r.change(func(j *Job) { j.Estimated, j.Report.Expected = j.Expected >= 0, -1 })
}

// create stores the job. If the tenant has an unfinished job already, it returns that job and false.
func (r *record) create(ctx context.Context) (job Job, created bool, err error) {
	retry := r.cfg.Retry
	retry.Attempts = min(retry.Attempts, createAttempts)
	err = retry.Do(ctx, func() error {
		return contain(func() (err error) {
			job, created, err = r.cfg.Jobs.Create(ctx, r.now())
			return err
		})
	})
	if err == nil && created {
		r.change(func(j *Job) { j.Fence = job.Fence })
	}
	return job, created, err
}

// neverBegan returns the job as a failure that never began, since it could not be created.
func (r *record) neverBegan() Job {
	return r.change(func(j *Job) {
		j.Status, j.Message = StatusFailure, "the reindex did not begin, since its job could not be stored"
	})
}

// createAttempts is the number of calls of Create in all. It is small, since somebody waits for the answer.
const createAttempts = 3

// enter records that the job has reached a state before its end. An error means that the run must stop.
func (r *record) enter(ctx context.Context, status Status) error {
	before := r.now().Status
	if before == status {
		return nil
	}
	job := r.change(func(j *Job) { j.Status = status })
	err := r.renew(ctx)
	if err != nil && !stops(err) {
		r.log.WarnContext(ctx, "storing the job failed", "status", status, "error", err)
		err = nil
	}
	r.notify(ctx, job, before)
	return err
}

// renew stores the current state of the job, which renews its lease. Calls wait for each other, so that no older state
// replaces a newer one.
func (r *record) renew(ctx context.Context) error {
	r.storing.Lock()
	defer r.storing.Unlock()
	job := r.now()
	var cancelled bool
	err := contain(func() (err error) {
		cancelled, err = r.cfg.Jobs.Renew(ctx, job)
		return err
	})
	switch {
	case errors.Is(err, ErrJobNotFound):
		return fmt.Errorf("%w: %w", ErrLeaseLost, err)
	case err == nil && cancelled:
		return ofJob(job.Tenant, job.ID, ErrCancelled)
	}
	return err
}

// stops reports whether an error of renew ends the run.
func stops(err error) bool { return errors.Is(err, ErrCancelled) || errors.Is(err, ErrLeaseLost) }

// finish records the job's end; failure is nil if it succeeded. The end is stored before it becomes visible, so that a
// caller who sees it can start the next run. An error means that the end could not be stored; it becomes visible
// anyway.
func (r *record) finish(ctx context.Context, failure *RunError) (Job, error) {
	job := r.now()
	before := job.Status
	job.Status, job.Phase = StatusSuccess, ""
	var cause error
	if failure != nil {
		job.Status, job.Phase, job.Message, cause = StatusFailure, failure.Phase, message(failure), failure
	}
	job.Modified = time.Now().UTC()
	job.Report.Durations.Total = time.Since(r.started)

	err := r.cfg.storeEnd(ctx, job)
	if err != nil {
		r.log.ErrorContext(ctx, "storing the job's end failed", "status", job.Status, "error", err)
	}
	job = r.change(func(j *Job) { *j = job })
	r.notify(ctx, job, before)
	if f := r.cfg.Trace.JobEnded; f != nil {
		r.cfg.traced(func() { f(ctx, job, cause) })
	}
	r.logEnd(ctx, &job.Report, cause)
	return job, err
}

// storeEnd stores the end of a job. It retries after every kind of error, since an end that is not stored blocks the
// tenant.
func (c *Config) storeEnd(ctx context.Context, job Job) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.CleanupTimeout)
	defer cancel()
	return c.Retry.Do(ctx, func() error {
		err := contain(func() error { return c.Jobs.Finish(ctx, job) })
		if err == nil || endKnown(err) || errors.As(err, new(*TemporaryError)) {
			return err
		}
		return Temporary(err)
	})
}

// endKnown reports whether an error of Finish means that the job has ended already, or is gone.
func endKnown(err error) bool { return errors.Is(err, ErrLeaseLost) || errors.Is(err, ErrJobNotFound) }

// loggedRejections is the number of rejections that the log names at the end of a run.
const loggedRejections = 5

func (r *record) logEnd(ctx context.Context, report *Report, err error) {
	attrs := []any{
		"read", report.Read, "indexed", report.Indexed, "rejected", report.Rejected, "duplicates", report.Duplicates,
		"bytes", report.Bytes, "duration", report.Durations.Total,
	}
	if len(report.Rejections) > 0 {
		attrs = append(attrs, "rejections", report.Rejections[:min(loggedRejections, len(report.Rejections))])
	}
	if err == nil {
		r.log.InfoContext(ctx, r.now().Options.noun()+" succeeded", attrs...)
		return
	}
	attrs = append(attrs, "error", err)
	if panicked, ok := errors.AsType[*PanicError](err); ok {
		attrs = append(attrs, "stack", string(panicked.Stack))
	}
	r.log.ErrorContext(ctx, r.now().Options.noun()+" failed", attrs...)
}

// held measures how long updates are held. The returned function ends the measurement.
func (r *record) held() (end func()) {
	start := time.Now()
	return func() {
		took := time.Since(start)
		r.change(func(j *Job) { j.Report.Durations.Held += took })
	}
}

// notify traces that the job's status has changed.
func (r *record) notify(ctx context.Context, job Job, before Status) {
	if f := r.cfg.Trace.JobChanged; f != nil {
		r.cfg.traced(func() { f(ctx, job, before) })
	}
}
