package reindex

import "fmt"

// Options are what the caller of one run asks of it; see Engine.StartWith and Engine.RunWith. The zero value is what
// Start and Run ask for.
type Options struct {
	// DryRun does everything but make the new index live: the source is read, and a generation is filled, sealed and
	// checked; then it is discarded. The job ends as [StatusSuccess] if the generation might have gone live.
	DryRun bool
}

// covers reports whether a run with these options does what is asked of another one.
func (o Options) covers(asked Options) bool { return o.DryRun == asked.DryRun }

// String names what is done.
func (o Options) String() string {
	if o.DryRun {
		return "dry run"
	}
	return "reindex"
}

// joined returns why a run that is asked for cannot join a job in progress: it does something else.
func (o Options) joined(job Job) error {
	if job.Options.covers(o) {
		return nil
	}
	return fmt.Errorf("tenant %s, job %s, which is a %v, is in progress and a %v was asked for: %w", job.Tenant, job.ID, job.Options, o, ErrRunning)
}
