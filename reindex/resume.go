package reindex

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// Create stores a pending job of the tenant without running it. A process that shares the [JobStore] runs it with
// Resume. If the tenant has a job in progress already, created is false and job is that job.
//
// Errors are those of StartWith.
func (e *Engine) Create(ctx context.Context, tenant string, options Options) (job Job, created bool, err error) {
	if err := CheckTenant(tenant); err != nil {
		return Job{}, false, err
	}
	if err := options.check(tenant, e.ix); err != nil {
		return Job{}, false, err
	}
	r := e.newRun(tenant, options)
	r.cancel = func(error) {}
	if err := e.register(r); err != nil {
		return Job{}, false, err
	}
	defer e.release(r)
	job, created, err = r.record.create(ctx)
	if err != nil || created {
		return job, created, err
	}
	return job, false, options.joined(job)
}

// Resume runs an existing job: one that Create has stored, or one whose process has died. The caller has taken the job
// over in the store, with a new fencing token, so that the former process can neither store nor publish anything more.
// The argument generation is the name of the generation that the former process was loading, or empty. Resume continues
// that generation if the index is a [Resumer]. The job's counters go on from their last values.
//
// Like Run, Resume returns when the job has ended, and the run ends when ctx does.
func (e *Engine) Resume(ctx context.Context, job Job, generation string) (Report, error) {
	r := e.newRun(job.Tenant, job.Options)
	r.record = newRecord(&e.cfg, job)
	r.record.started = job.Created
	r.resumes = generation
	r.checked = job.Phase == PhaseCatchUp || job.Phase == PhaseCommit
	ctx, r.cancel = context.WithCancelCause(ctx)
	if err := e.register(r); err != nil {
		r.cancel(err)
		return Report{}, err
	}
	if job.Fence > 0 {
		ctx = WithFence(ctx, job.Fence)
	}
	if f := e.cfg.Trace.JobStarted; f != nil {
		before := ctx
		ctx = e.cfg.starts(ctx, func() context.Context { return f(before, job) })
	}
	r.turn = e.turns.enter()
	return e.execute(ctx, r)
}

// reopen continues the generation that a dead run has left. It returns nil if there is none to continue.
func (r *run) reopen(ctx context.Context) (gen Generation, err error) {
	name := r.resumes
	if r.resumes = ""; name == "" {
		return nil, nil //nolint:nilnil // having nothing to continue is not an error
	}
	resumer, ok := As[Resumer](r.ix)
	if !ok {
		return nil, nil //nolint:nilnil // as above
	}
	err = r.phase(ctx, PhaseBegin, func(ctx context.Context) (err error) {
		gen, err = retried(ctx, r.cfg.Retry, func(ctx context.Context) (Generation, error) {
			return resumer.Resume(ctx, r.tenant, name)
		})
		return err
	})
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, ErrNoGeneration) {
		r.record.log.InfoContext(ctx, "the generation of the dead run cannot be continued; beginning again", "generation",
			name, "reason", sound(err))
		return nil, nil //nolint:nilnil // as above
	}
	return gen, err
}

// handsOver reports whether a run that was stopped leaves its generation and its job to another process.
func (r *run) handsOver(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return r.cfg.Loader != nil && (errors.Is(cause, ErrShutdown) || errors.Is(cause, ErrLeaseLost))
}

// buildElsewhere is build for products that other processes load. No process knows the ids of all products, so the
// number of products is compared before changes are replayed.
func (r *run) buildElsewhere(ctx context.Context, feed *feed, gen Generation, load Load) error {
	if err := r.phase(ctx, PhaseLoad, func(ctx context.Context) error { return r.loadElsewhere(ctx, load) }); err != nil {
		return err
	}
	r.stopIf(r.record.enter(ctx, StatusPublished))
	t := newTally(r.cfg, r.record)
	if err := r.flush(ctx, gen, t); err != nil {
		return err
	}
	sealed, err := r.seal(ctx, gen)
	if err != nil {
		return err
	}
	err = r.phase(ctx, PhaseCheck, func(ctx context.Context) error {
		if r.checked {
			return nil // counted before changes were replayed
		}
		if err := r.checkElsewhere(ctx, sealed, load); err != nil {
			return err
		}
		if err := r.compare(ctx, gen, feed, sealed); err != nil {
			return err
		}
		return r.checks(ctx, gen, sealed)
	})
	if err != nil {
		return err
	}
	edits := newEditing(feed, gen, t)
	edits.uncounted = true
	err = r.phase(ctx, PhaseCatchUp, func(ctx context.Context) error {
		if err := r.record.holdLease(ctx); err != nil { // a process that takes the run over has to know that it was checked
			return err
		}
		return edits.approach(ctx)
	})
	if err != nil {
		return err
	}
	if err := r.commit(ctx, gen, edits); err != nil {
		return err
	}
	r.countEdits(ctx, edits, load)
	return nil
}

// loadElsewhere has the parts loaded by other processes.
func (r *run) loadElsewhere(ctx context.Context, load Load) error {
	load.Job = r.record.now()
	load.Report = r.total
	sum, err := r.cfg.Loader.Load(ctx, load)
	if err != nil || r.checked { // the job has the numbers that were checked
		return err
	}
	return r.total(sum)
}

// total replaces the numbers of the report with the sums of all parts. The numbers do not decrease while a lost part is
// read again.
func (r *run) total(sum Report) error {
	job := r.record.change(func(j *Job) {
		to := &j.Report
		to.Read, to.Indexed, to.Rejected = sum.Read, sum.Indexed, sum.Rejected
		to.Duplicates, to.Conflicts = sum.Duplicates, sum.Conflicts
		to.Bytes, to.Batches, to.Retries = sum.Bytes, sum.Batches, sum.Retries
		to.Rejections, to.DuplicateIDs = sum.Rejections, sum.DuplicateIDs
	})
	if len(job.Report.Rejections) < r.cfg.ReportItems {
		return nil
	}
	return r.cfg.checkRejected(job.Report.Rejected)
}

// checkElsewhere is check for products that other processes have loaded. It looks for products that came in more than
// one part only if the numbers differ, since no process knows all ids.
func (r *run) checkElsewhere(ctx context.Context, sealed Sealed, load Load) error {
	misused := func() error { return nil } // each part checks that itself
	err := r.check(ctx, misused, sealed)
	gate, ok := errors.AsType[*GateError](err)
	if !ok || gate.Rule != RuleAccounting {
		return err
	}
	load.Job = r.record.now()
	var found Overlap
	failed := contain(func() (err error) {
		found, err = r.cfg.Loader.Overlap(ctx, load)
		return err
	})
	if failed != nil {
		r.record.log.WarnContext(ctx, "looking for products in more than one part failed", "error", failed)
	}
	if failed != nil || found.Duplicates == 0 {
		return err
	}
	report := r.record.change(func(j *Job) {
		j.Report.Indexed -= found.Duplicates
		j.Report.Duplicates += found.Duplicates
		j.Report.Conflicts += found.Conflicts
		room := max(0, r.cfg.ReportItems-len(j.Report.DuplicateIDs))
		j.Report.DuplicateIDs = append(slices.Clip(j.Report.DuplicateIDs), found.IDs[:min(room, len(found.IDs))]...)
	}).Report
	if err := r.cfg.checkDuplicates(&report, sealed); err != nil {
		return err
	}
	if found.Conflicts > 0 {
		return errOverlap
	}
	return r.check(ctx, misused, sealed)
}

// countEdits counts the products that the changes added and removed, once the generation is live. It compares their ids
// with the hashes of the parts.
func (r *run) countEdits(ctx context.Context, edits *editing, load Load) {
	if len(edits.present) == 0 || r.record.now().Options.DryRun {
		return
	}
	load.Job = r.record.now()
	var held map[string]bool
	err := contain(func() (err error) {
		held, err = r.cfg.Loader.Holds(ctx, load, slices.Collect(maps.Keys(edits.present)))
		return err
	})
	if err != nil {
		r.record.log.WarnContext(ctx, "it is not known how many products the changes have added and removed", "error", err)
		return
	}
	r.record.change(func(j *Job) {
		for id, is := range edits.present {
			switch {
			case is && !held[id]:
				j.Report.Added++
			case !is && held[id]:
				j.Report.Removed++
			}
		}
	})
}
