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
}

// covers reports whether a run with these options does what is asked of another one.
func (o Options) covers(asked Options) bool {
	return o.DryRun == asked.DryRun && (o.Difference || !asked.Difference)
}

// verb names what is done.
func (o Options) verb() string {
	if o.DryRun {
		return "dry run"
	}
	return "reindex"
}

// String names what is done, and what is asked beyond that.
func (o Options) String() string {
	if o.Difference {
		return o.verb() + " with a difference"
	}
	return o.verb()
}

// joined returns why a run that is asked for cannot join a job in progress: it does something else.
func (o Options) joined(job Job) error {
	if job.Options.covers(o) {
		return nil
	}
	return fmt.Errorf("tenant %s, job %s, which is a %v, is in progress and a %v was asked for: %w", job.Tenant, job.ID, job.Options, o, ErrRunning)
}

// check returns why an index cannot do what is asked.
func (o Options) check(tenant string, ix Indexer) error {
	if _, ok := As[LiveScanner](ix); o.Difference && !ok {
		return fmt.Errorf("tenant %s: a difference was asked for, and the index cannot read back what it holds: %w", tenant, errors.ErrUnsupported)
	}
	return nil
}
