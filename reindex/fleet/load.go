package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"productindex/reindex"
)

// loader loads the parts of a run through River. It implements [reindex.Loader].
type loader struct{ fleet *Fleet }

// maxParts is the largest number of parts that Split asks for.
const maxParts = 100_000

// unknownParts is the number of parts that Split asks for if the source does not announce its number of products.
const unknownParts = 64

// Split implements [reindex.Loader].
func (l *loader) Split(expected int64) int {
	if expected < 0 {
		return unknownParts
	}
	size := int64(l.fleet.cfg.PartProducts)
	return int(min(max(1, (expected+size-1)/size), maxParts))
}

const (
	// firstLook and lastLook are the shortest and the longest time between two looks of a run at its parts.
	firstLook, lastLook = 20 * time.Millisecond, 500 * time.Millisecond
	// looks sets the time between two looks: a run waits for 1/looks of its duration so far, so that the wait lengthens
	// the run by 1 % at most.
	looks = 100
	// lookTimeout limits the time of one look.
	lookTimeout = 10 * time.Second
)

// Load implements [reindex.Loader].
func (l *loader) Load(ctx context.Context, load reindex.Load) (reindex.Report, error) {
	if err := l.fleet.cfg.Engine.Retry.Do(ctx, func() error { return reindex.Temporary(l.begin(ctx, load)) }); err != nil {
		return reindex.Report{}, err
	}
	begun := time.Now()
	wait := time.NewTimer(firstLook)
	defer wait.Stop()
	for {
		select {
		case <-wait.C:
		case <-ctx.Done():
			return reindex.Report{}, context.Cause(ctx)
		}
		wait.Reset(min(max(time.Since(begun)/looks, firstLook), lastLook))
		s, err := l.look(ctx, load.Job)
		if err != nil {
			if ctx.Err() == nil { // if the failures last, the lease of the run expires
				l.fleet.log.WarnContext(ctx, "reading the state of the parts of a run failed; it will be read again",
					"tenant", load.Job.Tenant, "job", load.Job.ID, "error", err)
			}
			continue
		}
		if s.failed != nil {
			return s.sum, s.failed
		}
		if s.left == 0 {
			s.sum, err = l.listed(ctx, load.Job.ID, s.sum)
			return s.sum, err
		}
		if err := load.Report(s.sum); err != nil {
			return s.sum, err
		}
	}
}

// begin stores the run with its parts and enqueues the first parts, in one transaction. If the run was taken over,
// begin stores only the new fencing token.
func (l *loader) begin(ctx context.Context, load reindex.Load) error {
	f, job := l.fleet, load.Job
	return pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE reindex_fleet_runs SET fence = $3
			WHERE job = $1 AND generation = $2 AND fence <= $3`, job.ID, load.Generation, job.Fence)
		if err != nil || tag.RowsAffected() > 0 {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM reindex_fleet_runs WHERE tenant = $1 AND queue = $2 AND fence <= $3",
			job.Tenant, f.queues.parts, job.Fence); err != nil {
			return err
		}
		names := load.Parts
		if len(names) == 0 {
			names = []string{""}
		}
		if _, err := tx.Exec(ctx, `INSERT INTO reindex_fleet_runs (job, tenant, queue, fence, generation, priority)
			VALUES ($1, $2, $3, $4, $5, $6)`,
			job.ID, job.Tenant, f.queues.parts, job.Fence, load.Generation, priority(len(names))); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO reindex_fleet_parts (job, part, queue, name)
			SELECT $1, n, $2, name FROM unnest($3::text[]) WITH ORDINALITY AS parts (name, n)`,
			job.ID, f.queues.parts, names); err != nil {
			return err
		}
		return f.enqueueParts(ctx, tx, job.ID, f.cfg.TenantParts)
	})
}

// priority returns the River priority of the parts of a run, from 1 (first) to 4 (last), by their number.
func priority(parts int) int {
	const first, last = 1, 4
	p := first
	for limit := 1; parts > limit && p < last; limit *= 10 {
		p++
	}
	return p
}

// enqueueParts enqueues up to n further parts of a run. The query is MATERIALIZED so that the parts are selected once;
// a subquery could be executed again for each row of the table.
func (f *Fleet) enqueueParts(ctx context.Context, tx pgx.Tx, job string, n int) error {
	rows, err := tx.Query(ctx, `WITH next AS MATERIALIZED (SELECT part FROM reindex_fleet_parts
			WHERE job = $1 AND state = $4 ORDER BY part LIMIT $2 FOR UPDATE SKIP LOCKED)
		UPDATE reindex_fleet_parts p SET state = $3 FROM reindex_fleet_runs r, next
		WHERE r.job = p.job AND p.job = $1 AND p.part = next.part
		RETURNING r.tenant, r.job, r.generation, p.part, r.priority`, job, n, partQueued, partWaiting)
	if err != nil {
		return err
	}
	return f.insertParts(ctx, tx, rows)
}

// insertParts inserts a River job for each row of parts.
func (f *Fleet) insertParts(ctx context.Context, tx pgx.Tx, rows pgx.Rows) error {
	var (
		args     partArgs
		priority int
		inserts  []river.InsertManyParams
	)
	_, err := pgx.ForEachRow(rows, []any{&args.Tenant, &args.Job, &args.Generation, &args.Part, &priority}, func() error {
		inserts = append(inserts, river.InsertManyParams{Args: args, InsertOpts: &river.InsertOpts{
			Queue: f.queues.parts, Priority: priority, MaxAttempts: f.cfg.Attempts + riverAttempts,
		}})
		return nil
	})
	if err != nil || len(inserts) == 0 {
		return err
	}
	inserted, err := f.river.InsertManyTx(ctx, tx, inserts)
	if err != nil {
		return err
	}
	parts, ids := make([]int, len(inserted)), make([]int64, len(inserted))
	for i, r := range inserted {
		parts[i], ids[i] = inserts[i].Args.(partArgs).Part, r.Job.ID //nolint:forcetypeassert,errcheck // set above
	}
	_, err = tx.Exec(ctx, `UPDATE reindex_fleet_parts p SET river = n.id, seen = clock_timestamp()
		FROM unnest($2::int[], $3::bigint[]) AS n (part, id) WHERE p.job = $1 AND p.part = n.part`, args.Job, parts, ids)
	return err
}

// riverAttempts is the number of attempts of a River job beyond the attempts of its part: failures of the database do
// not count as attempts of the part.
const riverAttempts = 20

const (
	// isDead holds for a part p whose owner has died.
	isDead = "(p.owner <> '' AND p.lease_end < clock_timestamp())"
	// isLost holds for a part p that has no owner and that River will not hand out: its worker died before it owned the
	// part, or its job was cancelled in River. $4 is the lease.
	isLost = `(p.state = 1 AND p.owner = '' AND p.seen < clock_timestamp() - $4::interval
		AND NOT EXISTS (SELECT 1 FROM river_job j WHERE j.id = p.river
			AND j.state::text IN ('available', 'pending', 'retryable', 'scheduled')))`
	// isCancelled holds for a part p whose job was cancelled in River.
	isCancelled = "EXISTS (SELECT 1 FROM river_job j WHERE j.id = p.river AND j.state::text IN ('cancelled', 'discarded'))"
)

// state is the state of the parts of a run.
type state struct {
	sum    reindex.Report
	left   int   // parts that have not been loaded
	failed error // the failure of a part
}

// look returns the state of the parts, and puts the parts whose worker has died back into the queue.
func (l *loader) look(ctx context.Context, job reindex.Job) (s state, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var (
		all  int
		dead int
		why  *string
	)
	n := numbers(&s.sum)
	dest := []any{&all, &s.left, &dead, &why}
	var sums strings.Builder
	for i := range n {
		dest = append(dest, n[i])
		fmt.Fprintf(&sums, ", coalesce(sum(counted[%d]), 0)::bigint", i+1)
	}
	err = l.fleet.pool.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE state <> $2),
		count(*) FILTER (WHERE `+isDead+` OR `+isLost+`), min(failure) FILTER (WHERE state = $3)`+sums.String()+`
		FROM reindex_fleet_parts p WHERE job = $1`, job.ID, partDone, partFailed, l.fleet.cfg.Lease).Scan(dest...)
	switch {
	case err != nil:
		return s, err
	case all == 0:
		s.failed = fmt.Errorf("another run of the tenant has removed the parts of this run: %w", reindex.ErrFenced)
	case why != nil:
		s.failed, err = l.failed(ctx, job.ID)
	case dead > 0:
		err = l.revive(ctx, job)
	}
	return s, err
}

// failed returns the error of the first part that has failed.
func (l *loader) failed(ctx context.Context, job string) (failed, err error) {
	var (
		name, text string
		attempts   int
		why        failure
	)
	err = l.fleet.pool.QueryRow(ctx, `SELECT name, attempts, failure FROM reindex_fleet_parts
		WHERE job = $1 AND state = $2 ORDER BY part LIMIT 1`, job, partFailed).Scan(&name, &attempts, &text)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(text), &why); err != nil {
		return nil, err
	}
	switch {
	case why.Gate != nil:
		broken := reindex.GateError(*why.Gate)
		return &broken, nil
	case why.Again:
		return fmt.Errorf("part %q: %w: %s", name, reindex.ErrAgain, why.Text), nil
	}
	failed = fmt.Errorf("part %q failed, attempt %d: %s", name, attempts, why.Text)
	if why.Public != "" {
		failed = reindex.Public(failed, why.Public)
	}
	return failed, nil
}

// died is the failure of a part whose workers died in each attempt.
var died = failure{
	Text:   "in each attempt the process that loaded the part did not renew its lease in time",
	Public: "each process that loaded a certain part of the catalogue stopped responding",
}

// cancelledInRiver is the failure of a part whose job was cancelled in River.
const cancelledInRiver = "it was cancelled in River"

// revive puts the parts whose worker has died back into the queue. After the last attempt it marks them as failed.
func (l *loader) revive(ctx context.Context, job reindex.Job) error {
	text, err := json.Marshal(died)
	if err != nil {
		return err
	}
	cancelled, err := json.Marshal(failure{Text: cancelledInRiver, Public: cancelledInRiver})
	if err != nil {
		return err
	}
	f := l.fleet
	return pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE reindex_fleet_parts p SET state = $2, failure = $3
			WHERE p.job = $1 AND `+isLost+` AND `+isCancelled,
			job.ID, partFailed, string(cancelled), f.cfg.Lease); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `UPDATE reindex_fleet_parts p SET owner = '', lease_end = NULL,
			state = CASE WHEN attempts >= $3 THEN $5 ELSE state END,
			failure = CASE WHEN attempts >= $3 THEN $6 ELSE failure END
			FROM reindex_fleet_runs r WHERE r.job = p.job AND p.job = $1 AND r.fence = $2 AND (`+isDead+` OR `+isLost+`)
			RETURNING r.tenant, r.job, r.generation, p.part, r.priority`,
			job.ID, job.Fence, f.cfg.Attempts, f.cfg.Lease, partFailed, string(text))
		if err != nil {
			return err
		}
		return f.insertParts(ctx, tx, rows)
	})
}

// errLists reports that the stored lists of a part cannot be decoded, so that reading them again does not help.
var errLists = errors.New("decoding the stored rejections and duplicates of a part")

// listed adds the rejections and duplicates that the parts list to their sum.
func (l *loader) listed(ctx context.Context, job string, sum reindex.Report) (reindex.Report, error) {
	limit := l.fleet.reportItems()
	err := l.fleet.cfg.Engine.Retry.Do(ctx, func() error {
		sum.Rejections, sum.DuplicateIDs = nil, nil
		const query = "SELECT lists FROM reindex_fleet_parts WHERE job = $1 AND lists <> '{}' ORDER BY part"
		rows, err := l.fleet.pool.Query(ctx, query, job)
		if err != nil {
			return reindex.Temporary(err)
		}
		var text string
		_, err = pgx.ForEachRow(rows, []any{&text}, func() error {
			var found lists
			if err := json.Unmarshal([]byte(text), &found); err != nil {
				return fmt.Errorf("%w: %w", errLists, err)
			}
			found.addTo(&sum, limit)
			return nil
		})
		if err == nil || errors.Is(err, errLists) {
			return err
		}
		return reindex.Temporary(err)
	})
	return sum, err
}

// reportItems returns the largest number of rejections, and of duplicates, that a report lists.
func (f *Fleet) reportItems() int {
	if n := f.cfg.Engine.ReportItems; n > 0 {
		return n
	}
	return 100 //nolint:mnd // the default of the engine
}
