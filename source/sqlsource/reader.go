package sqlsource

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"productindex/reindex"
)

// reader reads the rows of one snapshot, or those of one range of keys.
type reader struct {
	src  *Source
	ctx  context.Context //nolint:containedctx // a reader lives no longer than the sequence that was given ctx
	tx   *sql.Tx
	args []any
	row  *row

	from, below any // range of keys: from on, up to but without below; nil: no limit
	partition   bool
	lastID      string
	count       int64
}

func (r *reader) close() {
	// The transaction only read: there is nothing to lose, and the driver drops a connection on which even this fails.
	_ = r.tx.Rollback()
}

// prepare looks at what the query returns, and checks what paging relies on.
func (r *reader) prepare(tenant string) error {
	cfg := r.src.cfg
	if err := r.src.checkTenant(r.ctx, r.tx, tenant); err != nil {
		return err
	}
	rows, err := r.tx.QueryContext(r.ctx, cfg.describeSQL(), r.args...)
	if err != nil {
		return fmt.Errorf("Config.Query: %w", err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return fmt.Errorf("Config.Query: %w", err)
	}
	if r.row, err = newRow(cfg, types); err != nil {
		return fmt.Errorf("Config.Query: %w", err)
	}
	if err := cmp.Or(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("Config.Query: %w", err)
	}
	if cfg.PageRows < 0 {
		return nil
	}
	null, err := exists(r.ctx, r.tx, cfg.nullKeySQL(), r.args)
	if err != nil {
		return fmt.Errorf("looking for rows without a key: %w", err)
	}
	if null {
		return fmt.Errorf("column %q is NULL in some row: a key must have a value in each", cfg.Key)
	}
	return nil
}

// read yields the rows. It returns an error that is not yielded yet.
func (r *reader) read(yield func(reindex.Product, error) bool) error {
	after, more := any(nil), true
	for more {
		last, next, err := r.page(after, yield)
		if err != nil {
			if r.count > 0 {
				err = fmt.Errorf("after %d products, the last one %q: %w", r.count, r.lastID, err)
			}
			return err
		}
		after, more = last, next
	}
	return nil
}

// page yields one page of rows and returns the key of the last one, and whether there can be more.
//
// A page begins with the last row of the one before (>=, not >), which is not yielded again. Where that row is not found in its place,
// the key is not unique in the database's own order, or did not survive the way to the driver and back: rows could be lost or come
// twice, and an error says so.
func (r *reader) page(after any, yield func(reindex.Product, error) bool) (last any, more bool, err error) {
	cfg := r.src.cfg
	limit, overlap := cfg.PageRows, after != nil
	args := r.args
	lower := r.from
	if overlap {
		lower = after
	}
	if lower != nil {
		args = append(slices.Clip(args), lower)
	}
	if r.below != nil {
		args = append(slices.Clip(args), r.below)
	}
	if overlap {
		limit++
	}
	query := cfg.pageSQL(r.row, len(r.args), lower != nil, r.below != nil, limit)
	rows, err := r.tx.QueryContext(r.ctx, query, args...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		if err := rows.Scan(r.row.dest...); err != nil {
			return nil, false, err
		}
		key := r.row.keyValue()
		if n == 0 && overlap {
			if !sameKey(key, after) {
				return nil, false, fmt.Errorf("the row with the key %v is not where a page ended: %w", after, errKey(cfg.Key))
			}
			last = after
			continue
		}
		if limit >= 0 && n > 0 && sameKey(key, last) {
			return nil, false, fmt.Errorf("two rows have the key %v: %w", key, errKey(cfg.Key))
		}
		last = key
		p, err := r.row.product()
		if err != nil {
			return nil, false, err
		}
		r.count++
		r.lastID = p.ID
		if !yield(p, nil) {
			return nil, false, nil
		}
	}
	if err := rows.Err(); err != nil {
		return nil, false, err
	}
	return last, limit >= 0 && n == limit, r.checkEnd(n, overlap)
}

// checkEnd looks at a page of n rows.
func (r *reader) checkEnd(n int, overlap bool) error {
	switch {
	case n > 0 || r.partition:
		return nil
	case overlap:
		return fmt.Errorf("the row where a page ended is gone: %w", errKey(r.src.cfg.Key))
	case r.src.cfg.Tenants == "":
		return fmt.Errorf("%w: Config.Query returns no row for it, and Config.Tenants, which could tell that it exists, is not set",
			ErrUnknownTenant)
	}
	return nil
}

// errKey tells what Config.Key must be.
func errKey(column string) error {
	return fmt.Errorf("column %q can not be the key to page by: it must be unique within a tenant, also in the database's order "+
		"(a collation can take different texts for equal), and have a type that the driver returns exactly", column)
}

// sameKey reports whether a driver returned the same key twice.
func sameKey(a, b any) bool {
	switch a := a.(type) {
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	default:
		return a == b
	}
}
