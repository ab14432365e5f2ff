package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// The states of a part.
const (
	partWaiting = iota // not enqueued yet
	partQueued         // enqueued in River or being loaded
	partDone
	partFailed
)

// tables creates and updates the tables of the fleet.
const tables = `
CREATE TABLE IF NOT EXISTS reindex_fleet_runs (
	job        TEXT PRIMARY KEY,
	tenant     TEXT NOT NULL,
	queue      TEXT NOT NULL,     -- the queue of the parts
	fence      BIGINT NOT NULL,   -- the token of the process that supervises the run
	generation TEXT NOT NULL,
	priority   SMALLINT NOT NULL
);
CREATE TABLE IF NOT EXISTS reindex_fleet_parts (
	job        TEXT NOT NULL REFERENCES reindex_fleet_runs (job) ON DELETE CASCADE,
	part       INT NOT NULL,
	queue      TEXT NOT NULL,
	name       TEXT NOT NULL,               -- the source's name of the part
	state      SMALLINT NOT NULL DEFAULT 0,
	owner      TEXT NOT NULL DEFAULT '',    -- the attempt that loads it, or empty
	lease_end  TIMESTAMPTZ,                 -- the end of the owner's lease
	attempts   INT NOT NULL DEFAULT 0,
	river      BIGINT,                      -- the id of the River job
	seen       TIMESTAMPTZ,                 -- the last time at which it was enqueued, or held without an owner
	waits      TIMESTAMPTZ,                 -- the time since which a process waits with it for the index
	counted    BIGINT[] NOT NULL DEFAULT '{0,0,0,0,0,0,0,0}', -- the numbers of its report
	lists      TEXT NOT NULL DEFAULT '{}',  -- the lists of its report, a JSON object
	ids        BYTEA,                       -- hashes of the ids, 8 bytes each, in order
	failure    TEXT NOT NULL DEFAULT '{}',  -- the reason why it failed, a JSON object
	PRIMARY KEY (job, part)
);
ALTER TABLE reindex_fleet_parts ADD COLUMN IF NOT EXISTS waits TIMESTAMPTZ; -- for tables of an older version
DROP INDEX IF EXISTS reindex_fleet_parts_owned;
CREATE INDEX IF NOT EXISTS reindex_fleet_parts_queued ON reindex_fleet_parts (queue) WHERE state = 1;
`

// migrationLock is the key of the advisory lock under which the tables are created.
const migrationLock = 7305808869231650146

// migrate creates the tables of River and of the fleet. It excludes other processes with a lock of the session, because
// River's migrations need transactions of their own.
func migrate(ctx context.Context, pool *pgxpool.Pool) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("fleet: preparing the tables: %w", err)
		}
	}()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return err
	}
	defer func() {
		_, unlocking := conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(migrationLock))
		err = errors.Join(err, unlocking)
	}()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, tables)
	return err
}
