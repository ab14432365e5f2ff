package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"productindex/reindex"
)

// runArgs are the arguments of the River job of a run. A worker takes the job over if its fencing token is still Fence;
// otherwise another worker has taken it over.
type runArgs struct {
	Tenant string `json:"tenant"`
	Job    string `json:"job"`
	Fence  int64  `json:"fence"`
	// Instead is the River job that this one replaces, or 0. Its worker died before it took the job over, and River would
	// rescue it only after the timeout of a part.
	Instead int64 `json:"instead,omitempty"`
}

// Kind implements [river.JobArgs].
func (runArgs) Kind() string { return "reindex_run" }

// runTimeout is the time after which River gives up on the job of a run. It does not end the run: its lease decides
// which process supervises it.
const runTimeout = 24 * time.Hour

// runWorker supervises runs.
type runWorker struct {
	river.WorkerDefaults[runArgs]

	fleet *Fleet
}

// Timeout implements [river.Worker].
func (w *runWorker) Timeout(*river.Job[runArgs]) time.Duration { return runTimeout }

// Work implements [river.Worker]. It takes a job over and supervises its run to the end. The result of the run is
// stored in the job.
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
	// A run outlives River's context: it ends with the fleet's Shutdown, with its lease, or if it is cancelled.
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), river.ErrJobCancelledRemotely) {
			_ = f.engine.Cancel(context.WithoutCancel(ctx), job.Tenant, job.ID) // an error means that the job has ended
		}
	})
	defer stop()
	ctx = context.WithoutCancel(ctx)
	_, err = f.engine.Resume(ctx, job, generation)
	if errors.Is(err, reindex.ErrShutdown) {
		return f.enqueueRun(ctx, job) // another process continues at once
	}
	if errors.Is(err, reindex.ErrLeaseLost) {
		return nil // another process has taken the job over
	}
	// Nobody needs the rows of an ended job. If this fails, the tenant's next run removes them.
	_, err = f.pool.Exec(ctx, "DELETE FROM reindex_fleet_runs WHERE job = $1 AND fence <= $2", job.ID, job.Fence)
	return err
}

// sweepLimit is the largest number of jobs that one sweep enqueues.
const sweepLimit = 100

// sweep enqueues jobs that no process supervises, until ctx ends: the process of such a job has died, or enqueuing the
// job has failed.
func (f *Fleet) sweep(ctx context.Context) {
	ticker := time.NewTicker(f.cfg.Lease / 2) //nolint:mnd // an expired lease is found within half a lease
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		left, err := f.store.Left(ctx, f.EntityType(), f.cfg.Lease, sweepLimit)
		if err != nil && ctx.Err() == nil {
			f.log.WarnContext(ctx, "looking for runs whose process has died failed; they will be looked for again", "error", err)
		}
		for _, job := range left {
			if err := f.enqueueRun(ctx, job); err != nil {
				f.log.WarnContext(ctx, "enqueuing a run whose process has died failed; it will be tried again",
					"tenant", job.Tenant, "job", job.ID, "error", err)
			}
		}
	}
}
