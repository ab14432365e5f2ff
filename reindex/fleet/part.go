package fleet

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"productindex/reindex"
)

// partArgs name a part of a run.
type partArgs struct {
	Tenant     string `json:"tenant"`
	Job        string `json:"job"`
	Generation string `json:"generation"`
	Part       int    `json:"part"`
}

// Kind is River's name of these jobs.
func (partArgs) Kind() string { return "reindex_part" }

const (
	// busyDelay is how often a part that waits looks whether the index has enough to do still.
	busyDelay = 100 * time.Millisecond
	// fencedDelay is how long a part waits if it has met the fence of a run that is being taken over.
	fencedDelay = 200 * time.Millisecond
	// maxRetryDelay is the longest wait between two tries of a part.
	maxRetryDelay = time.Minute
)

// partWorker loads parts.
type partWorker struct {
	river.WorkerDefaults[partArgs]

	fleet *Fleet
}

// Timeout implements [river.Worker].
func (w *partWorker) Timeout(*river.Job[partArgs]) time.Duration { return w.fleet.cfg.PartTimeout }

// NextRetry implements [river.Worker].
func (w *partWorker) NextRetry(job *river.Job[partArgs]) time.Time {
	delay := w.fleet.cfg.RetryDelay
	for range len(job.Errors) {
		delay = min(2*delay, maxRetryDelay) //nolint:mnd // twice as long each time
	}
	return time.Now().Add(delay)
}

// Work loads a part, unless somebody else does or has. Nothing becomes of what nobody asks for any more.
func (w *partWorker) Work(ctx context.Context, r *river.Job[partArgs]) error {
	t := &try{fleet: w.fleet, args: r.Args, owner: rand.Text()}
	if claimed, err := t.await(ctx); err != nil || !claimed {
		return err
	}
	report, err := t.load(ctx)
	switch {
	case t.lost.Err() != nil:
		return nil //nolint:nilerr // another process has the part, or the run is over
	case err == nil:
		return t.complete(ctx, r, report)
	case errors.Is(context.Cause(ctx), river.ErrJobCancelledRemotely):
		return t.fail(ctx, errors.New(cancelledInRiver), true)
	case errors.Is(context.Cause(ctx), context.Canceled):
		return errors.Join(err, t.giveBack(ctx)) // the process shuts down
	case errors.Is(err, reindex.ErrFenced):
		if err := t.giveBack(ctx); err != nil {
			return err
		}
		return river.JobSnooze(fencedDelay)
	}
	return t.fail(ctx, err, false)
}

// try is one try of a part.
type try struct {
	fleet *Fleet
	args  partArgs
	owner string

	name     string // of the source's part
	fence    int64
	attempts int
	lost     context.Context //nolint:containedctx // it has ended once the part is not this try's any more

	mu     sync.Mutex
	report reindex.Report // so far
}

// await makes the part this try's, if it is nobody's. It waits for as long as the index has enough to do: there is
// nothing better to do for this process, and whoever went to the end of the queue would be overtaken. Of all parts that
// wait, in all processes, the one of the smallest catalogue comes next.
func (t *try) await(ctx context.Context) (claimed bool, err error) {
	ticker := time.NewTicker(busyDelay)
	defer ticker.Stop()
	for {
		claimed, busy, err := t.claim(ctx)
		if err != nil || !busy {
			return claimed, err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// ahead counts the parts of the queue that are loaded, and those that wait for the index and come before this one: by
// the priority of their run, then by how long they have waited.
const ahead = `WITH me AS (SELECT r.priority, coalesce(p.waits, clock_timestamp()) AS waits, p.job, p.part
		FROM reindex_fleet_parts p JOIN reindex_fleet_runs r ON r.job = p.job WHERE p.job = $1 AND p.part = $2)
	SELECT count(*) FROM reindex_fleet_parts p JOIN reindex_fleet_runs r ON r.job = p.job, me
	WHERE p.queue = $3 AND p.state = 1 AND (p.owner <> '' AND p.lease_end >= clock_timestamp()
		OR p.owner = '' AND p.waits IS NOT NULL AND p.seen >= clock_timestamp() - $4::interval
		AND (r.priority, p.waits, p.job, p.part) < (me.priority, me.waits, me.job, me.part))`

// awaiting is for how long a part that waits keeps others behind it from its last look on: its process may have died.
const awaiting = 10 * busyDelay

// claim makes the part this try's, if it is nobody's. It reports busy if the index has enough to do.
func (t *try) claim(ctx context.Context) (claimed, busy bool, err error) {
	f := t.fleet
	err = pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error {
		var n int64
		if limit := f.partsInFlight(); limit > 0 {
			if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext($1))", f.queues.parts); err != nil {
				return err
			}
			err := tx.QueryRow(ctx, ahead, t.args.Job, t.args.Part, f.queues.parts, awaiting).Scan(&n)
			if err != nil {
				return err
			}
			busy = n >= limit
			if busy {
				return t.see(ctx, tx)
			}
		}
		err := tx.QueryRow(ctx, `UPDATE reindex_fleet_parts p
			SET owner = $4, lease_end = clock_timestamp() + $5, waits = NULL, attempts = attempts + 1 FROM reindex_fleet_runs r
			WHERE r.job = p.job AND p.job = $1 AND p.part = $2 AND r.generation = $3 AND p.state = $6
			AND (p.owner = '' OR p.lease_end < clock_timestamp()) RETURNING p.name, p.attempts, r.fence`,
			t.args.Job, t.args.Part, t.args.Generation, t.owner, f.cfg.Lease, partQueued,
		).Scan(&t.name, &t.attempts, &t.fence)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		claimed = err == nil
		return err
	})
	if err != nil {
		return false, false, fmt.Errorf("claiming part %d of job %s: %w", t.args.Part, t.args.Job, err)
	}
	return claimed, busy, nil
}

// see shows that a process has the part in hand, which waits for the index.
func (t *try) see(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `UPDATE reindex_fleet_parts
		SET seen = clock_timestamp(), waits = coalesce(waits, clock_timestamp())
		WHERE job = $1 AND part = $2 AND owner = ''`, t.args.Job, t.args.Part)
	return err
}

// partsInFlight is the number of parts that may be loaded at the same time, by all processes; 0: any number.
func (f *Fleet) partsInFlight() int64 {
	if f.cfg.BytesInFlight == 0 {
		return 0
	}
	return max(1, f.cfg.BytesInFlight/int64(max(1, f.engine.PartBytes())))
}

// load loads the part, and shows that this process is alive meanwhile.
func (t *try) load(ctx context.Context) (reindex.PartReport, error) {
	lost, lose := context.WithCancel(context.WithoutCancel(ctx))
	t.lost = lost
	loading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	context.AfterFunc(lost, func() { stop(reindex.ErrLeaseLost) })
	ended := make(chan struct{})
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		t.keep(ctx, ended, lose)
	}()
	report, err := t.fleet.engine.LoadPart(loading, reindex.Part{
		Job:   reindex.JobInfo{ID: t.args.Job, Tenant: t.args.Tenant, EntityType: t.fleet.EntityType()},
		Fence: t.fence, Generation: t.args.Generation, Name: t.name,
	}, t.progress)
	close(ended)
	<-kept
	return report, err
}

// progress takes how far the part has come.
func (t *try) progress(r reindex.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Read >= t.report.Read {
		t.report = r
	}
}

// renewals is how often a lease is renewed in its time.
const renewals = 4

// keep renews the lease until the part has ended, and calls lose once the part is not this try's any more, or may not
// be: the database could not be reached in time. It makes no difference whether the part makes progress.
func (t *try) keep(ctx context.Context, ended <-chan struct{}, lose func()) {
	lease := t.fleet.cfg.Lease
	ticker := time.NewTicker(min(lease/renewals, time.Second))
	defer ticker.Stop()
	renewed := time.Now()
	for {
		select {
		case <-ticker.C:
		case <-ended:
			return
		}
		start := time.Now()
		mine, err := t.renew(context.WithoutCancel(ctx), lease/renewals)
		switch {
		case err != nil:
			t.fleet.log.WarnContext(ctx, "renewing the lease of a part failed",
				"tenant", t.args.Tenant, "job", t.args.Job, "part", t.args.Part, "error", err)
		case !mine:
			lose()
			return
		default:
			renewed = start
		}
		if time.Since(renewed) >= lease*(renewals-1)/renewals {
			lose()
			return
		}
	}
}

// renew renews the lease, stores the progress, and reports whether the part is still this try's. Progress does not go
// back: what a try before this one has read shows until this one has read more.
func (t *try) renew(ctx context.Context, limit time.Duration) (mine bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t.mu.Lock()
	progress := counted(t.report)
	t.mu.Unlock()
	tag, err := t.fleet.pool.Exec(ctx, `UPDATE reindex_fleet_parts SET lease_end = clock_timestamp() + $4,
		counted = CASE WHEN counted[1] <= ($5::bigint[])[1] THEN $5 ELSE counted END
		WHERE job = $1 AND part = $2 AND owner = $3`, t.args.Job, t.args.Part, t.owner, t.fleet.cfg.Lease, progress)
	return tag.RowsAffected() > 0, err
}

// complete stores the report of the part and completes River's job, in one transaction that also puts the tenant's next
// part into the queue. If the part is not this try's any more nothing is stored.
func (t *try) complete(ctx context.Context, r *river.Job[partArgs], report reindex.PartReport) error {
	listed, err := encodeLists(report.Report)
	if err != nil {
		return err
	}
	f := t.fleet
	return pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE reindex_fleet_parts
			SET state = $4, owner = '', lease_end = NULL, counted = $5, lists = $6, ids = $7
			WHERE job = $1 AND part = $2 AND owner = $3`,
			t.args.Job, t.args.Part, t.owner, partDone, counted(report.Report), listed, encodeIDs(report.IDs))
		if err != nil {
			return fmt.Errorf("storing the report of part %d of job %s: %w", t.args.Part, t.args.Job, err)
		}
		if tag.RowsAffected() == 0 {
			return nil
		}
		if err := f.enqueueParts(ctx, tx, t.args.Job, 1); err != nil {
			return err
		}
		_, err = river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, r)
		if errors.Is(err, rivertype.ErrNotFound) {
			return nil // River has given the job up; what became of the part is known all the same
		}
		return err
	})
}

// fail stores why the try failed. If it was the last one, or another one would not help, the part has failed; otherwise
// River tries it again.
func (t *try) fail(ctx context.Context, err error, last bool) error {
	why := failure{Text: err.Error(), Again: errors.Is(err, reindex.ErrAgain)}
	if public, ok := errors.AsType[interface {
		error
		PublicMessage() string
	}](err); ok {
		why.Public = public.PublicMessage()
	}
	if broken, ok := errors.AsType[*reindex.GateError](err); ok {
		stored := gate(*broken)
		why.Gate = &stored
	}
	last = last || why.Gate != nil || why.Again || t.attempts >= t.fleet.cfg.Attempts
	state := partQueued
	if last {
		state = partFailed
	}
	text, encoding := json.Marshal(why)
	if encoding != nil {
		return errors.Join(err, encoding)
	}
	_, storing := t.fleet.pool.Exec(context.WithoutCancel(ctx), `UPDATE reindex_fleet_parts
		SET state = $4, owner = '', lease_end = NULL, seen = clock_timestamp(), failure = $5
		WHERE job = $1 AND part = $2 AND owner = $3`, t.args.Job, t.args.Part, t.owner, state, string(text))
	if storing != nil {
		return errors.Join(err, storing)
	}
	if last {
		return river.JobCancel(err)
	}
	return err
}

// giveBack lets another process try the part, as if this one had not.
func (t *try) giveBack(ctx context.Context) error {
	_, err := t.fleet.pool.Exec(context.WithoutCancel(ctx), `UPDATE reindex_fleet_parts
		SET owner = '', lease_end = NULL, seen = clock_timestamp(), attempts = attempts - 1
		WHERE job = $1 AND part = $2 AND owner = $3`, t.args.Job, t.args.Part, t.owner)
	return err
}
