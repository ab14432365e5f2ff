package sqlsource

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// rollbackTimeout limits the time in which a transaction is rolled back.
const rollbackTimeout = 10 * time.Second

// session is a read-only transaction whose statements all see the same state. It runs one statement at a time.
type session struct {
	querier

	turn chan struct{}
	end  func() // frees the connection
}

// querier is implemented by *sql.Tx and *sql.Conn.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// begin begins a transaction, which ends with ctx or with session.end.
func (s *Source) begin(ctx context.Context) (*session, error) {
	if s.cfg.Dialect == MySQL {
		return s.beginMySQL(ctx)
	}
	opts := &sql.TxOptions{ReadOnly: true}
	if s.cfg.Dialect == PostgreSQL {
		opts.Isolation = sql.LevelRepeatableRead
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("beginning a transaction: %w", err)
	}
	tx, err := conn.BeginTx(ctx, opts)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("beginning a transaction: %w", err)
	}
	end := func() {
		// The transaction has only read, so an error loses nothing, and the driver drops a connection on which a rollback
		// fails. If ctx has ended, database/sql rolls back by itself, and Close waits for the end of that.
		_ = tx.Rollback()
		_ = conn.Close()
	}
	return newSession(tx, end), nil
}

// beginMySQL begins a transaction and takes its snapshot at once. By default the first statement that reads a table
// would take it.
func (s *Source) beginMySQL(ctx context.Context) (*session, error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("beginning a transaction: %w", err)
	}
	end := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		// An error loses nothing; see begin.
		_, _ = conn.ExecContext(ctx, "ROLLBACK")
		_ = conn.Close()
	}
	for _, statement := range []string{
		"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
		"START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			end()
			return nil, fmt.Errorf("beginning a transaction: %w", err)
		}
	}
	return newSession(conn, end), nil
}

func newSession(q querier, end func()) *session {
	return &session{querier: q, turn: make(chan struct{}, 1), end: end}
}

// use waits until no other statement runs. The caller must call done after its own. If ctx has ended, use returns its
// error, because a driver that is cancelled within a statement drops the connection.
func (s *session) use(ctx context.Context) (done func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// scalar reads the single value of a query's first row into dest.
func (s *session) scalar(ctx context.Context, dest any, query string, args ...any) error {
	found, err := s.first(ctx, []any{dest}, query, args...)
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return err
}

// exists reports whether the query returns a row.
func (s *session) exists(ctx context.Context, query string, args ...any) (bool, error) {
	return s.first(ctx, nil, query, args...)
}

// each calls visit with the value of each row.
func (s *session) each(ctx context.Context, query string, args []any, visit func(cell) error) error {
	done, err := s.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	rows, err := s.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var c cell
		if err := rows.Scan(&c); err != nil {
			return err
		}
		if err := visit(c); err != nil {
			return err
		}
	}
	return rows.Err()
}

// first reads the first row into dest, unless there is no row or dest is nil.
func (s *session) first(ctx context.Context, dest []any, query string, args ...any) (bool, error) {
	done, err := s.use(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	rows, err := s.QueryContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return false, rows.Err()
	}
	if dest != nil {
		if err := rows.Scan(dest...); err != nil {
			return false, err
		}
	}
	return true, rows.Close()
}
