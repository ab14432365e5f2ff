package jobsql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The SQLSTATEs that a store handles.
const (
	stateReadOnly       = "25006" // read_only_sql_transaction
	stateStopped        = "25P03" // idle_in_transaction_session_timeout
	stateNoStatement    = "26000" // invalid_sql_statement_name
	stateStatementTwice = "42P05" // duplicate_prepared_statement
	adviceReadOnly      = "the server is read-only: if it was the primary until a failover, name all servers in " +
		"the connection string and add target_session_attrs=read-write"
	adviceNoPreparedState = "the connection does not have the prepared statement: behind a pooler that shares " +
		"connections by transaction, add default_query_exec_mode=exec to the connection string of pgx"
)

// errReadOnly reports that a read-only server, which may lack the last writes, was asked for a current state.
var errReadOnly = errors.New(adviceReadOnly)

// hasState reports whether the database failed with one of the SQLSTATEs.
func hasState(err error, states ...string) bool {
	var failure interface{ SQLState() string } // pgx and lib/pq implement it
	return errors.As(err, &failure) && slices.Contains(states, failure.SQLState())
}

// advise adds advice for the operator to an error that misconfiguration can cause.
func advise(err error) error {
	switch {
	case hasState(err, stateReadOnly):
		return fmt.Errorf("%w (%s)", err, adviceReadOnly)
	case hasState(err, stateNoStatement, stateStatementTwice):
		return fmt.Errorf("%w (%s)", err, adviceNoPreparedState)
	}
	return err
}

// withConn runs f on a connection of its own.
//
// After a failover, useless connections to the old primary can stay in the pool. Therefore withConn closes a connection
// that is broken or whose server is read-only, and runs f on the next one, until it has tried as many as were open. f
// must be safe to repeat: if a connection breaks before the answer to a COMMIT, a driver may report that it was broken
// before the COMMIT.
func (s *Store) withConn(ctx context.Context, f func(c *sql.Conn) error) error {
	for others := s.db.Stats().OpenConnections; ; others-- {
		err := s.once(ctx, f)
		if others <= 0 || ctx.Err() != nil || !isUseless(err) {
			return advise(err)
		}
	}
}

// isUseless reports whether err shows that its connection cannot store anything.
func isUseless(err error) bool {
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, errReadOnly) || hasState(err, stateReadOnly, stateStopped)
}

func (s *Store) once(ctx context.Context, f func(c *sql.Conn) error) error {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err = f(c); isUseless(err) {
		discard(c)
	}
	return err
}

// discard closes a connection instead of returning it to the pool.
func discard(c *sql.Conn) { _ = c.Raw(func(any) error { return driver.ErrBadConn }) }

// endTimeout limits how long the end of a transaction may take.
const endTimeout = 5 * time.Second

// minIdle is the shortest time after which the server ends a transaction of a process that has stopped in the middle of
// it.
const minIdle = time.Second

// transact runs f in a transaction on a connection of its own, and again on another connection if that one cannot store
// anything. If f fails, nothing is stored.
func (s *Store) transact(ctx context.Context, f func(tx session) error) error {
	err := s.withConn(ctx, func(c *sql.Conn) error {
		_, err := c.ExecContext(ctx, s.cfg.Dialect.begin(min(max(s.cfg.Lease, minIdle), DefaultLease)))
		if err == nil {
			err = f(c)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = commit(ctx, c)
		}
		if err != nil {
			undo(ctx, c)
		}
		return err
	})
	if cause := ctx.Err(); err != nil && cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err) // a driver may report only that the connection failed
	}
	return err
}

// commit commits a transaction. It continues if the caller's context is cancelled, because otherwise the outcome would
// not be known, but ends at the context's deadline.
func commit(ctx context.Context, c *sql.Conn) error {
	deadline := time.Now().Add(endTimeout)
	if end, ok := ctx.Deadline(); ok && end.Before(deadline) {
		deadline = end
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	_, err := c.ExecContext(ctx, "COMMIT")
	return err
}

// undo rolls a transaction back. If that fails it discards the connection, so that no connection in the middle of a
// transaction returns to the pool.
func undo(ctx context.Context, c *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if _, err := c.ExecContext(ctx, "ROLLBACK"); err != nil {
		discard(c)
	}
}
