// Package jobsql keeps jobs in SQLite or PostgreSQL through database/sql: they outlive the process, and several
// processes can share them. It imports no driver; the host opens the database with the one it uses.
//
//	db, err := sql.Open("pgx", "postgres://…") // of github.com/jackc/pgx/v5/stdlib; or, of modernc.org/sqlite:
//	db, err := sql.Open("sqlite", "file:jobs.db?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
//	jobs, err := jobsql.New(ctx, db, &jobsql.Config{Dialect: jobsql.PostgreSQL})
//	engine, err := reindex.New(source, index, &reindex.Config{Jobs: jobs})
//
// # Leases
//
// A job whose process has not renewed its lease in time (see [Config]) shows as a failure that says so, from that
// moment on, and is stored as one when the tenant's next job is created. The clock of the database decides, so those of
// the processes need not agree. A step of that clock lengthens or shortens the leases of the moment.
//
// # Failovers and poolers
//
// Every call can be made again, also one whose answer got lost: a job is created once, and ends once. Fencing tokens
// follow the database's clock, so that they grow also if an asynchronous standby takes over that has not got the last
// ones. A job that it has not got is [reindex.ErrJobNotFound], and its run ends at the next renewal of its lease.
//
// If another PostgreSQL server can take over, name all of them in the connection string and add
// target_session_attrs=read-write, so that new connections go to the one that takes writes:
//
//	host=db1,db2 dbname=shop target_session_attrs=read-write
//
// Connections to the old one may live on, read-only. They are closed when a write through them fails, and the next one
// is tried at once. Until then reads through them are out of date: limit that with db.SetConnMaxLifetime. On a server
// that is read-only no job shows as dead.
//
// Behind a pooler that shares connections by transaction, such as pgbouncer with pool_mode=transaction, statements that
// were prepared get lost. There, have pgx prepare none:
//
//	host=pgbouncer dbname=shop default_query_exec_mode=exec
//
// After a failover, the pooler's operator has to replace the pooler's own connections.
//
// # Changes of products
//
// [Store.Changes] is a log of changes in the same database:
//
//	changes, err := jobs.Changes(nil)
//	engine, err := reindex.New(source, index, &reindex.Config{Jobs: jobs, Changes: changes})
//
// Engine.Update then returns once the change is in the database. It is applied whatever becomes of the process, by any
// of the processes that share the database.
//
// # Tables
//
// [New] makes and migrates the tables reindex_schema, reindex_tenants, reindex_jobs and reindex_job_lists, and for
// changes of products reindex_logs, reindex_changes and reindex_change_pins. In PostgreSQL they are in the first schema
// of the connections' search_path. If they are up to date New changes nothing, so that a program can do without the
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
