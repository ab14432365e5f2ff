package jobsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"productindex/reindex"
)

// appendOnce adds changes in one transaction and returns the position of the last one.
func (c *Changes) appendOnce(ctx context.Context, tenant string, changes []reindex.Change) (last int64, err error) {
	size := sizeOf(changes)
	err = c.change(ctx, tenant, "adding to", func(tx session, r *logRow) error {
		if r.bytes+size > c.limit {
			if err := c.makeRoom(ctx, tx, tenant, r, size); err != nil {
				return err
			}
		}
		first := r.head + 1
		r.head += int64(len(changes))
		r.bytes += size
		last = r.head
		return c.insert(ctx, tx, tenant, first, changes)
	})
	return last, err
}

// chunks are the numbers of changes that one statement inserts: few, so that a driver can keep the statements prepared.
var chunks = []int{100, 10, 1}

// insert stores changes, the first one at a position.
func (c *Changes) insert(ctx context.Context, tx session, tenant string, first int64, changes []reindex.Change) error {
	const row = "(?, ?, ?, ?, ?, ?, ?, {now})"
	for len(changes) > 0 {
		n := 0
		for _, n = range chunks {
			if n <= len(changes) {
				break
			}
		}
		args := make([]any, 0, 7*n)
		for _, change := range changes[:n] {
			var body any
			if change.Body != nil {
				body = []byte(change.Body)
			}
			args = append(args, c.name, text(tenant), first, change.ID, change.Delete, body, change.Size())
			first++
		}
		err := c.store.exec(ctx, tx, `INSERT INTO reindex_changes
			(log, tenant, position, id, deleted, body, size, accepted) VALUES `+row+strings.Repeat(", "+row, n-1), args...)
		if err != nil {
			return err
		}
		changes = changes[n:]
	}
	return nil
}

// makeRoom deletes the oldest applied changes until size more bytes fit, even if a pin still needs them: a new change
// matters more than one that a pin keeps, whose owner gets [reindex.ErrChangesLost].
func (c *Changes) makeRoom(ctx context.Context, tx session, tenant string, r *logRow, size int64) error {
	if err := c.trim(ctx, tx, tenant, r); err != nil {
		return err
	}
	upTo, err := c.oldest(ctx, tx, tenant, r, r.bytes+size-c.limit)
	if err == nil && upTo > r.lost {
		err = c.forget(ctx, tx, tenant, r, upTo)
	}
	if err == nil && r.bytes > 0 && r.bytes+size > c.limit {
		err = fmt.Errorf("%w: %d bytes are waiting, at most %d are allowed (ChangesConfig.Bytes)",
			reindex.ErrChangesFull, r.bytes, c.limit)
	}
	return err
}

// oldest returns the first applied position up to which the log holds at least the given number of bytes, or the last
// applied position if it holds fewer.
func (c *Changes) oldest(
	ctx context.Context, tx session, tenant string, r *logRow, bytes int64,
) (position int64, err error) {
	rows, err := tx.QueryContext(ctx, c.store.cfg.Dialect.sql(`SELECT position, size FROM reindex_changes
		WHERE log = ? AND tenant = ? AND position <= ? ORDER BY position`), c.name, text(tenant), r.applied)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for bytes > 0 && rows.Next() {
		var size int64
		if err := rows.Scan(&position, &size); err != nil {
			return 0, err
		}
		bytes -= size
	}
	return position, rows.Err()
}

// forget deletes the changes up to a position.
func (c *Changes) forget(ctx context.Context, tx session, tenant string, r *logRow, upTo int64) error {
	var bytes int64
	err := c.store.queryRow(ctx, tx, `SELECT COALESCE(SUM(size), 0) FROM reindex_changes
		WHERE log = ? AND tenant = ? AND position <= ?`, c.name, text(tenant), upTo).Scan(&bytes)
	if err != nil {
		return err
	}
	r.bytes -= bytes
	r.lost = upTo
	return c.store.exec(ctx, tx, "DELETE FROM reindex_changes WHERE log = ? AND tenant = ? AND position <= ?",
		c.name, text(tenant), upTo)
}

// trim deletes the changes that neither the live index nor a pin needs.
func (c *Changes) trim(ctx context.Context, tx session, tenant string, r *logRow) error {
	if r.applied <= r.lost {
		return nil
	}
	err := c.store.exec(ctx, tx, `DELETE FROM reindex_change_pins
		WHERE log = ? AND tenant = ? AND pin_end > 0 AND pin_end < {now}`, c.name, text(tenant))
	if err != nil {
		return err
	}
	var pinned sql.NullInt64
	err = c.store.queryRow(ctx, tx, "SELECT MIN(position) FROM reindex_change_pins WHERE log = ? AND tenant = ?",
		c.name, text(tenant)).Scan(&pinned)
	if err != nil {
		return err
	}
	upTo := r.applied
	if pinned.Valid {
		upTo = min(upTo, pinned.Int64)
	}
	if upTo <= r.lost {
		return nil
	}
	return c.forget(ctx, tx, tenant, r, upTo)
}

// After implements [reindex.ChangeLog].
func (c *Changes) After(
	ctx context.Context, tenant string, position int64, docs, bytes int,
) (entries []reindex.ChangeEntry, left int64, err error) {
	r, err := c.read(ctx, tenant, func(q session) error {
		entries, err = c.entries(ctx, q, tenant, position, docs, bytes)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	if position < r.lost {
		return nil, 0, c.explain(tenant, "reading", reindex.ErrChangesLost)
	}
	if len(entries) == 0 {
		return nil, 0, nil
	}
	return entries, r.head - entries[len(entries)-1].Position, nil
}

func (c *Changes) entries(
	ctx context.Context, q session, tenant string, position int64, docs, bytes int,
) (entries []reindex.ChangeEntry, err error) {
	rows, err := q.QueryContext(ctx, c.store.cfg.Dialect.sql(`SELECT position, id, deleted, body FROM reindex_changes
		WHERE log = ? AND tenant = ? AND position > ? ORDER BY position LIMIT ?`), c.name, text(tenant), position, docs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	sum := 0
	for rows.Next() {
		var (
			e    reindex.ChangeEntry
			body []byte
		)
		if err := rows.Scan(&e.Position, &e.Change.ID, &e.Change.Delete, &body); err != nil {
			return nil, err
		}
		e.Change.Body = body
		if sum += e.Change.Size(); len(entries) > 0 && sum > bytes {
			return entries, nil
		}
		entries = append(entries, e)
	}
	return entries, rows.Err()
}
