package sqlsource

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/fnv"
	"time"
)

// outboxLink is the connection over which an outbox is followed. It holds the lock of the outbox and listens on its
// channel. On SQLite, which has no such locks, it is any connection of the pool.
type outboxLink struct {
	linkQuerier

	conn *sql.Conn // nil on SQLite
	end  func()
}

// linkQuerier is implemented by *sql.DB and *sql.Conn.
type linkQuerier interface {
	querier

	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	BeginTx(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error)
}

// errOther reports that another Follow holds the lock.
var errOther = errors.New("another process follows the outbox")

// connect opens a link. If another Follow holds the lock, it returns errOther at once.
func (f *follower) connect(ctx context.Context) (*outboxLink, error) {
	if f.outbox.Dialect == SQLite {
		return &outboxLink{linkQuerier: f.db, end: func() {}}, nil
	}
	if err := hold(f.db); err != nil {
		return nil, err
	}
	conn, err := f.db.Conn(ctx)
	if err != nil {
		release(f.db)
		return nil, fmt.Errorf("connecting: %w", err)
	}
	link := &outboxLink{linkQuerier: conn, conn: conn, end: func() {
		// The end of the session releases the lock and the channel in any state of the connection.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		_ = conn.Close()
		release(f.db)
	}}
	if err := link.lock(ctx, f.outbox); err != nil {
		link.end()
		return nil, err
	}
	return link, nil
}

// lock takes the lock of the outbox and listens on its channel.
func (l *outboxLink) lock(ctx context.Context, o Outbox) error {
	name := "productindex outbox " + o.Table
	query := "SELECT coalesce(GET_LOCK(SHA1(CONCAT_WS(' ', DATABASE(), ?)), 0), 0)"
	arg := any(name)
	if o.Dialect == PostgreSQL {
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(name)) // never fails
		query = "SELECT CASE WHEN pg_try_advisory_lock($1) THEN 1 ELSE 0 END"
		arg = int64(sum.Sum64()) //nolint:gosec // any number is valid
	}
	var got int
	if err := l.QueryRowContext(ctx, query, arg).Scan(&got); err != nil {
		return fmt.Errorf("locking the outbox: %w", err)
	}
	if got == 0 {
		return errOther
	}
	if o.Channel == "" {
		return nil
	}
	if _, err := l.ExecContext(ctx, "LISTEN "+o.Dialect.quote(o.Channel)); err != nil {
		return fmt.Errorf("listening on channel %q: %w", o.Channel, err)
	}
	return nil
}

// drainTime is the time for which further notifications are collected after the first one, so that they lead to one
// read.
const drainTime = 5 * time.Millisecond

// wait waits for a time, or for a notification.
func (l *outboxLink) wait(ctx context.Context, o Outbox, d time.Duration) error {
	if o.WaitForNotification == nil {
		pause(ctx, d)
		return nil
	}
	return l.conn.Raw(func(conn any) error {
		err := notification(ctx, o, conn, d)
		for until := time.Now().Add(drainTime); err == nil && time.Now().Before(until); {
			err = notification(ctx, o, conn, time.Until(until))
		}
		if errors.Is(err, errSilence) {
			return nil
		}
		return err
	})
}

// errSilence reports that no notification came.
var errSilence = errors.New("no notification")

func notification(ctx context.Context, o Outbox, conn any, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	err := o.WaitForNotification(ctx, conn)
	if err != nil && ctx.Err() != nil {
		return errSilence
	}
	if err != nil {
		return fmt.Errorf("waiting for a notification: %w", err)
	}
	return nil
}

// removeTimeout limits the time in which rows are deleted.
const removeTimeout = 10 * time.Second

// remove deletes rows, even if ctx has ended, so that accepted changes are not passed to update again.
func (l *outboxLink) remove(ctx context.Context, o Outbox, sequences []int64) error {
	if len(sequences) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	tx, err := l.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("deleting rows: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	result, err := tx.ExecContext(ctx, o.deleteSQL(sequences))
	if err != nil {
		return fmt.Errorf("deleting rows: %w", err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf("deleting rows: %w", err)
	}
	if n > int64(len(sequences)) {
		return &fatalError{
			fmt.Errorf("column %q is not unique: %d rows have the %d sequences of the batch", o.Sequence, n, len(sequences)),
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("deleting rows: %w", err)
	}
	return nil
}
