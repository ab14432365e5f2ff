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
	partWaiting = iota // it is in no queue yet
	partQueued         // River has it, or a process loads it
	partDone
	partFailed
)

// tables are the fleet's own.
const tables = `
CREATE TABLE IF NOT EXISTS reindex_fleet_runs (
	job        TEXT PRIMARY KEY,
	tenant     TEXT NOT NULL,
	queue      TEXT NOT NULL,     -- of the parts
	fence      BIGINT NOT NULL,   -- of the process that looks after the run
	generation TEXT NOT NULL,
	priority   SMALLINT NOT NULL
);
CREATE TABLE IF NOT EXISTS reindex_fleet_parts (
	job        TEXT NOT NULL REFERENCES reindex_fleet_runs (job) ON DELETE CASCADE,
	part       INT NOT NULL,
	queue      TEXT NOT NULL,
	name       TEXT NOT NULL,               -- of the source's part
	state      SMALLINT NOT NULL DEFAULT 0,
	owner      TEXT NOT NULL DEFAULT '',    -- the try that loads it
	lease_end  TIMESTAMPTZ,                 -- of the owner
	attempts   INT NOT NULL DEFAULT 0,
	river      BIGINT,                      -- River's job
	seen       TIMESTAMPTZ,                 -- when somebody has last had it in hand without owning it
	waits      TIMESTAMPTZ,                 -- since when somebody has it in hand and waits for the index
	counted    BIGINT[] NOT NULL DEFAULT '{0,0,0,0,0,0,0,0}', -- the numbers of its report
	lists      TEXT NOT NULL DEFAULT '{}',  -- what its report lists, a JSON object
	ids        BYTEA,                       -- hashes of the ids, 8 bytes each, in order
	failure    TEXT NOT NULL DEFAULT '{}',  -- why it failed, a JSON object
	PRIMARY KEY (job, part)
);
ALTER TABLE reindex_fleet_parts ADD COLUMN IF NOT EXISTS waits TIMESTAMPTZ; -- of a version without it
DROP INDEX IF EXISTS reindex_fleet_parts_owned;
CREATE INDEX IF NOT EXISTS reindex_fleet_parts_queued ON reindex_fleet_parts (queue) WHERE state = 1;
`

// migrationLock is the key of the advisory lock under which the tables are made.
const migrationLock = 7305808869231650146

// migrate makes River's tables and the fleet's own, one process at a time. River's steps need transactions of their
// own.
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
