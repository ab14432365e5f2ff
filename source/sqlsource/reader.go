package sqlsource

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"productindex/reindex"
	"productindex/source/internal/public"
)

// reader reads the rows of one snapshot, or those of one range of keys.
type reader struct {
	cfg     Config
	session *session
	args    []any
	row     *row

	from, below any // range of keys: from on, up to but without below; nil: no limit
	part        bool
	stopped     bool // by the consumer
	lastID      string
	count       int64
}

// read yields the rows. It returns an error that is not yielded yet.
func (r *reader) read(ctx context.Context, yield func(reindex.Product, error) bool) error {
	after, more, err := any(nil), true, error(nil)
	for more && err == nil {
		after, more, err = r.page(ctx, after, yield)
	}
	if err == nil && !r.stopped && r.below == nil && r.cfg.PageRows >= 0 && r.cfg.Key == r.cfg.ID {
		err = r.readNoKey(ctx, yield)
	}
	if err == nil && !r.stopped && !r.part && r.count == 0 && r.cfg.Tenants == "" {
		err = public.Errorf(
			"%w: Config.Query returns no row for it, and Config.Tenants, which could say that it exists, is not set",
			ErrUnknownTenant,
		)
	}
	if err != nil && r.count > 0 {
		err = public.Within(fmt.Sprintf("after %d products, the last one %q", r.count, r.lastID), err)
	}
	return err
}

// page yields one page of rows and returns the key of the last one, and whether there can be more.
//
// A page begins with the last row of the one before (>=, not >), which is not yielded again. If that row is not in its
// place, it returns an error, since rows could be lost or come twice: the key is not unique in the database's order, or
// changed on its way to the driver and back.
func (r *reader) page(
	ctx context.Context,
	after any,
	yield func(reindex.Product, error) bool,
) (last any, more bool, err error) {
	limit, overlap := r.cfg.PageRows, after != nil
	args := r.args
	lower := r.from
	if overlap {
		lower = after
		limit++
	}
	if lower != nil {
		args = append(slices.Clip(args), lower)
	}
	if r.below != nil {
		args = append(slices.Clip(args), r.below)
	}
	n := 0
	err = r.rows(ctx, r.cfg.pageSQL(r.row, len(r.args), lower != nil, r.below != nil, limit), args, func() (bool, error) {
		key := r.row.keyValue()
		n++
		switch {
		case n == 1 && overlap:
			if !sameKey(key, after) {
				return false, public.Errorf("the row with the key %v is not where a page ended: %w", after, errKey(r.cfg.Key))
			}
			last = after
			return true, nil
		case limit >= 0 && n > 1 && sameKey(key, last):
			return false, public.Errorf("two rows have the key %v: %w", key, errKey(r.cfg.Key))
		}
		last = key
		return r.yield(yield), nil
	})
	if err == nil && n == 0 && overlap {
		err = public.Errorf("the row where a page ended is gone: %w", errKey(r.cfg.Key))
	}
	return last, limit >= 0 && n == limit && !r.stopped, err
}

// readNoKey yields the rows whose key is their id and is NULL. Most often there are none.
func (r *reader) readNoKey(ctx context.Context, yield func(reindex.Product, error) bool) error {
	return r.rows(ctx, r.cfg.noKeySQL(r.row), r.args, func() (bool, error) {
		if r.row.keyValue() != nil {
			return true, nil // MySQL's 0000-00-00 is NULL, and is not
		}
		return r.yield(yield), nil
	})
}

// yield yields the current row or its error, and reports whether the consumer wants more.
func (r *reader) yield(yield func(reindex.Product, error) bool) bool {
	p, bad := r.row.product()
	if bad != nil {
		p.ID = bad.ID
		r.stopped = !yield(reindex.Product{}, bad)
	} else {
		r.stopped = !yield(p, nil)
	}
	r.count++
	r.lastID = p.ID
	return !r.stopped
}

// rows runs a statement and calls visit for each of its rows, until visit returns false.
func (r *reader) rows(ctx context.Context, query string, args []any, visit func() (bool, error)) error {
	done, err := r.session.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	rows, err := r.session.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := ctx.Err(); err != nil { // which the driver need not have noticed yet
			return err
		}
		if err := rows.Scan(r.row.dest...); err != nil {
			return err
		}
		more, err := visit()
		if err != nil || !more {
			return err
		}
	}
	return rows.Err()
}

// errKey says what Config.Key must be.
func errKey(column string) error {
	return fmt.Errorf(
		"column %q cannot be the key to page by: it must be unique within a tenant, also in the database's order "+
			"(a collation can hold different texts to be equal), and have a type that the driver returns exactly",
		column,
	)
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
