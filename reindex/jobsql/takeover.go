package jobsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"productindex/reindex"
)

// TakeOver gives the caller a job that has not ended and has this fencing token, whoever runs it: with a new token and
// a new lease. Whoever ran it before can store nothing more: a Renew or Finish with the former token fails with an
// error that matches [reindex.ErrLeaseLost]. Of several callers with the same token one takes the job over; taken is
// false for the others, and if the job has ended.
func (s *Store) TakeOver(ctx context.Context, tenant, id string, fence int64) (job reindex.Job, taken bool, err error) {
	err = s.transact(ctx, func(tx session) error {
		taken = false
		var next int64
		err := s.queryRow(ctx, tx, `UPDATE reindex_tenants SET fence = {greatest}(fence + 1, {now})
			WHERE tenant = ? RETURNING fence`, text(tenant)).Scan(&next)
		if err != nil {
			return err
		}
		err = s.queryRow(ctx, tx, `UPDATE reindex_jobs SET fence = ?, lease_end = {now} + ?
				WHERE tenant = ? AND id = ? AND fence = ? AND NOT ended RETURNING fence`,
			next, s.cfg.Lease.Milliseconds(), text(tenant), text(id), fence).Scan(&next)
		if err != nil {
			return err
		}
		err = s.exec(ctx, tx, "UPDATE reindex_job_lists SET fence = ? WHERE tenant = ? AND fence = ?",
			next, text(tenant), fence)
		if err != nil {
			return err
		}
		taken = true
		job, err = s.one(ctx, tx, text(tenant), "id = ?", text(id))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return reindex.Job{}, false, nil
	}
	if err != nil {
		err = reindex.Temporary(fmt.Errorf("taking it over in the database: %w", err))
		return reindex.Job{}, false, ofJob(tenant, id, err)
	}
	return job, taken, nil
}

// Left returns jobs of an entity type, of all tenants, that have not ended and whose lease nobody has renewed for a
// while, the longest first, up to a number of them. Their leases are renewed, so that a job is returned to one caller,
// and to the next one after the same while.
func (s *Store) Left(
	ctx context.Context, entityType string, while time.Duration, limit int,
) (jobs []reindex.Job, err error) {
	err = s.transact(ctx, func(tx session) error {
		jobs = nil
		rows, err := tx.QueryContext(ctx, s.cfg.Dialect.sql(`SELECT tenant, id FROM reindex_jobs
			WHERE NOT ended AND entity_type = ? AND lease_end < {now} + ? ORDER BY lease_end LIMIT ?`),
			text(entityType), (s.cfg.Lease - while).Milliseconds(), limit)
		if err != nil {
			return err
		}
		found, err := names(rows)
		if err != nil {
			return err
		}
		for _, n := range found {
			var fence int64
			err := s.queryRow(ctx, tx, `UPDATE reindex_jobs SET lease_end = {now} + ?
					WHERE tenant = ? AND id = ? AND NOT ended AND lease_end < {now} + ? RETURNING fence`,
				s.cfg.Lease.Milliseconds(), n[0], n[1], (s.cfg.Lease - while).Milliseconds()).Scan(&fence)
			if errors.Is(err, sql.ErrNoRows) {
				continue // another caller was faster
			}
			if err != nil {
				return err
			}
			job, err := s.one(ctx, tx, n[0], "id = ?", n[1])
			if err != nil {
				return err
			}
			jobs = append(jobs, job)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for jobs that nobody runs: %w", reindex.Temporary(err))
	}
	return jobs, nil
}

// names reads pairs of tenant and id.
func names(rows *sql.Rows) (found [][2]string, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var n [2]string
		if err := rows.Scan(&n[0], &n[1]); err != nil {
			return nil, err
		}
		found = append(found, n)
	}
	return found, rows.Err()
}
