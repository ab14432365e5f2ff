package reindex

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

	resumes string // the name of the generation that a dead run has left
	checked bool   // the dead run has checked it
	streams *streams
}

// execute runs the run to its end, and records it. The lease is renewed until that is done.
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

// phase runs f as a phase of the run: contained, timed and traced. The error is one of the phase.
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

// stopIf stops the run if there is an error.
func (r *run) stopIf(err error) {
	if err != nil {
		r.cancel(err)
	}
}

// rebuild is the whole life of a run but for its record.
func (r *run) rebuild(ctx context.Context) error {
	if err := r.phase(ctx, PhasePending, r.turn.wait); err != nil {
		return err
	}
	r.stopIf(r.record.enter(ctx, StatusInProgress))
	if r.record.now().Options.Rollback {
		return r.rollBack(ctx)
	}
	// Before the source is opened: what it does not have is replayed.
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
	var (
		snap  Snapshot
		parts []string
	)
	err = r.phase(ctx, PhaseOpen, func(ctx context.Context) (err error) {
		if snap, err = r.src.Open(ctx, r.tenant); err != nil {
			return err
		}
		if err := r.count(ctx, snap); err != nil {
			return err
		}
		if parts, err = r.split(ctx, snap); err == nil && r.cfg.Loader != nil && (resumed != nil || len(parts) == 0) {
			r.record.unannounce()
		}
		return err
	})
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
			r.record.log.WarnContext(ctx, "parts hold different products of the same id, reading again in one sequence")
		case errors.Is(err, ErrAgain) && again < maxAgain:
			again++
			r.record.log.InfoContext(ctx, "reading again, as the index asks for it", "reason", sound(err))
		default:
			return err
		}
		r.record.change(func(j *Job) {
			j.Report = Report{Expected: j.Report.Expected, Replaced: -1, Durations: j.Report.Durations}
		})
	}
}

// maxAgain is how often a run reads its source again because the index asks for it.
const maxAgain = 20

// count asks the snapshot how many products to expect, or else the index how many there are.
func (r *run) count(ctx context.Context, snap Snapshot) error {
	if known, err := announced(ctx, snap, r.record); known || err != nil {
		return err
	}
	estimated := func(n int64) {
		r.record.change(func(j *Job) { j.Expected, j.Estimated = n, true })
	}
	if estimator, ok := As[Estimator](snap); ok {
		n, err := estimator.Estimate(ctx)
		if err == nil {
			estimated(n)
			return nil
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return fmt.Errorf("estimating the number of the source's products: %w", err)
		}
	}
	if live, ok := As[DocCounter](r.ix); ok {
		if n, err := live.DocCount(ctx, r.tenant); err == nil {
			estimated(n)
		}
	}
	return nil
}

// announced records how many products the snapshot announces, and reports whether it does.
func announced(ctx context.Context, snap Snapshot, to *record) (known bool, err error) {
	counter, ok := As[Counter](snap)
	if !ok {
		return false, nil
	}
	n, err := counter.Count(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("counting the source's products: %w", err)
	}
	to.change(func(j *Job) { j.Expected, j.Report.Expected = n, n })
	return true, nil
}

// split returns the parts to read at the same time; none if the source is to be read in one.
func (r *run) split(ctx context.Context, snap Snapshot) ([]string, error) {
	splitter, ok := As[Splitter](snap)
	n := r.cfg.Readers
	if r.cfg.Loader != nil {
		n = r.cfg.Loader.Split(r.record.now().Expected)
	}
	if !ok || n <= 1 {
		return nil, nil
	}
	parts, err := splitter.Split(ctx, n)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("splitting the source: %w", err)
	}
	return parts, nil
}

// leaveSource asks for the places of the rejected products, and closes the snapshot.
func (r *run) leaveSource(ctx context.Context, snap Snapshot) {
	r.enter(PhaseAbort)
	r.locate(ctx, snap)
	if err := contain(snap.Close); err != nil {
		r.record.log.WarnContext(ctx, "closing the source failed", "error", err)
	}
}

// locate adds to the listed rejections where the source has them.
func (r *run) locate(ctx context.Context, snap Snapshot) {
	listed := slices.Clone(r.record.now().Report.Rejections)
	var ids []string
	for _, rejection := range listed {
		if rejection.Where == "" && rejection.ID != "" {
			ids = append(ids, rejection.ID)
		}
	}
	locator, ok := As[Locator](snap)
	if !ok || len(ids) == 0 || ctx.Err() != nil {
		return
	}
	var where map[string]string
	err := contain(func() (err error) {
		where, err = locator.Locate(ctx, ids...)
		return err
	})
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		r.record.log.WarnContext(ctx, "locating the rejected products failed", "error", err)
	}
	if err != nil {
		return
	}
	for i := range listed {
		if listed[i].Where == "" {
			listed[i].Where = where[listed[i].ID]
		}
	}
	r.record.change(func(j *Job) { j.Report.Rejections = listed })
}

// build fills a generation from the parts, or from the whole source if there are none, checks it, and makes it live.
// The generation is a new one unless one was resumed.
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
	p := newPump(r.cfg, r.sizes, t, gen, len(parts) > 0)
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
	if err := r.phase(ctx, PhaseCatchUp, edits.catchUp); err != nil {
		return err
	}
	return r.commit(ctx, gen, edits)
}

// begin removes what dead runs have left and opens a generation.
func (r *run) begin(ctx context.Context) (gen Generation, err error) {
	err = r.phase(ctx, PhaseBegin, func(ctx context.Context) error {
		r.reap(ctx)
		err := r.cfg.Retry.Do(ctx, func() (err error) {
			gen, err = r.ix.Begin(ctx, r.tenant)
			return err
		})
		if err == nil {
			r.streams.releaseKept(ctx, r.tenant)
		}
		return err
	})
	return gen, err
}

func (r *run) reap(ctx context.Context) {
	reaper, ok := As[Reaper](r.ix)
	if !ok {
		return
	}
	switch n, err := reaper.Reap(ctx, r.tenant); {
	case err != nil:
		r.record.log.WarnContext(ctx, "removing the leftovers of dead runs failed", "error", err)
	case n > 0:
		r.record.log.InfoContext(ctx, "removed the leftovers of dead runs", "generations", n)
	}
}

// flush waits for the writes to land and moves what the index refused late from indexed to rejected.
func (r *run) flush(ctx context.Context, gen Generation, t *tally) error {
	return r.phase(ctx, PhaseSeal, func(ctx context.Context) error {
		late, err := r.cfg.flush(ctx, gen)
		if err != nil {
			return err
		}
		return t.refusedLate(late)
	})
}

// seal makes the generation durable and counts it.
func (r *run) seal(ctx context.Context, gen Generation) (sealed Sealed, err error) {
	err = r.phase(ctx, PhaseSeal, func(ctx context.Context) error {
		return r.cfg.Retry.Do(ctx, func() (err error) {
			sealed, err = gen.Seal(ctx)
			return err
		})
	})
	if err != nil {
		return sealed, err
	}
	if sealed.LiveErr != nil {
		r.record.log.WarnContext(ctx, "the documents of the live index cannot be counted", "error", sound(sealed.LiveErr))
		sealed.Live = -1
	}
	r.record.change(func(j *Job) { j.Report.Replaced, j.Report.Ignored = sealed.Live, sealed.Ignored })
	return sealed, nil
}

// check decides whether the sealed generation may go live.
func (r *run) check(ctx context.Context, misused func() error, sealed Sealed) error {
	job := r.record.now()
	if err := r.cfg.gate(&job.Report, sealed); err != nil {
		return err
	}
	if err := misused(); err != nil {
		return err
	}
	return r.record.holdLease(ctx)
}

// unknownError is an error of a switch-over that may have been applied.
type unknownError struct{ error }

func (e unknownError) Unwrap() error { return e.error }

// commit makes the generation live, unless this is a dry run. Once it has begun, the end of ctx stops it only after
// CleanupTimeout: a switch-over cut off in the middle would leave it unknown which index is live.
func (r *run) commit(ctx context.Context, gen Generation, edits *editing) error {
	if r.record.now().Options.DryRun {
		return nil // who has begun the generation discards it if it is not live
	}
	if ctx.Err() != nil {
		return inPhase(PhaseCommit, context.Cause(ctx))
	}
	commitCtx, cancel := lingering(ctx, r.cfg.CleanupTimeout)
	defer cancel()
	return r.phase(commitCtx, PhaseCommit, func(ctx context.Context) error {
		return edits.switchOver(ctx, func(ctx context.Context) error { return r.publish(ctx, gen) })
	})
}

// publish makes the generation live. An [unknownError] may have been applied.
func (r *run) publish(ctx context.Context, gen Generation) error {
	known := true
	err := r.cfg.Retry.Do(ctx, func() error {
		err := contain(func() error { return gen.Commit(ctx) })
		known = err == nil || errors.Is(err, ErrFenced) || errors.As(err, new(*TemporaryError))
		return err
	})
	if err != nil && !known {
		return unknownError{err}
	}
	return err
}

// abort discards the generation unless it is live. It has a context of its own: it runs also, and above all, when ctx
// has ended.
func (r *run) abort(ctx context.Context, gen Generation) {
	if gen == nil {
		return
	}
	end := gen.Abort
	if r.handsOver(ctx) && !r.record.now().Options.Rollback { // Abort of a rollback leaves what the next process needs
		leaver, ok := As[Leaver](gen)
		if !ok {
			return
		}
		end = leaver.Leave
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.CleanupTimeout)
	defer cancel()
	if err := r.phase(ctx, PhaseAbort, end); err != nil {
		r.record.log.WarnContext(ctx, "discarding the generation failed, a later run removes it", "generation", nameOf(gen),
			"error", err)
	}
}

// nameOf returns the name of a generation, whatever its methods do.
func nameOf(gen Generation) (name string) {
	_ = guard(func() error { name = gen.Name(); return nil })
	return name
}

// explain makes the error that the caller sees out of the one that ended the run.
func (r *run) explain(ctx context.Context, err error) *RunError {
	phase := PhaseOpen
	if p, ok := errors.AsType[*phaseError](err); ok {
		phase, err = p.phase, p.err
	}
	_, unknown := errors.AsType[unknownError](err)
	cause := context.Cause(ctx)
	if cause != nil && !errors.Is(err, cause) {
		if errors.Is(err, ctx.Err()) {
			err = cause // the run was stopped; how its parts put that does not matter
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

// lingering returns a context that ends a while after ctx does.
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
