package jobsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"productindex/reindex"
)

// The messages of jobs whose process has died. A job that had not begun to publish cannot have gone live.
const (
	messageDied          = "the process that ran the reindex did not renew the job's lease in time"
	messageDiedPublished = messageDied + "; it is not known whether the new index is live"
)

func died(status reindex.Status) string {
	if status == reindex.StatusPublished {
		return messageDiedPublished
	}
	return messageDied
}

// A job that has not ended is alive until its lease runs out, and then dead. On a read-only server no job counts as
// dead, because renewals arrive there late or never.
const (
	isAlive = "NOT ended AND lease_end >= {now}"
	isDead  = "NOT ended AND lease_end < {now} AND {writable}"
)

// columns are the columns that record.scan reads.
const columns = "id, entity_type, status, estimated, message, created, modified, fence, numbers, generation, " +
	"CASE WHEN " + isDead + " THEN lease_end ELSE 0 END"

// listsColumn selects the lists of the report. It follows columns.
const listsColumn = `(SELECT lists FROM reindex_job_lists l
	WHERE l.tenant = reindex_jobs.tenant AND l.fence = reindex_jobs.fence AND listed)`

// record is a row of reindex_jobs.
type record struct {
	job                       reindex.Job
	status, numbers           string
	created, modified, diedAt int64
	lists                     sql.NullString
}

// dest returns the destinations of columns, followed by that of listsColumn.
func (r *record) dest() []any {
	j := &r.job
	return []any{
		&j.ID,
		&j.EntityType,
		&r.status,
		&j.Estimated,
		&j.Message,
		&r.created,
		&r.modified,
		&j.Fence,
		&r.numbers,
		&j.Generation,
		&r.diedAt,
		&r.lists,
	}
}

// complete returns the job of the record. If the lease of the job has run out, the job is returned as the failure that
// bury will store.
func (r *record) complete(tenant string) (reindex.Job, error) {
	j := r.job
	j.Tenant, j.Status = tenant, reindex.Status(r.status)
	if r.diedAt != 0 {
		j.Status, j.Message, r.modified = reindex.StatusFailure, died(j.Status), r.diedAt*int64(time.Millisecond)
	}
	j.Created, j.Modified = time.Unix(0, r.created).UTC(), time.Unix(0, r.modified).UTC()
	if err := decodeNumbers(r.numbers, &j); err != nil {
		return reindex.Job{}, err
	}
	if j.Options.Rollback {
		j.Options.Generation = j.Generation
	}
	return j, decodeLists(r.lists.String, &j.Report)
}

// one returns the tenant's job that the condition selects, or [sql.ErrNoRows].
func (s *Store) one(ctx context.Context, q session, tenant, condition string, args ...any) (reindex.Job, error) {
	var r record
	row := s.queryRow(ctx, q, "SELECT "+columns+", "+listsColumn+" FROM reindex_jobs WHERE tenant = ? AND "+condition,
		append([]any{tenant}, args...)...)
	if err := row.Scan(r.dest()...); err != nil {
		return reindex.Job{}, err
	}
	return r.complete(tenant)
}

// Get implements [reindex.JobStore].
func (s *Store) Get(ctx context.Context, tenant, id string) (reindex.Job, error) {
	job, err := s.one(ctx, s.db, text(tenant), "id = ?", text(id))
	if errors.Is(err, sql.ErrNoRows) {
		err = reindex.ErrJobNotFound
	} else if err != nil {
		err = fmt.Errorf("reading the job from the database: %w", advise(err))
	}
	return job, ofJob(tenant, id, err)
}

// List implements [reindex.JobStore]. The Reports of the jobs that it passes to query.Match and query.Compare, and that
// it returns, have no Rejections, DuplicateIDs and Difference; Get returns them.
//
// If the query has a Match or a Compare, List reads all jobs of the tenant; otherwise it reads those of the page.
func (s *Store) List(
	ctx context.Context, tenant string, query reindex.JobQuery,
) (jobs []reindex.Job, total int, err error) {
	jobs, total, err = s.list(ctx, text(tenant), query)
	if err != nil {
		return nil, 0, fmt.Errorf("tenant %s: listing the jobs in the database: %w", tenant, advise(err))
	}
	return jobs, total, nil
}

func (s *Store) list(
	ctx context.Context, tenant string, query reindex.JobQuery,
) (jobs []reindex.Job, total int, err error) {
	if err := s.queryRow(ctx, s.db, "SELECT COUNT(*) FROM reindex_jobs WHERE tenant = ?", tenant).
		Scan(&total); err != nil {
		return nil, 0, err
	}
	if query.Match == nil && query.Compare == nil {
		first, last := query.Page(total)
		jobs, err = s.read(ctx, tenant, nil, last-first, first)
		return jobs, total, err
	}
	if jobs, err = s.read(ctx, tenant, query.Match, total, 0); err != nil {
		return nil, 0, err
	}
	query.Match = nil
	jobs, total = query.Select(jobs)
	return jobs, total, nil
}

// read reads up to limit jobs of the tenant, newest first, and returns those that match. A nil match matches all.
func (s *Store) read(
	ctx context.Context, tenant string, match func(reindex.Job) bool, limit, offset int,
) (jobs []reindex.Job, err error) {
	rows, err := s.db.QueryContext(ctx, s.cfg.Dialect.sql("SELECT "+columns+
		" FROM reindex_jobs WHERE tenant = ? ORDER BY fence DESC LIMIT ? OFFSET ?"), tenant, limit, offset)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	jobs = make([]reindex.Job, 0, limit)
	var r record
	dest := r.dest()
	dest = dest[:len(dest)-1] // without the lists
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		job, err := r.complete(tenant)
		if err != nil {
			return nil, ofJob(tenant, r.job.ID, err)
		}
		if match == nil || match(job) {
			jobs = append(jobs, job)
		}
	}
	return jobs, rows.Err()
}
