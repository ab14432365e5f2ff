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

// outboxLink is the connection over which an outbox is followed: one of its own, which holds the lock of the outbox and
// listens, or any of the pool on SQLite, which has no such locks.
type outboxLink struct {
	linkQuerier

	conn *sql.Conn // nil: any
	end  func()
}

// linkQuerier is what *sql.DB and *sql.Conn have in common.
type linkQuerier interface {
	querier

	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	BeginTx(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error)
}

// errOther: another Follow has the lock.
var errOther = errors.New("the outbox is followed already")

// connect waits for nothing: if another Follow has the lock, it returns errOther.
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
		// The end of the session gives back the lock and the channel, whatever state it is in.
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

// lock takes the outbox's lock and listens to its channel.
func (l *outboxLink) lock(ctx context.Context, o Outbox) error {
	name := "productindex outbox " + o.Table
	query := "SELECT coalesce(GET_LOCK(SHA1(CONCAT_WS(' ', DATABASE(), ?)), 0), 0)"
	arg := any(name)
	if o.Dialect == PostgreSQL {
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(name)) // which never fails
		query = "SELECT CASE WHEN pg_try_advisory_lock($1) THEN 1 ELSE 0 END"
		arg = int64(sum.Sum64()) //nolint:gosec // any number will do
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
		return fmt.Errorf("listening to channel %q: %w", o.Channel, err)
	}
	return nil
}

// drainTime is for how long notifications are collected after the first one: several make one look into the table.
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

// errSilence: no notification came.
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

// removeTimeout limits how long rows may take to be deleted that were taken when ctx ended.
const removeTimeout = 10 * time.Second

// remove deletes rows, also when ctx has ended.
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
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
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
			fmt.Errorf("column %q is not unique: %d rows have the values of %d", o.Sequence, n, len(sequences)),
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("deleting rows: %w", err)
	}
	return nil
}
