package reindex

import (
	"errors"
	"fmt"
)

// Options are what the caller of one run asks of it; see Engine.StartWith and Engine.RunWith. The zero value is what
// Start and Run ask for.
type Options struct {
	// DryRun does everything but make the new index live: the source is read, and a generation is filled, sealed and
	// checked; then it is discarded. The job ends as [StatusSuccess] if the generation might have gone live.
	DryRun bool
	// Difference compares the new generation with the live index once it is sealed; Report.Difference is the outcome. Both
	// are read, which takes time, and 12 bytes of memory per product that is live. It needs an index that is a
	// [LiveScanner].
	Difference bool
	// Rollback makes a generation live again that was live before, in the place of a new one; see Engine.Rollback. It
	// needs an index that is a [Rollbacker].
	Rollback bool
	// Generation is the name of the generation to go back to, as Engine.Generations lists it. Empty, it stands for the one
	// that was replaced last; the job shows the name once it is known. It is for a Rollback alone.
	Generation string
}

// covers reports whether a run with these options does all that another one is asked for.
func (o Options) covers(asked Options) bool {
	return o.DryRun == asked.DryRun && (o.Difference || !asked.Difference) &&
		o.Rollback == asked.Rollback && (asked.Generation == "" || o.Generation == asked.Generation)
}

// verb names the run.
func (o Options) verb() string {
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

// String names the run, with its details.
func (o Options) String() string {
	text := o.verb()
	if o.Generation != "" {
		text += " to " + o.Generation
	}
	if o.Difference {
		text += " with a difference"
	}
	return text
}

// joined returns the reason why a run that is asked for cannot join a job in progress: it does something else.
func (o Options) joined(job Job) error {
	if job.Options.covers(o) {
		return nil
	}
	return fmt.Errorf("tenant %s, job %s, which is a %v, is in progress and a %v was asked for: %w",
		job.Tenant, job.ID, job.Options, o, ErrRunning)
}

// check returns the reason why a run with these options is not possible with an index.
func (o Options) check(tenant string, ix Indexer) error {
	if _, ok := As[LiveScanner](ix); o.Difference && !ok {
		return fmt.Errorf("tenant %s: a difference was asked for, and the index cannot read back what it holds: %w",
			tenant, errors.ErrUnsupported)
	}
	if _, ok := As[Rollbacker](ix); o.Rollback && !ok {
		return fmt.Errorf("tenant %s: the index keeps no generations to go back to: %w", tenant, errors.ErrUnsupported)
	}
	if o.Generation != "" && !o.Rollback {
		return fmt.Errorf("tenant %s: a generation was named for a %s, which makes a new one: %w",
			tenant, o.verb(), errors.ErrUnsupported)
	}
	return nil
}
