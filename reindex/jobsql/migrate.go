package jobsql

import (
	"context"
	"fmt"
)

// steps are the statements that migrate the tables from each version to the next. The first step creates the tables.
// A step never changes after its release.
var steps = [][]string{
	{
		`CREATE TABLE reindex_tenants (
			tenant TEXT NOT NULL PRIMARY KEY,
			fence  BIGINT NOT NULL -- the greatest that a job has received; it outlives the jobs
		)`,
		`CREATE TABLE reindex_jobs (
			tenant      TEXT NOT NULL,
			fence       BIGINT NOT NULL,
			id          TEXT NOT NULL,
			entity_type TEXT NOT NULL,
			status      TEXT NOT NULL,
			ended       BOOLEAN NOT NULL,
			cancelled   BOOLEAN NOT NULL, -- a cancellation was requested
			lease_end   BIGINT NOT NULL,  -- milliseconds since 1970, by the database's clock
			estimated   BOOLEAN NOT NULL, -- the expected number is an estimate
			message     TEXT NOT NULL,
			created     BIGINT NOT NULL,  -- nanoseconds since 1970
			modified    BIGINT NOT NULL,
			numbers     TEXT NOT NULL,    -- the numbers of the job and of its report, a JSON array
			PRIMARY KEY (tenant, fence)
		){clustered}`,
		`CREATE UNIQUE INDEX reindex_jobs_id ON reindex_jobs (tenant, id)`,
		`CREATE UNIQUE INDEX reindex_jobs_unfinished ON reindex_jobs (tenant, entity_type) WHERE NOT ended`,
	},
	{ // The lists of a report have a table of their own, so that listing jobs does not read them. The column listed says
		// whether the table has a row for the job.
		`ALTER TABLE reindex_jobs ADD COLUMN listed BOOLEAN NOT NULL DEFAULT FALSE`,
		`CREATE TABLE reindex_job_lists (
			tenant TEXT NOT NULL,
			fence  BIGINT NOT NULL,
			lists  TEXT NOT NULL, -- a JSON object
			PRIMARY KEY (tenant, fence)
		)`,
	},
	{ // Changes of single products.
		`CREATE TABLE reindex_logs (
			log        TEXT NOT NULL, -- the name of the log
			tenant     TEXT NOT NULL,
			head       BIGINT NOT NULL, -- the last position that was assigned
			applied    BIGINT NOT NULL, -- the position up to which the live index is current
			lost       BIGINT NOT NULL, -- the position up to which changes have been deleted
			bytes      BIGINT NOT NULL, -- the size of the changes that are kept
			holder     TEXT NOT NULL,   -- the holder of the claim, or empty
			fence      BIGINT NOT NULL,
			claim_end  BIGINT NOT NULL, -- milliseconds since 1970, by the database's clock
			wanted_by  TEXT NOT NULL,   -- the next holder, whose claim is urgent
			wanted_end BIGINT NOT NULL,
			refused    TEXT NOT NULL,   -- the last refused changes, a JSON array
			PRIMARY KEY (log, tenant)
		){clustered}`,
		`CREATE TABLE reindex_changes (
			log      TEXT NOT NULL,
			tenant   TEXT NOT NULL,
			position BIGINT NOT NULL,
			id       TEXT NOT NULL,
			deleted  BOOLEAN NOT NULL,
			body     {bytes},         -- NULL if the change has none
			size     BIGINT NOT NULL, -- of id and body
			accepted BIGINT NOT NULL, -- milliseconds since 1970, by the database's clock
			PRIMARY KEY (log, tenant, position)
		)`,
		`CREATE TABLE reindex_change_pins (
			log      TEXT NOT NULL,
			tenant   TEXT NOT NULL,
			name     TEXT NOT NULL,
			position BIGINT NOT NULL, -- the position after which changes are kept
			pin_end  BIGINT NOT NULL, -- in the unit of claim_end; 0 means never
			PRIMARY KEY (log, tenant, name)
		){clustered}`,
	},
	{ // The name of the generation that a job fills or rolls back to.
		`ALTER TABLE reindex_jobs ADD COLUMN generation TEXT NOT NULL DEFAULT ''`,
	},
}

// migrationLock is the key of the advisory lock in PostgreSQL under which the tables are changed.
const migrationLock = 7305808869231650145

// migrate migrates the tables to a version.
func (s *Store) migrate(ctx context.Context, version int) error {
	return s.transact(ctx, func(tx session) error {
		if s.cfg.Dialect == PostgreSQL {
			if err := s.exec(ctx, tx, "SELECT pg_advisory_xact_lock(?)", int64(migrationLock)); err != nil {
				return err
			}
		}
		found, err := s.version(ctx, tx)
		if err != nil {
			return err
		}
		if found > len(steps) {
			return fmt.Errorf("the tables have version %d, but this program supports versions up to %d: "+
				"a newer program has migrated them; run that program or use another database", found, len(steps))
		}
		for v := found + 1; v <= version; v++ {
			if err := s.step(ctx, tx, v); err != nil {
				return fmt.Errorf("migrating the tables to version %d: %w", v, err)
			}
		}
		return nil
	})
}

// version returns the version of the tables, or 0 if they do not exist.
func (s *Store) version(ctx context.Context, tx session) (version int, err error) {
	exists := "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'reindex_schema')"
	if s.cfg.Dialect == PostgreSQL {
		exists = "SELECT to_regclass('reindex_schema') IS NOT NULL"
	}
	var found bool
	if err := tx.QueryRowContext(ctx, exists).Scan(&found); err != nil || !found {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(version), 0) FROM reindex_schema").Scan(&version)
	return version, err
}

// step migrates the tables from the previous version to this one.
func (s *Store) step(ctx context.Context, tx session, version int) error {
	statements := steps[version-1]
	if version == 1 {
		statements = append([]string{"CREATE TABLE reindex_schema (version BIGINT NOT NULL PRIMARY KEY)"}, statements...)
	}
	for _, statement := range statements {
		if err := s.exec(ctx, tx, statement); err != nil {
			return err
		}
	}
	return s.exec(ctx, tx, "INSERT INTO reindex_schema (version) VALUES (?)", version)
}
