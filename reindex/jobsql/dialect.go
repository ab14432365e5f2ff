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

// writable is a condition that holds if the server accepts writes.
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

// begin returns the statement that starts a transaction whose statements see everything committed before them. In
// SQLite no other transaction writes until it ends. In PostgreSQL the transaction excludes others by locking rows; if
// the process stops in the middle of it for longer than idle, the server ends the transaction and frees the locks.
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

// checkWaits returns an error if connections to SQLite do not wait for one another, but fail at once.
func (s *Store) checkWaits(ctx context.Context) error {
	if s.cfg.Dialect != SQLite {
		return nil
	}
	var milliseconds int
	if err := s.db.QueryRowContext(ctx, "PRAGMA busy_timeout").Scan(&milliseconds); err != nil {
		return fmt.Errorf("reading SQLite's busy_timeout: %w", err)
	}
	if milliseconds == 0 {
		return errors.New("SQLite's busy_timeout is 0, so that concurrent writers fail: set it for all connections; " +
			"for modernc.org/sqlite add _pragma=busy_timeout(5000) to the name of the database")
	}
	return nil
}
