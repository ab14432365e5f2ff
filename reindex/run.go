package reindex

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// run is one run of one tenant.
type run struct {
	phases

	src    Source
	ix     Indexer
	cfg    *Config
	sizes  sizes
	tenant string
	record *record
	cancel context.CancelCauseFunc
	turn   *turn

	resumes string // the name of the generation that a dead run has left, if it is to be continued
	checked bool   // the dead run has checked that generation
	streams *streams
}

// execute executes the run and records its end. It renews the lease of the job until that is done.
func (r *run) execute(ctx context.Context) (job Job, err, storeErr error) {
	stop := r.record.keepLease(ctx, r.cancel)
	defer stop()
	err = contain(func() error { return r.rebuild(ctx) })
	r.turn.leave()
	r.enter(PhaseEnd)
	if err != nil && r.handsOver(ctx) {
		r.record.log.WarnContext(ctx, "leaving the reindex to another process", "reason", context.Cause(ctx))
		return r.record.now(), r.explain(ctx, err), nil
	}
	if err == nil {
		job, storeErr = r.record.finish(ctx, nil)
		return job, nil, storeErr
	}
	failure := r.explain(ctx, err)
	job, storeErr = r.record.finish(ctx, failure)
	return job, failure, storeErr
}

// phase runs f as a phase of the run: contained, timed and traced. The error names the phase.
func (r *run) phase(ctx context.Context, phase Phase, f func(ctx context.Context) error) error {
	r.enter(phase)
	if phase != PhaseAbort {
		r.record.change(func(j *Job) { j.Phase = phase })
	}
	trace, info := r.cfg.Trace, r.record.info()
	if start := trace.PhaseStarted; start != nil {
		outer := ctx
		ctx = r.cfg.starts(ctx, func() context.Context { return start(outer, info, phase) })
	}
	start := time.Now()
	err := inPhase(phase, contain(func() error { return f(ctx) }))
	took := time.Since(start)
	r.record.change(func(j *Job) {
		if field := j.Report.Durations.of(phase); field != nil {
			*field += took
		}
	})
	if end := trace.PhaseEnded; end != nil {
		r.cfg.traced(func() { end(ctx, info, phase, err) })
	}
	return err
}

// stopIf stops the run if err is not nil.
func (r *run) stopIf(err error) {
	if err != nil {
		r.cancel(err)
	}
}

// rebuild carries out a reindex, except for its record.
func (r *run) rebuild(ctx context.Context) error {
	if err := r.phase(ctx, PhasePending, r.turn.wait); err != nil {
		return err
	}
	r.stopIf(r.record.enter(ctx, StatusInProgress))
	if r.record.now().Options.Rollback {
		return r.rollBack(ctx)
	}
	// The position is noted before the source is opened, so that changes which the source lacks are replayed.
	feed, err := r.streams.follow(ctx, r.tenant, r.record.info().ID, -1)
	if err != nil {
		return inPhase(PhaseOpen, err)
	}
	defer func() { feed.end(r.handsOver(ctx)) }()
	resumed, err := r.reopen(ctx)
	if errors.Is(err, ErrCommitted) {
		r.record.log.InfoContext(ctx, "the run that died has made its index live")
		return nil
	}
	if err != nil {
		return err
	}
	snap, parts, err := r.open(ctx, resumed != nil)
	if snap != nil {
		defer r.leaveSource(ctx, snap)
	}
	if err != nil {
		r.abort(ctx, resumed)
		return err
	}
	for again := 0; ; {
		err := r.build(ctx, feed, snap, parts, resumed)
		resumed = nil
		switch {
		case errors.Is(err, errOverlap):
			parts = nil
			if r.cfg.Loader != nil {
				r.record.unannounce()
			}
			r.record.log.WarnContext(ctx, "parts hold different products with the same id; reading again in one sequence")
		case errors.Is(err, ErrAgain) && again < maxAgain:
			again++
			r.record.log.InfoContext(ctx, "the index needs the products once more; reading again", "reason", sound(err))
		default:
			return err
		}
		r.record.change(func(j *Job) {
			j.Report = Report{Expected: j.Report.Expected, Replaced: -1, Durations: j.Report.Durations}
		})
	}
}

// maxAgain is the number of times that a run reads its source again because the index asks for it.
const maxAgain = 20

// build fills a generation from the parts, or from the whole source if there are none, checks it, and makes it live. It
// continues gen if that was resumed, and otherwise begins a new generation.
func (r *run) build(ctx context.Context, feed *feed, snap Snapshot, parts []string, gen Generation) (err error) {
	if gen == nil {
		r.checked = false
		if gen, err = r.begin(ctx); err != nil {
			return err
		}
	}
	r.record.change(func(j *Job) { j.Generation = nameOf(gen) })
	defer r.abort(ctx, gen)
	if r.cfg.Loader != nil {
		return r.buildElsewhere(ctx, feed, gen, Load{Generation: nameOf(gen), Parts: parts, Snapshot: snap})
	}
	t := newTally(r.cfg, r.record)
	p := newPump(r.cfg, r.sizes, r.streams.share, t, gen, len(parts) > 0)
	if err := r.phase(ctx, PhaseLoad,
		func(ctx context.Context) error { return p.fill(ctx, sequences(snap, parts)) }); err != nil {
		return err
	}
	r.stopIf(r.record.enter(ctx, StatusPublished))
	if err := r.flush(ctx, gen, t); err != nil {
		return err
	}
	edits := newEditing(feed, gen, t)
	if err := r.phase(ctx, PhaseCatchUp, edits.catchUp); err != nil {
		return err
	}
	sealed, err := r.seal(ctx, gen)
	if err != nil {
		return err
	}
	if err := r.phase(ctx, PhaseCheck, func(ctx context.Context) error {
		if err := r.check(ctx, p.misused, sealed); err != nil {
			return err
		}
		if err := r.compare(ctx, gen, feed, sealed); err != nil {
			return err
		}
		return r.checks(ctx, gen, sealed)
	}); err != nil {
		return err
	}
	if err := r.phase(ctx, PhaseCatchUp, edits.approach); err != nil {
		return err
	}
	return r.commit(ctx, gen, edits)
}

// explain turns the error that ended the run into the one that the caller sees.
func (r *run) explain(ctx context.Context, err error) *RunError {
	phase := PhaseOpen
	if p, ok := errors.AsType[*phaseError](err); ok {
		phase, err = p.phase, p.err
	}
	_, unknown := errors.AsType[unknownError](err)
	cause := context.Cause(ctx)
	if cause != nil && !errors.Is(err, cause) {
		if errors.Is(err, ctx.Err()) {
			err = cause // the run was stopped: the errors of its parts do not matter
		} else {
			err = fmt.Errorf("%w: %w", cause, err)
		}
	}
	job := r.record.now()
	return &RunError{
		Tenant: job.Tenant, Job: job.ID, Phase: phase, Err: err, MayBeLive: unknown,
		stopped: cause != nil, rollback: job.Options.Rollback,
	}
}

// lingering returns a context that ends some time after ctx does.
func lingering(ctx context.Context, while time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	timer := make(chan *time.Timer, 1)
	stop := context.AfterFunc(ctx, func() {
		timer <- time.AfterFunc(while, func() { cancel(context.Cause(ctx)) })
	})
	return later, func() {
		if !stop() {
			(<-timer).Stop()
		}
		cancel(nil)
	}
}
