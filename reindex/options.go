package reindex

import (
	"errors"
	"fmt"
)

// Options select the kind of a run; see Engine.StartWith and Engine.RunWith. The zero value is a reindex, as with Start
// and Run.
type Options struct {
	// DryRun does everything except making the new index live: the source is read, a generation is filled, sealed and
	// checked, and then discarded. The job ends with [StatusSuccess] if the generation could have gone live.
	DryRun bool
	// Difference compares the new generation with the live index once it is sealed; the result is in Report.Difference.
	// Reading both takes time, and 12 bytes of memory per live product. The index must be a [LiveScanner].
	Difference bool
	// Rollback makes a kept generation live again instead of building a new one; see Engine.Rollback. The index must be a
	// [Rollbacker].
	Rollback bool
	// Generation is the name of the generation to go back to, as Engine.Generations lists it. If it is empty, the run goes
	// back to the generation that was replaced last, and the job shows its name once it is known. It must be empty unless
	// Rollback is set.
	Generation string
}

// covers reports whether a run with these options does everything that asked requires.
func (o Options) covers(asked Options) bool {
	return o.DryRun == asked.DryRun && (o.Difference || !asked.Difference) &&
		o.Rollback == asked.Rollback && (asked.Generation == "" || o.Generation == asked.Generation)
}

// noun returns the noun for a run with these options.
func (o Options) noun() string {
	switch {
	case o.DryRun && o.Rollback:
		return "dry run of a rollback"
	case o.DryRun:
		return "dry run"
	case o.Rollback:
		return "rollback"
	}
	return "reindex"
}

// String returns the kind of run, with its details.
func (o Options) String() string {
	text := o.noun()
	if o.Generation != "" {
		text += " to " + o.Generation
	}
	if o.Difference {
		text += " with a difference"
	}
	return text
}

// joined returns an error if a run with these options cannot join a job in progress, since that job does something
// else.
func (o Options) joined(job Job) error {
	if job.Options.covers(o) {
		return nil
	}
	return fmt.Errorf("tenant %s: job %s, a %v, is in progress, but a %v was requested: %w",
		job.Tenant, job.ID, job.Options, o, ErrRunning)
}

// check returns an error if a run with these options is not possible with an index.
func (o Options) check(tenant string, ix Indexer) error {
	if _, ok := As[LiveScanner](ix); o.Difference && !ok {
		return fmt.Errorf("tenant %s: a difference was requested, but the index cannot read its products back: %w",
			tenant, errors.ErrUnsupported)
	}
	if _, ok := As[Rollbacker](ix); o.Rollback && !ok {
		return fmt.Errorf("tenant %s: the index keeps no generations to go back to: %w", tenant, errors.ErrUnsupported)
	}
	if o.Generation != "" && !o.Rollback {
		return fmt.Errorf("tenant %s: a generation was named for a %s, which makes a new one: %w",
			tenant, o.noun(), errors.ErrUnsupported)
	}
	return nil
}
