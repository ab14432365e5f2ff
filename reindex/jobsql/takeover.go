package jobsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"productindex/reindex"
)

// TakeOver takes a job over from the process that runs it. It returns the job with a new fencing token and a new lease.
// The former process can no longer store the job: its Renew or Finish, with the former token, returns an error that
// matches [reindex.ErrLeaseLost].
//
// If several callers pass the same token, only one of them takes the job over. TakeOver reports false for the others,
// for a job that has ended, and for a job that has another token. An error of the database is a
// [*reindex.TemporaryError].
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
		err = reindex.Temporary(fmt.Errorf("taking the job over in the database: %w", err))
		return reindex.Job{}, false, ofJob(tenant, id, err)
	}
	return job, taken, nil
}

// Left returns up to limit unfinished jobs of an entity type, of all tenants, whose leases have not been renewed for
// the duration of while. The job with the oldest lease comes first. Left renews the leases of the jobs that it returns,
// so that a job goes to one caller, and to another caller only after the same duration. An error of the database is a
// [*reindex.TemporaryError].
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
		return nil, fmt.Errorf("looking for jobs without a process in the database: %w", reindex.Temporary(err))
	}
	return jobs, nil
}

// names reads the tenant and id of each row, and closes rows.
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
