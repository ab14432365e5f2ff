package jobsql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"productindex/reindex"
)

const expired = "the process that ran the job stopped answering: its lease ran out"

const columns = `id, entity_type, status, expected, estimated, processed, message, created, modified, fence, NOT ended AND lease_end < NOW`

// scan reads columns, and more; a job whose lease has run out reads as the failure that it is.
func scan(row interface{ Scan(dest ...any) error }, tenant string, more ...any) (reindex.Job, error) {
	j := reindex.Job{Tenant: tenant}
	var created, modified int64
	var dead bool
	dest := []any{&j.ID, &j.EntityType, &j.Status, &j.Expected, &j.Estimated, &j.Processed, &j.Message, &created, &modified, &j.Fence, &dead}
	if err := row.Scan(append(dest, more...)...); err != nil {
		return j, err
	}
	j.Created, j.Modified = time.Unix(0, created).UTC(), time.Unix(0, modified).UTC()
	if dead {
		j.Status, j.Message = reindex.StatusFailure, expired
	}
	return j, nil
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// one returns the job that the condition selects, with its report.
func (s *Store) one(ctx context.Context, q querier, tenant, where string, args ...any) (reindex.Job, error) {
	var report []byte
	row := q.QueryRowContext(ctx, s.sql("SELECT "+columns+", report FROM reindex_jobs WHERE tenant = ? AND "+where), append([]any{tenant}, args...)...)
	j, err := scan(row, tenant, &report)
	if err != nil {
		return j, err
	}
	return j, json.Unmarshal(report, &j.Report)
}

// Create implements [reindex.JobStore]. The tenant's row in the table of fences is locked first, so that creates come one by one.
func (s *Store) Create(ctx context.Context, job reindex.Job) (stored reindex.Job, created bool, err error) {
	report, err := json.Marshal(job.Report)
	if err != nil {
		return stored, false, fmt.Errorf("tenant %s, job %q: %w", job.Tenant, job.ID, err)
	}
	err = s.transact(ctx, func(c *sql.Conn) error {
		if _, err := c.ExecContext(ctx, s.sql(`INSERT INTO reindex_tenants (tenant, fence) VALUES (?, 0)
			ON CONFLICT (tenant) DO UPDATE SET fence = reindex_tenants.fence`), job.Tenant); err != nil {
			return err
		}
		if _, err := c.ExecContext(ctx, s.sql(`UPDATE reindex_jobs SET ended = TRUE, status = ?, message = ?
			WHERE tenant = ? AND NOT ended AND lease_end < NOW`), string(reindex.StatusFailure), expired, job.Tenant); err != nil {
			return err
		}
		stored, err = s.one(ctx, c, job.Tenant, "entity_type = ? AND NOT ended", job.EntityType)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		stored, created = job, true
		if err := c.QueryRowContext(ctx, s.sql("UPDATE reindex_tenants SET fence = fence + 1 WHERE tenant = ? RETURNING fence"),
			job.Tenant).Scan(&stored.Fence); err != nil {
			return err
		}
		if err := s.trim(ctx, c, job.Tenant); err != nil {
			return err
		}
		_, err := c.ExecContext(ctx, s.sql(`INSERT INTO reindex_jobs (tenant, id, entity_type, status, expected, estimated, processed, message,
			created, modified, fence, ended, cancelled, lease_end, report) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, FALSE, FALSE, NOW + ?, ?)`),
			job.Tenant, job.ID, job.EntityType, string(job.Status), job.Expected, job.Estimated, job.Processed, job.Message,
			job.Created.UnixNano(), job.Modified.UnixNano(), stored.Fence, s.cfg.Lease.Milliseconds(), string(report))
		return err
	})
	if err != nil {
		return reindex.Job{}, false, fmt.Errorf("tenant %s: creating job %q: %w", job.Tenant, job.ID, err)
	}
	return stored, created, nil
}

func (s *Store) trim(ctx context.Context, c *sql.Conn, tenant string) error {
	_, err := c.ExecContext(ctx, s.sql(`DELETE FROM reindex_jobs WHERE tenant = ? AND ended AND fence <= (SELECT fence FROM reindex_jobs
		WHERE tenant = ? AND ended ORDER BY fence DESC LIMIT 1 OFFSET ?)`), tenant, tenant, s.cfg.Kept)
	return err
}

// Update implements [reindex.JobStore].
func (s *Store) Update(ctx context.Context, job reindex.Job) error {
	report, err := json.Marshal(job.Report)
	if err != nil {
		return fmt.Errorf("tenant %s, job %q: %w", job.Tenant, job.ID, err)
	}
	var cancelled bool
	err = s.db.QueryRowContext(ctx, s.sql(`UPDATE reindex_jobs SET status = ?, expected = ?, estimated = ?, processed = ?, message = ?,
		modified = ?, ended = ?, lease_end = NOW + ?, report = ? WHERE tenant = ? AND id = ? AND NOT ended AND lease_end >= NOW
		RETURNING cancelled`), string(job.Status), job.Expected, job.Estimated, job.Processed, job.Message, job.Modified.UnixNano(),
		job.Status.Ended(), s.cfg.Lease.Milliseconds(), string(report), job.Tenant, job.ID).Scan(&cancelled)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		if _, err := s.Get(ctx, job.Tenant, job.ID); err != nil {
			return err
		}
		return fmt.Errorf("tenant %s, job %q: %w", job.Tenant, job.ID, reindex.ErrLeaseLost)
	case err != nil:
		return fmt.Errorf("tenant %s: updating job %q: %w", job.Tenant, job.ID, err)
	case cancelled && !job.Status.Ended():
		return fmt.Errorf("tenant %s, job %q: %w", job.Tenant, job.ID, reindex.ErrCancelled)
	}
	return nil
}

// Cancel implements [reindex.JobStore].
func (s *Store) Cancel(ctx context.Context, tenant, id string) error {
	var found string
	err := s.db.QueryRowContext(ctx, s.sql(`UPDATE reindex_jobs SET cancelled = TRUE WHERE tenant = ? AND id = ? AND NOT ended
		AND lease_end >= NOW RETURNING id`), tenant, id).Scan(&found)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		if _, err := s.Get(ctx, tenant, id); err != nil {
			return err
		}
		return fmt.Errorf("tenant %s, job %q: %w", tenant, id, reindex.ErrJobEnded)
	case err != nil:
		return fmt.Errorf("tenant %s: cancelling job %q: %w", tenant, id, err)
	}
	return nil
}

// Get implements [reindex.JobStore].
func (s *Store) Get(ctx context.Context, tenant, id string) (reindex.Job, error) {
	j, err := s.one(ctx, s.db, tenant, "id = ?", id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return reindex.Job{}, fmt.Errorf("tenant %s, job %q: %w", tenant, id, reindex.ErrJobNotFound)
	case err != nil:
		return reindex.Job{}, fmt.Errorf("tenant %s: reading job %q: %w", tenant, id, err)
	}
	return j, nil
}

// List implements [reindex.JobStore]. The jobs that Match and Compare see have no Report yet; those that it returns do.
func (s *Store) List(ctx context.Context, tenant string, query reindex.JobQuery) (jobs []reindex.Job, total int, err error) {
	if jobs, err = s.all(ctx, tenant); err != nil {
		return nil, 0, fmt.Errorf("tenant %s: listing jobs: %w", tenant, err)
	}
	jobs, total = query.Select(jobs)
	return jobs, total, s.addReports(ctx, tenant, jobs)
}

// all returns the tenant's jobs without their reports, newest first.
func (s *Store) all(ctx context.Context, tenant string) (jobs []reindex.Job, err error) {
	rows, err := s.db.QueryContext(ctx, s.sql("SELECT "+columns+" FROM reindex_jobs WHERE tenant = ? ORDER BY fence DESC"), tenant)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		j, err := scan(rows, tenant)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, rows.Err()
}

// addReports completes jobs with their reports. A job that was forgotten in the meantime has none.
func (s *Store) addReports(ctx context.Context, tenant string, jobs []reindex.Job) error {
	for i := range jobs {
		var report []byte
		err := s.db.QueryRowContext(ctx, s.sql("SELECT report FROM reindex_jobs WHERE tenant = ? AND id = ?"), tenant, jobs[i].ID).Scan(&report)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(report, &jobs[i].Report)
		}
		if err != nil {
			return fmt.Errorf("tenant %s: reading the report of job %q: %w", tenant, jobs[i].ID, err)
		}
	}
	return nil
}
