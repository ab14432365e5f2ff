package sqlsource

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"productindex/reindex"
)

// reader reads the rows of one snapshot, or those of one range of keys.
type reader struct {
	cfg     Config
	session *session
	args    []any
	row     *row

	from, below any // range of keys: from on, up to but without below; nil: no limit
	part        bool
	lastID      string
	count       int64
}

// read yields the rows. It returns an error that is not yielded yet.
func (r *reader) read(ctx context.Context, yield func(reindex.Product, error) bool) error {
	after, more := any(nil), true
	for more {
		last, next, err := r.page(ctx, after, yield)
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
func (r *reader) page(ctx context.Context, after any, yield func(reindex.Product, error) bool) (last any, more bool, err error) {
	cfg := r.cfg
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
	done, err := r.session.use(ctx)
	if err != nil {
		return nil, false, err
	}
	defer done()
	rows, err := r.session.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		if err := ctx.Err(); err != nil { // which the driver need not have noticed yet
			return nil, false, err
		}
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
	case n > 0 || r.part:
		return nil
	case overlap:
		return fmt.Errorf("the row where a page ended is gone: %w", errKey(r.cfg.Key))
	case r.cfg.Tenants == "":
		return fmt.Errorf("%w: Config.Query returns no row for it, and Config.Tenants, which could say that it exists, is not set",
			ErrUnknownTenant)
	}
	return nil
}

// errKey says what Config.Key must be.
func errKey(column string) error {
	return fmt.Errorf("column %q cannot be the key to page by: it must be unique within a tenant, also in the database's order "+
		"(a collation can hold different texts to be equal), and have a type that the driver returns exactly", column)
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
