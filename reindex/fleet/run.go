package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"productindex/reindex"
)

// runArgs name a job that a worker is to take over while it has this fencing token. Once it has another one, somebody
// has taken it over.
type runArgs struct {
	Tenant string `json:"tenant"`
	Job    string `json:"job"`
	Fence  int64  `json:"fence"`
}

// Kind is River's name of these jobs.
func (runArgs) Kind() string { return "reindex_run" }

// runTimeout is after which time River takes a run that its worker has not completed for a dead one's. It does no harm
// to a living one: who looks after a run is not River's to decide.
const runTimeout = 24 * time.Hour

// runWorker looks after runs.
type runWorker struct {
	river.WorkerDefaults[runArgs]

	fleet *Fleet
}

// Timeout implements [river.Worker].
func (w *runWorker) Timeout(*river.Job[runArgs]) time.Duration { return runTimeout }

// Work takes a job over and runs it to its end, which is in the job.
func (w *runWorker) Work(ctx context.Context, r *river.Job[runArgs]) error {
	f, args := w.fleet, r.Args
	job, taken, err := f.store.TakeOver(ctx, args.Tenant, args.Job, args.Fence)
	if err != nil || !taken {
		return err
	}
	var generation string
	err = f.pool.QueryRow(ctx, "SELECT generation FROM reindex_fleet_runs WHERE job = $1", job.ID).Scan(&generation)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return errors.Join(err, f.enqueueRun(context.WithoutCancel(ctx), job))
	}
	// A run outlives River's context: what ends it is the fleet's Shutdown, its lease, or somebody who cancels it.
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), river.ErrJobCancelledRemotely) {
			_ = f.engine.Cancel(context.WithoutCancel(ctx), job.Tenant, job.ID) // it has ended, then
		}
	})
	defer stop()
	ctx = context.WithoutCancel(ctx)
	_, err = f.engine.Resume(ctx, job, generation)
	if errors.Is(err, reindex.ErrShutdown) {
		return f.enqueueRun(ctx, job) // another process goes on at once
	}
	if errors.Is(err, reindex.ErrLeaseLost) {
		return nil // another process has it
	}
	// The rows of a job that is over are of no use; if they stay, the tenant's next run removes them.
	_, err = f.pool.Exec(ctx, "DELETE FROM reindex_fleet_runs WHERE job = $1 AND fence <= $2", job.ID, job.Fence)
	return err
}

// sweepLimit is how many jobs that nobody runs are put back into the queue at once.
const sweepLimit = 100

// sweep puts jobs back into the queue that nobody runs, until ctx ends: their process has died, or they never got
// there.
func (f *Fleet) sweep(ctx context.Context) {
	ticker := time.NewTicker(f.cfg.Lease / 2) //nolint:mnd // so that a dead run is found within half a lease more
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		left, err := f.store.Left(ctx, f.EntityType(), f.cfg.Lease, sweepLimit)
		if err != nil && ctx.Err() == nil {
			f.log.WarnContext(ctx, "looking for runs of processes that died failed", "error", err)
		}
		for _, job := range left {
			if err := f.enqueueRun(ctx, job); err != nil {
				f.log.WarnContext(ctx, "a run of a process that died could not be put into the queue",
					"tenant", job.Tenant, "job", job.ID, "error", err)
			}
		}
	}
}
