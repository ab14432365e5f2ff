package jobsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"productindex/reindex"
)

// ofJob adds the tenant and the id of a job to err.
func ofJob(tenant, id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("tenant %s, job %q: %w", tenant, id, err)
}

// text replaces the parts of s that PostgreSQL refuses: NUL, and bytes that are not UTF-8.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Create implements [reindex.JobStore]. An error of the database is a [*reindex.TemporaryError]: the caller can create
// the same job again, which finds the job if the first attempt stored it.
func (s *Store) Create(ctx context.Context, job reindex.Job) (stored reindex.Job, created bool, err error) {
	// A trigger that joins a run only reads, so that many of them do not delay the renewal of the run's lease.
	stored, err = s.one(ctx, s.db, text(job.Tenant), "entity_type = ? AND "+isAlive, text(job.EntityType))
	if errors.Is(err, sql.ErrNoRows) {
		err = s.transact(ctx, func(tx session) error {
			stored, created, err = s.create(ctx, tx, job)
			return err
		})
	}
	if err != nil {
		err = reindex.Temporary(fmt.Errorf("creating the job in the database: %w", err))
		return reindex.Job{}, false, ofJob(job.Tenant, job.ID, err)
	}
	// The ids are equal if an earlier attempt was stored and its answer was lost.
	return stored, created || stored.ID == text(job.ID), nil
}

// create is Create within a transaction.
func (s *Store) create(ctx context.Context, tx session, job reindex.Job) (stored reindex.Job, created bool, err error) {
	tenant := text(job.Tenant)
	lists, err := encodeLists(&job.Report)
	if err != nil {
		return stored, false, err
	}
	// The lock on the tenant's row makes the creates of one tenant follow one another.
	if err := s.exec(ctx, tx, `INSERT INTO reindex_tenants (tenant, fence) VALUES (?, 0)
		ON CONFLICT (tenant) DO UPDATE SET fence = reindex_tenants.fence`, tenant); err != nil {
		return stored, false, err
	}
	if err := s.bury(ctx, tx, tenant); err != nil {
		return stored, false, err
	}
	stored, err = s.one(ctx, tx, tenant, "entity_type = ? AND NOT ended", text(job.EntityType))
	if !errors.Is(err, sql.ErrNoRows) {
		return stored, false, err
	}
	stored = job
	// Tokens follow the clock: if a failover loses the last tokens, the next ones are still greater.
	err = s.queryRow(ctx, tx, `UPDATE reindex_tenants SET fence = {greatest}(fence + 1, {now})
		WHERE tenant = ? RETURNING fence`,
		tenant).Scan(&stored.Fence)
	if err != nil {
		return stored, false, err
	}
	if err := s.trim(ctx, tx, tenant); err != nil {
		return stored, false, err
	}
	err = s.exec(ctx, tx, `INSERT INTO reindex_jobs (tenant, fence, id, entity_type, status, ended, lease_end, cancelled,
		estimated, message, created, modified, numbers, listed, generation)
		VALUES (?, ?, ?, ?, ?, FALSE, {now} + ?, FALSE, ?, ?, ?, ?, ?, ?, ?)`,
		tenant, stored.Fence, text(job.ID), text(job.EntityType), string(job.Status), s.cfg.Lease.Milliseconds(),
		job.Estimated, text(job.Message), job.Created.UnixNano(), job.Modified.UnixNano(), encodeNumbers(&job), lists != "",
		text(job.Generation))
	if err == nil {
		err = s.storeLists(ctx, tx, tenant, stored.Fence, lists)
	}
	return stored, true, err
}

// bury stores as failures the tenant's jobs whose leases have run out.
func (s *Store) bury(ctx context.Context, tx session, tenant string) error {
	return s.exec(ctx, tx, `UPDATE reindex_jobs SET ended = TRUE, status = ?, modified = lease_end * ?,
		message = CASE status WHEN ? THEN ? ELSE ? END WHERE tenant = ? AND `+isDead,
		string(reindex.StatusFailure), int64(time.Millisecond), string(reindex.StatusPublished),
		messageDiedPublished, messageDied, tenant)
}

// trim deletes the tenant's oldest ended jobs. Their fences are not assigned again, because reindex_tenants keeps the
// last one.
func (s *Store) trim(ctx context.Context, tx session, tenant string) error {
	for _, table := range []string{"reindex_job_lists", "reindex_jobs"} {
		err := s.exec(ctx, tx, "DELETE FROM "+table+` WHERE tenant = ? AND fence IN (SELECT fence FROM reindex_jobs
				WHERE tenant = ? AND ended ORDER BY fence DESC LIMIT ? OFFSET ?)`,
			tenant, tenant, int64(math.MaxInt64), s.cfg.History)
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) storeLists(ctx context.Context, tx session, tenant string, fence int64, lists string) error {
	if lists == "" {
		return nil
	}
	return s.exec(ctx, tx, `INSERT INTO reindex_job_lists (tenant, fence, lists) VALUES (?, ?, ?)
		ON CONFLICT (tenant, fence) DO UPDATE SET lists = excluded.lists`, tenant, fence, lists)
}

// Renew implements [reindex.JobStore]. An error of the database is a [*reindex.TemporaryError], because the call can be
// repeated.
func (s *Store) Renew(ctx context.Context, job reindex.Job) (cancelled bool, err error) {
	cancelled, err = s.save(ctx, job)
	if errors.Is(err, sql.ErrNoRows) {
		return false, s.missed(ctx, job.Tenant, job.ID, reindex.ErrLeaseLost)
	}
	return cancelled, err
}

// Finish implements [reindex.JobStore]. It returns the same errors as Renew.
func (s *Store) Finish(ctx context.Context, job reindex.Job) error {
	_, err := s.save(ctx, job)
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	stored, err := s.Get(ctx, job.Tenant, job.ID)
	if err != nil {
		return err
	}
	if stored.Status == job.Status && stored.Message == text(job.Message) {
		return nil // an earlier attempt was stored and its answer was lost
	}
	return ofJob(job.Tenant, job.ID, reindex.ErrLeaseLost)
}

// save replaces the record of a job that is alive. If there is none, the error is [sql.ErrNoRows].
func (s *Store) save(ctx context.Context, job reindex.Job) (cancelled bool, err error) {
	lists, err := encodeLists(&job.Report)
	if err != nil {
		return false, ofJob(job.Tenant, job.ID, err)
	}
	if lists == "" && !job.Status.Ended() {
		err = s.withConn(ctx, func(c *sql.Conn) error {
			_, cancelled, err = s.update(ctx, c, job, false)
			return err
		})
	} else {
		err = s.transact(ctx, func(tx session) error {
			var fence int64
			if fence, cancelled, err = s.update(ctx, tx, job, lists != ""); err != nil {
				return err
			}
			if err := s.storeLists(ctx, tx, text(job.Tenant), fence, lists); err != nil || !job.Status.Ended() {
				return err
			}
			return s.trim(ctx, tx, text(job.Tenant))
		})
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, ofJob(job.Tenant, job.ID, reindex.Temporary(fmt.Errorf("storing the job in the database: %w", err)))
	}
	return cancelled, err
}

// update replaces the record of a job that is alive and renews the job's lease. If there is none, the error is
// [sql.ErrNoRows].
func (s *Store) update(
	ctx context.Context, q session, job reindex.Job, listed bool,
) (fence int64, cancelled bool, err error) {
	err = s.queryRow(ctx, q, `UPDATE reindex_jobs SET status = ?, ended = ?, lease_end = {now} + ?, estimated = ?,
		message = ?, modified = ?, numbers = ?, listed = ?, generation = ?
		WHERE tenant = ? AND id = ? AND CAST(? AS BIGINT) IN (0, fence) AND `+isAlive+` RETURNING fence, cancelled`,
		string(job.Status), job.Status.Ended(), s.cfg.Lease.Milliseconds(), job.Estimated, text(job.Message),
		job.Modified.UnixNano(), encodeNumbers(&job), listed, text(job.Generation),
		text(job.Tenant), text(job.ID), job.Fence).Scan(&fence, &cancelled)
	return fence, cancelled, err
}

// missed explains why a statement found no job that is alive: it returns an error that wraps ended, or
// [reindex.ErrJobNotFound] if the job does not exist.
func (s *Store) missed(ctx context.Context, tenant, id string, ended error) error {
	if _, err := s.Get(ctx, tenant, id); err != nil {
		return err
	}
	return ofJob(tenant, id, ended)
}

// Cancel implements [reindex.JobStore].
func (s *Store) Cancel(ctx context.Context, tenant, id string) error {
	var fence int64
	err := s.withConn(ctx, func(c *sql.Conn) error {
		return s.queryRow(ctx, c, "UPDATE reindex_jobs SET cancelled = TRUE WHERE tenant = ? AND id = ? AND "+isAlive+
			" RETURNING fence", text(tenant), text(id)).Scan(&fence)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return s.missed(ctx, tenant, id, reindex.ErrJobEnded)
	case err != nil:
		return ofJob(tenant, id, fmt.Errorf("cancelling the job in the database: %w", err))
	}
	return nil
}
