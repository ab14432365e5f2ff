// Package jobsql keeps jobs in SQLite or PostgreSQL through database/sql. It imports no driver.
//
// Open SQLite with write-ahead logging and a busy timeout, for modernc.org/sqlite
// "file:jobs.db?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)".
package jobsql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"productindex/reindex"
)

// Dialect is the kind of a database.
type Dialect string

// The databases that a [Store] can use.
const (
	SQLite     Dialect = "sqlite"
	PostgreSQL Dialect = "postgresql"
)

// DefaultLease is how long a job is taken for alive by default.
const DefaultLease = 30 * time.Second

// rollbackTimeout limits how long undoing a transaction may take.
const rollbackTimeout = 5 * time.Second

// Config configures a [Store]. The zero value of each field stands for its default.
type Config struct {
	// Dialect is [SQLite] or [PostgreSQL]; there is no default.
	Dialect Dialect
	// Lease is how long a job is taken for alive after its last Create or Update, by the database's clock; by default [DefaultLease].
	// It is at least a millisecond.
	Lease time.Duration
	// Kept is how many ended jobs of a tenant are kept; by default [reindex.DefaultJobsKept].
	Kept int
}

// Store is a [reindex.JobStore] in a database that several processes can share. It is safe for concurrent use.
type Store struct {
	db  *sql.DB
	cfg Config
	now string // the SQL expression for the database's time, in milliseconds since 1970
}

var _ reindex.JobStore = (*Store)(nil)

// New creates the tables where they are missing and returns a store over db, which the caller closes after its last use.
func New(ctx context.Context, db *sql.DB, cfg *Config) (*Store, error) {
	c := Config{}
	if cfg != nil {
		c = *cfg
	}
	if c.Lease == 0 {
		c.Lease = DefaultLease
	}
	if c.Kept == 0 {
		c.Kept = reindex.DefaultJobsKept
	}
	if c.Lease < time.Millisecond || c.Kept < 0 {
		return nil, fmt.Errorf("jobsql: lease %v and kept %d must be positive", c.Lease, c.Kept)
	}
	s := &Store{db: db, cfg: c}
	switch c.Dialect {
	case SQLite:
		s.now = "CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)"
	case PostgreSQL:
		s.now = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
	default:
		return nil, fmt.Errorf("jobsql: Config.Dialect is %q, want %q or %q", c.Dialect, SQLite, PostgreSQL)
	}
	if err := s.migrate(ctx); err != nil {
		return nil, fmt.Errorf("jobsql: creating the tables: %w", err)
	}
	return s, nil
}

// Lease returns Config.Lease.
func (s *Store) Lease() time.Duration { return s.cfg.Lease }

// transact runs fn in a transaction that, in SQLite, is the only one that writes from its start on.
func (s *Store) transact(ctx context.Context, fn func(c *sql.Conn) error) (err error) {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	begin := "BEGIN"
	if s.cfg.Dialect == SQLite {
		begin = "BEGIN IMMEDIATE"
	}
	if _, err := c.ExecContext(ctx, begin); err != nil {
		return err
	}
	err = fn(c)
	if err == nil {
		_, err = c.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		if _, failed := c.ExecContext(undo, "ROLLBACK"); failed != nil {
			_ = c.Raw(func(any) error { return driver.ErrBadConn }) // no later user may find it in a transaction
		}
	}
	return err
}

// sql numbers the question marks of a statement as the dialect wants them, and fills in NOW.
func (s *Store) sql(statement string) string {
	statement = strings.ReplaceAll(statement, "NOW", s.now)
	if s.cfg.Dialect == SQLite {
		return statement
	}
	var b strings.Builder
	for i, part := range strings.Split(statement, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}

// version is that of the tables that this package knows.
const version = 1

var tables = []string{
	`CREATE TABLE IF NOT EXISTS reindex_tenants (tenant TEXT PRIMARY KEY, fence BIGINT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS reindex_jobs (tenant TEXT NOT NULL, id TEXT NOT NULL, entity_type TEXT NOT NULL, status TEXT NOT NULL,
		expected BIGINT NOT NULL, estimated BOOLEAN NOT NULL, processed BIGINT NOT NULL, message TEXT NOT NULL, created BIGINT NOT NULL,
		modified BIGINT NOT NULL, fence BIGINT NOT NULL, ended BOOLEAN NOT NULL, cancelled BOOLEAN NOT NULL, lease_end BIGINT NOT NULL,
		report TEXT NOT NULL, PRIMARY KEY (tenant, id))`,
	`CREATE INDEX IF NOT EXISTS reindex_jobs_order ON reindex_jobs (tenant, fence)`,
	`CREATE UNIQUE INDEX IF NOT EXISTS reindex_jobs_unfinished ON reindex_jobs (tenant, entity_type) WHERE NOT ended`,
}

func (s *Store) migrate(ctx context.Context) error {
	return s.transact(ctx, func(c *sql.Conn) error {
		if s.cfg.Dialect == PostgreSQL {
			if _, err := c.ExecContext(ctx, "SELECT pg_advisory_xact_lock(7305808869231650145)"); err != nil {
				return err
			}
		}
		if _, err := c.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS reindex_schema (version BIGINT NOT NULL)"); err != nil {
			return err
		}
		var found int
		if err := c.QueryRowContext(ctx, "SELECT COALESCE(MAX(version), 0) FROM reindex_schema").Scan(&found); err != nil {
			return err
		}
		if found > version {
			return fmt.Errorf("the database has schema version %d, this program knows %d: use a newer program", found, version)
		}
		if found == version {
			return nil
		}
		for _, t := range tables {
			if _, err := c.ExecContext(ctx, t); err != nil {
				return err
			}
		}
		_, err := c.ExecContext(ctx, s.sql("INSERT INTO reindex_schema (version) VALUES (?)"), version)
		return err
	})
}
