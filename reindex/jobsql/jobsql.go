// Package jobsql keeps jobs in SQLite or PostgreSQL through database/sql, where they outlive the process and can be
// shared by several processes. It imports no driver: the host opens the database.
//
//	db, err := sql.Open("pgx", "postgres://…") // with github.com/jackc/pgx/v5/stdlib
//	// or, with modernc.org/sqlite:
//	db, err := sql.Open("sqlite", "file:jobs.db?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
//	jobs, err := jobsql.New(ctx, db, &jobsql.Config{Dialect: jobsql.PostgreSQL})
//	engine, err := reindex.New(source, index, &reindex.Config{Jobs: jobs})
//
// # Leases
//
// If the process of a job does not renew the job's lease in time (see [Config]), Get and List return the job as a
// failure whose message says so. The failure is stored when the tenant's next job is created. Only the clock of the
// database counts, so the clocks of the processes need not agree. A step of the database's clock lengthens or shortens
// the current leases.
//
// # Failovers and poolers
//
// Every call can be repeated, even if its answer was lost: a job is created once and ends once. Fencing tokens follow
// the clock of the database. Therefore they also grow if a standby that lacks the last tokens takes over. If the
// standby lacks a job, calls for it return [reindex.ErrJobNotFound], and its run ends at the next renewal of its lease.
//
// If another PostgreSQL server can take over, name all servers in the connection string and add
// target_session_attrs=read-write, so that new connections go to the server that accepts writes:
//
//	host=db1,db2 dbname=shop target_session_attrs=read-write
//
// Connections to the old server may stay open although the server is read-only. When a write through such a connection
// fails, the store closes the connection and tries the next one at once. Until then, reads through it are out of date;
// db.SetConnMaxLifetime limits that time. On a read-only server no job is reported as dead.
//
// A pooler that shares connections by transaction, such as pgbouncer with pool_mode=transaction, loses prepared
// statements. Behind such a pooler, configure pgx not to prepare statements:
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
// Engine.Update then returns once the change is in the database. One of the processes that share the database applies
// the change, even if the process that accepted it dies.
//
// # Tables
//
// [New] creates and migrates the tables reindex_schema, reindex_tenants, reindex_jobs and reindex_job_lists, and for
// changes of products reindex_logs, reindex_changes and reindex_change_pins. In PostgreSQL they are in the first schema
// of the connections' search_path. If they are up to date, New changes nothing, so that a program does not need the
// right to create tables. SQLite must be version 3.42 or later and its database must be a file, because each connection
// to a database in memory has a database of its own.
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

// Config configures a [Store]. The zero value of each field except Dialect stands for its default. [New] copies it.
type Config struct {
	// Dialect is [SQLite] or [PostgreSQL]; there is no default.
	Dialect Dialect
	// Lease is the time for which a job counts as alive after its last Create or Renew. An engine renews the lease four
	// times in that time. Default [DefaultLease], at least [MinLease].
	Lease time.Duration
	// History is the number of ended jobs that are kept per tenant. Older ones are deleted when a job is created or
	// ends. Default [DefaultHistory].
	History int
}

// withDefaults returns a copy of c whose unset fields have their defaults.
func (c *Config) withDefaults() Config {
	var out Config
	if c != nil {
		out = *c
	}
	out.Lease = cmp.Or(out.Lease, DefaultLease)
	out.History = cmp.Or(out.History, DefaultHistory)
	return out
}

// validate returns an error that names every setting that is not valid. The defaults must have been set.
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

// New creates or migrates the tables if necessary, and returns a store over db. The caller closes db after the last use
// of the store. If several processes start at once, one of them migrates and the others wait.
//
// The error names every setting that is not valid. If the tables are newer than this package, New returns an error that
// says so and changes nothing.
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
