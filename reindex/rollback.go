package reindex

import (
	"context"
	"errors"
	"fmt"
)

// Rollback makes the generation that was replaced last live again, as RunWith does with Options.Rollback. A second call
// goes forward again. RunWith and StartWith can also go back to a generation by its name, as a dry run, or with the
// difference from the live index.
//
// A rollback is a run: it has a job, waits for its turn, and is the only run of the tenant. When the generation goes
// live, it has every change that Update has accepted, whichever generation was live at the time. If the log no longer
// has these changes, the rollback fails with [RuleCurrent] and nothing changes. Neither Config.Checks nor the other
// rules of the gate are applied: the generation passed them before it first went live, and rules that were made for
// newer products must not prevent a rollback.
//
// Errors are those of RunWith. The error matches [errors.ErrUnsupported] if the index is not a [Rollbacker],
// [ErrNoPrevious] if no generation is kept, and [ErrDamaged] if the kept generation is damaged. A rollback by name to
// the live generation succeeds and changes nothing. A rollback can be repeated after an unknown outcome: if the first
// call made its generation live, the second one succeeds and changes nothing.
func (e *Engine) Rollback(ctx context.Context, tenant string) (Report, error) {
	return e.RunWith(ctx, tenant, Options{Rollback: true})
}

// Generations returns the generations of the tenant: the live one, if there is one, and then the kept ones, the most
// recently replaced first. The error matches [ErrTenant], or [errors.ErrUnsupported] if the index is not a
// [Rollbacker].
func (e *Engine) Generations(ctx context.Context, tenant string) ([]GenerationInfo, error) {
	if err := CheckTenant(tenant); err != nil {
		return nil, err
	}
	if err := (Options{Rollback: true}).check(tenant, e.ix); err != nil {
		return nil, err
	}
	infos, err := e.streams.generations(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("tenant %s: listing the generations: %w", tenant, err)
	}
	jobs, _, err := e.cfg.Jobs.List(ctx, tenant, JobQuery{Match: func(j Job) bool {
		return j.EntityType == e.cfg.EntityType && j.Generation != "" && !j.Options.Rollback
	}})
	if err != nil {
		return nil, err
	}
	made := map[string]string{}
	for _, j := range jobs {
		made[j.Generation] = j.ID
	}
	for i := range infos {
		infos[i].Job = made[infos[i].Name]
	}
	return infos, nil
}

// rollBack carries out a rollback whose turn has come, except for its record.
func (r *run) rollBack(ctx context.Context) error {
	gen, err := r.openKept(ctx)
	if errors.Is(err, ErrCommitted) {
		r.record.log.InfoContext(ctx, "the generation to go back to is live already")
		return nil
	}
	if err != nil {
		return err
	}
	defer r.abort(ctx, gen)
	var feed *feed
	err = r.phase(ctx, PhaseCatchUp, func(ctx context.Context) (err error) {
		feed, err = r.followKept(ctx, nameOf(gen))
		return err
	})
	if err != nil {
		return err
	}
	defer func() { feed.end(false) }()
	edits := newEditing(feed, gen, newTally(r.cfg, r.record))
	edits.uncounted = true
	if err := r.phase(ctx, PhaseCatchUp, edits.catchUp); err != nil {
		return err
	}
	sealed, err := r.seal(ctx, gen)
	if err != nil {
		return err
	}
	err = r.phase(ctx, PhaseCheck, func(ctx context.Context) error {
		if err := r.record.holdLease(ctx); err != nil {
			return err
		}
		return r.compare(ctx, gen, feed, sealed)
	})
	if err != nil {
		return err
	}
	r.stopIf(r.record.enter(ctx, StatusPublished))
	if err := r.phase(ctx, PhaseCatchUp, edits.approach); err != nil {
		return err
	}
	return r.commit(ctx, gen, edits)
}

// openKept opens the generation to go back to, and stores its name, so that a repeated run goes back to the same one.
func (r *run) openKept(ctx context.Context) (gen Generation, err error) {
	rollbacker, ok := As[Rollbacker](r.ix)
	if !ok {
		return nil, inPhase(PhaseBegin, errors.ErrUnsupported)
	}
	err = r.phase(ctx, PhaseBegin, func(ctx context.Context) error {
		name, err := r.repeated(ctx)
		if err != nil {
			return err
		}
		return r.cfg.Retry.Do(ctx, func() (err error) {
			gen, err = rollbacker.Rollback(ctx, r.tenant, name)
			return err
		})
	})
	if err == nil {
		r.streams.releaseKept(ctx, r.tenant)
		r.record.change(func(j *Job) { j.Generation = nameOf(gen); j.Options.Generation = j.Generation })
	}
	return gen, err
}

// repeated returns the name of the requested generation. If no name was given, and the last job of the tenant is a
// rollback that failed after it had made its generation live, it returns the name of that generation.
func (r *run) repeated(ctx context.Context) (name string, err error) {
	job := r.record.now()
	if job.Options.Generation != "" {
		return job.Options.Generation, nil
	}
	var before []Job
	err = r.cfg.Retry.Do(ctx, func() error {
		return contain(func() (err error) {
			before, _, err = r.cfg.Jobs.List(ctx, r.tenant, JobQuery{Limit: 1, Match: func(j Job) bool {
				return j.ID != job.ID && j.EntityType == job.EntityType
			}})
			return err
		})
	})
	if err != nil {
		return "", fmt.Errorf("reading the previous job: %w", err)
	}
	if len(before) == 0 || before[0].Status != StatusFailure || !before[0].Options.Rollback {
		return "", nil
	}
	infos, err := r.streams.generations(ctx, r.tenant)
	if err != nil || len(infos) == 0 || !infos[0].Live || infos[0].Name != before[0].Generation {
		return "", err
	}
	return before[0].Generation, nil
}

// followKept begins to keep the changes that a kept generation lacks.
func (r *run) followKept(ctx context.Context, generation string) (*feed, error) {
	position, err := r.streams.lackedFrom(ctx, r.tenant, generation)
	if err != nil {
		return nil, err
	}
	feed, err := r.streams.follow(ctx, r.tenant, r.record.info().ID, position)
	if errors.Is(err, ErrChangesLost) {
		return nil, &GateError{RuleCurrent, 0, 0, fmt.Sprintf(
			"the log no longer keeps all changes since %s was replaced: going back would undo some of them; "+
				"reindex the tenant", generation)}
	}
	return feed, err
}
