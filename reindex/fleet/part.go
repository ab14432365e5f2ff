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

// partArgs are the arguments of the River job of a part.
type partArgs struct {
	Tenant     string `json:"tenant"`
	Job        string `json:"job"`
	Generation string `json:"generation"`
	Part       int    `json:"part"`
}

// Kind implements [river.JobArgs].
func (partArgs) Kind() string { return "reindex_part" }

const (
	// busyDelay is the time after which a part that waits for the index tries again.
	busyDelay = 100 * time.Millisecond
	// fencedDelay is the wait of a part whose writes were fenced because another process takes the run over.
	fencedDelay = 200 * time.Millisecond
	// maxRetryDelay is the longest wait between two attempts to load a part.
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
		delay = min(2*delay, maxRetryDelay) //nolint:mnd // the delay doubles
	}
	return time.Now().Add(delay)
}

// Work implements [river.Worker]. It loads a part, unless the part is being loaded elsewhere, has been loaded, or
// belongs to a run that is over.
func (w *partWorker) Work(ctx context.Context, r *river.Job[partArgs]) error {
	t := &attempt{fleet: w.fleet, args: r.Args, owner: rand.Text()}
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

// attempt is one attempt to load a part.
type attempt struct {
	fleet *Fleet
	args  partArgs
	owner string

	name     string // the source's name of the part
	fence    int64
	attempts int
	lost     context.Context //nolint:containedctx // ends when this attempt no longer owns the part

	mu     sync.Mutex
	report reindex.Report // the progress
}

// await claims the part for this attempt, and reports false if the part has an owner. It waits while
// Config.BytesInFlight is used up. It does not return the part to the queue, because other parts would overtake it
// there. Among the waiting parts of all processes, those of the smallest catalogue come first.
func (t *attempt) await(ctx context.Context) (claimed bool, err error) {
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

// ahead counts the parts of the queue that are being loaded, and those that wait for the index and come before this
// one: by the priority of their run, then by the beginning of their wait.
const ahead = `WITH me AS (SELECT r.priority, coalesce(p.waits, clock_timestamp()) AS waits, p.job, p.part
		FROM reindex_fleet_parts p JOIN reindex_fleet_runs r ON r.job = p.job WHERE p.job = $1 AND p.part = $2)
	SELECT count(*) FROM reindex_fleet_parts p JOIN reindex_fleet_runs r ON r.job = p.job, me
	WHERE p.queue = $3 AND p.state = 1 AND (p.owner <> '' AND p.lease_end >= clock_timestamp()
		OR p.owner = '' AND p.waits IS NOT NULL AND p.seen >= clock_timestamp() - $4::interval
		AND (r.priority, p.waits, p.job, p.part) < (me.priority, me.waits, me.job, me.part))`

// awaiting is the time for which a waiting part keeps its place without another attempt to claim. After that, its
// process may have died.
const awaiting = 10 * busyDelay

// claim claims the part for this attempt if the part has no owner. It reports busy if Config.BytesInFlight is used up.
func (t *attempt) claim(ctx context.Context) (claimed, busy bool, err error) {
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

// see records that a process holds the part and waits for the index.
func (t *attempt) see(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `UPDATE reindex_fleet_parts
		SET seen = clock_timestamp(), waits = coalesce(waits, clock_timestamp())
		WHERE job = $1 AND part = $2 AND owner = ''`, t.args.Job, t.args.Part)
	return err
}

// partsInFlight returns the number of parts that all processes together may load at the same time. 0 means no limit.
func (f *Fleet) partsInFlight() int64 {
	if f.cfg.BytesInFlight == 0 {
		return 0
	}
	return max(1, f.cfg.BytesInFlight/int64(max(1, f.engine.PartBytes())))
}

// load loads the part and renews its lease meanwhile.
func (t *attempt) load(ctx context.Context) (reindex.PartReport, error) {
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

// progress stores the progress for the next renewal.
func (t *attempt) progress(r reindex.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Read >= t.report.Read {
		t.report = r
	}
}

// renewals is the number of renewals in the time of a lease.
const renewals = 4

// keep renews the lease until ended is closed, even if the part makes no progress. It calls lose when this attempt no
// longer owns the part, or may not own it because the lease could not be renewed in time.
func (t *attempt) keep(ctx context.Context, ended <-chan struct{}, lose func()) {
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

// renew renews the lease, stores the progress, and reports whether this attempt still owns the part. The stored
// progress never decreases: that of a former attempt stays until this attempt has read more.
func (t *attempt) renew(ctx context.Context, limit time.Duration) (mine bool, err error) {
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

// complete stores the report of the part, enqueues the next part of the run and completes the River job, in one
// transaction. If this attempt no longer owns the part, complete stores nothing.
func (t *attempt) complete(ctx context.Context, r *river.Job[partArgs], report reindex.PartReport) error {
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
			return nil // River has given up on the job, but the part is loaded
		}
		return err
	})
}

// fail stores why the attempt failed. After the last attempt, or if another attempt would not help, the part has
// failed. Otherwise River repeats the job.
func (t *attempt) fail(ctx context.Context, err error, last bool) error {
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

// giveBack releases the part for another process. The attempt does not count.
func (t *attempt) giveBack(ctx context.Context) error {
	_, err := t.fleet.pool.Exec(context.WithoutCancel(ctx), `UPDATE reindex_fleet_parts
		SET owner = '', lease_end = NULL, seen = clock_timestamp(), attempts = attempts - 1
		WHERE job = $1 AND part = $2 AND owner = $3`, t.args.Job, t.args.Part, t.owner)
	return err
}
