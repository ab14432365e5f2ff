// Package jobsql keeps jobs in SQLite or PostgreSQL through database/sql, where they outlive the process and can be
// shared by several processes. It imports no driver: the host opens the database.
//
//	db, err := sql.Open("pgx", "postgres://…") // of github.com/jackc/pgx/v5/stdlib; or, of modernc.org/sqlite:
//	db, err := sql.Open("sqlite", "file:jobs.db?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
//	jobs, err := jobsql.New(ctx, db, &jobsql.Config{Dialect: jobsql.PostgreSQL})
//	engine, err := reindex.New(source, index, &reindex.Config{Jobs: jobs})
//
// # Leases
//
// If the process of a job has not renewed its lease in time (see [Config]), the job is shown as a failure that says so.
// It is stored as a failure when the tenant's next job is created. Only the clock of the database counts, so those of
// the processes need not agree. A step of that clock lengthens or shortens the current leases.
//
// # Failovers and poolers
//
// Every call can be repeated, also one whose answer was lost: a job is created once, and ends once. Fencing tokens
// follow the clock of the database. Therefore they also grow if an asynchronous standby takes over that lacks the last
// ones. For a job that the standby lacks, the error is [reindex.ErrJobNotFound], and the run ends at the next renewal
// of its lease.
//
// If another PostgreSQL server can take over, name all of them in the connection string and add
// target_session_attrs=read-write, so that new connections go to the server that accepts writes:
//
//	host=db1,db2 dbname=shop target_session_attrs=read-write
//
// Connections to the old server may stay open, read-only. When a write through such a connection fails, the connection
// is closed and the next one is tried at once. Until then, reads through it are out of date; db.SetConnMaxLifetime
// limits the time. On a read-only server no job is shown as dead.
//
// Behind a pooler that shares connections by transaction, such as pgbouncer with pool_mode=transaction, prepared
// statements get lost. There, configure pgx not to prepare statements:
//
//	host=pgbouncer dbname=shop default_query_exec_mode=exec
//
// After a failover, the operator of the pooler must replace its connections.
//
// # Changes of products
//
// [Store.Changes] is a log of changes in the same database:
//
//	changes, err := jobs.Changes(nil)
//	engine, err := reindex.New(source, index, &reindex.Config{Jobs: jobs, Changes: changes})
//
// Engine.Update then returns once the change is in the database. Any of the processes that share the database applies
// it, even if this process dies.
//
// # Tables
//
// [New] makes and migrates the tables reindex_schema, reindex_tenants, reindex_jobs and reindex_job_lists, and for
// changes of products reindex_logs, reindex_changes and reindex_change_pins. In PostgreSQL they are in the first schema
// of the connections' search_path. If they are up to date, New changes nothing, so that a program does not need the
// right to create tables. SQLite 3.42 or later is needed, in a file: a database in memory is another one on each
// connection.
package jobsql

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"productindex/reindex"
)

// The defaults and the limit of [Config].
const (
	DefaultLease   = 30 * time.Second
	MinLease       = 100 * time.Millisecond
	DefaultHistory = 1000
)

// Config configures a [Store]. The zero value of each field but Dialect stands for its default. [New] copies it.
type Config struct {
	// Dialect is [SQLite] or [PostgreSQL]; there is no default.
	Dialect Dialect
	// Lease is how long a job counts as alive after its last Create or Renew. An engine renews it four times in that
	// time. Default [DefaultLease], at least [MinLease].
	Lease time.Duration
	// History is the number of ended jobs of a tenant that are kept; older ones are deleted when a job is created and when
	// one ends. Default [DefaultHistory].
	History int
}

// withDefaults returns a copy of c in which every field that has a default, and is not set, has it.
func (c *Config) withDefaults() Config {
	var out Config
	if c != nil {
		out = *c
	}
	out.Lease = cmp.Or(out.Lease, DefaultLease)
	out.History = cmp.Or(out.History, DefaultHistory)
	return out
}

// validate reports every setting of a config with defaults that is not valid.
func (c *Config) validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Dialect != SQLite && c.Dialect != PostgreSQL {
		refuse("Dialect is %q, it must be %q or %q", c.Dialect, SQLite, PostgreSQL)
	}
	if c.Lease < MinLease {
		refuse("Lease is %v, it must be at least %v", c.Lease, MinLease)
	}
	if c.History < 1 {
		refuse("History is %d, it must be positive", c.History)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("jobsql: invalid config: %w", err)
	}
	return nil
}

// Store is a [reindex.JobStore] in a database. It is safe for concurrent use, also by several processes.
type Store struct {
	db  *sql.DB
	cfg Config
}

var (
	_ reindex.JobStore     = (*Store)(nil)
	_ reindex.TenantLister = (*Store)(nil)
)

// New makes or migrates the tables, if that is needed, and returns a store over db, which the caller closes after
// its last use. Of several processes that start at once, one migrates and the others wait.
//
// The error names every setting that is not valid. If the tables are newer than this package, it says so and nothing is
// changed.
func New(ctx context.Context, db *sql.DB, cfg *Config) (*Store, error) {
	if db == nil {
		return nil, errors.New("jobsql: New needs a database")
	}
	c := cfg.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	s := &Store{db: db, cfg: c}
	if err := s.checkWaits(ctx); err != nil {
		return nil, fmt.Errorf("jobsql: %w", err)
	}
	if err := s.migrate(ctx, len(steps)); err != nil {
		return nil, fmt.Errorf("jobsql: preparing the tables: %w", err)
	}
	return s, nil
}

// Lease returns Config.Lease.
func (s *Store) Lease() time.Duration { return s.cfg.Lease }
