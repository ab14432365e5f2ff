package jobsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Dialect is a kind of database.
type Dialect string

// The databases that a [Store] can use.
const (
	SQLite     Dialect = "sqlite"
	PostgreSQL Dialect = "postgresql"
)

// now is an expression for the database's time, in milliseconds since 1970.
func (d Dialect) now() string {
	if d == SQLite {
		return "CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)"
	}
	return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
}

// greatest is a function that returns the greatest of its arguments.
func (d Dialect) greatest() string {
	if d == SQLite {
		return "MAX"
	}
	return "GREATEST"
}

// writable is a condition that holds if the server takes writes.
func (d Dialect) writable() string {
	if d == SQLite {
		return "TRUE"
	}
	return "current_setting('transaction_read_only') = 'off'"
}

// bytes is the type of a column of bytes.
func (d Dialect) bytes() string {
	if d == SQLite {
		return "BLOB"
	}
	return "BYTEA"
}

// begin starts a transaction in which a statement sees everything committed before it. In SQLite no other one writes
// from its start on; in PostgreSQL that takes a lock, which the server takes away from a process that is stopped for
// longer than idle in the middle of the transaction.
func (d Dialect) begin(idle time.Duration) string {
	if d == SQLite {
		return "BEGIN IMMEDIATE"
	}
	return fmt.Sprintf("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = %d",
		idle.Milliseconds())
}

// sql translates a statement into the dialect: {now} stands for the database's time, {greatest}, {writable} and {bytes}
// for the results of the methods of these names, {clustered} for the option that stores a table's rows in the order of
// its key, and a question mark for a parameter.
func (d Dialect) sql(statement string) string {
	statement = strings.NewReplacer(
		"{now}", d.now(), "{greatest}", d.greatest(), "{writable}", d.writable(), "{bytes}", d.bytes(),
	).Replace(statement)
	if d == SQLite {
		return strings.ReplaceAll(statement, "{clustered}", " WITHOUT ROWID")
	}
	statement = strings.ReplaceAll(statement, "{clustered}", "")
	var b strings.Builder
	for i, part := range strings.Split(statement, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}

// session is the database, or one of its connections.
type session interface {
	ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row
}

func (s *Store) exec(ctx context.Context, q session, statement string, args ...any) error {
	_, err := q.ExecContext(ctx, s.cfg.Dialect.sql(statement), args...)
	return err
}

func (s *Store) queryRow(ctx context.Context, q session, statement string, args ...any) *sql.Row {
	return q.QueryRowContext(ctx, s.cfg.Dialect.sql(statement), args...)
}

// checkWaits makes sure that connections to SQLite wait for one another instead of failing at once.
func (s *Store) checkWaits(ctx context.Context) error {
	if s.cfg.Dialect != SQLite {
		return nil
	}
	var milliseconds int
	if err := s.db.QueryRowContext(ctx, "PRAGMA busy_timeout").Scan(&milliseconds); err != nil {
		return fmt.Errorf("reading SQLite's busy_timeout: %w", err)
	}
	if milliseconds == 0 {
		return errors.New("SQLite's busy_timeout is 0, so that writers at the same time fail: set it for all connections, " +
			"with modernc.org/sqlite by adding _pragma=busy_timeout(5000) to the database's name")
	}
	return nil
}
