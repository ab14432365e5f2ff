package reindex

import (
	"context"
	"errors"
)

// begin removes the leftovers of dead runs and opens a generation.
func (r *run) begin(ctx context.Context) (gen Generation, err error) {
	err = r.phase(ctx, PhaseBegin, func(ctx context.Context) (err error) {
		r.reap(ctx)
		gen, err = retried(ctx, r.cfg.Retry, func(ctx context.Context) (Generation, error) {
			return r.ix.Begin(ctx, r.tenant)
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

// flush waits for the writes to land, and counts products that the index refused late as rejected instead of indexed.
func (r *run) flush(ctx context.Context, gen Generation, t *tally) error {
	return r.phase(ctx, PhaseSeal, func(ctx context.Context) error {
		late, err := retried(ctx, r.cfg.Retry, gen.Flush)
		if err != nil {
			return err
		}
		return t.refusedLate(late)
	})
}

// seal makes the generation durable and counts it.
func (r *run) seal(ctx context.Context, gen Generation) (sealed Sealed, err error) {
	err = r.phase(ctx, PhaseSeal, func(ctx context.Context) (err error) {
		sealed, err = retried(ctx, r.cfg.Retry, gen.Seal)
		return err
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

// unknownError is the error of a switch-over that may have been applied.
type unknownError struct{ error }

func (e unknownError) Unwrap() error { return e.error }

// commit makes the generation live, unless this is a dry run. Once it has begun, the end of ctx stops it only after
// CleanupTimeout, since after a switch-over that was cut off it is not known which index is live.
func (r *run) commit(ctx context.Context, gen Generation, edits *editing) error {
	if r.record.now().Options.DryRun {
		return nil // the caller of begin discards the generation
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

// publish makes the generation live. After an [unknownError] the generation may be live.
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

// abort discards the generation unless it is live. It uses a context of its own, since ctx has often ended by then.
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
		r.record.log.WarnContext(ctx, "discarding the generation failed; a later run removes it", "generation", nameOf(gen),
			"error", err)
	}
}

// nameOf returns the name of a generation. It survives a panic of the method.
func nameOf(gen Generation) (name string) {
	_ = guard(func() error { name = gen.Name(); return nil })
	return name
}
