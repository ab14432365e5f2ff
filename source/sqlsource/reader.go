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

// reader reads the rows of a snapshot, or of one range of its keys.
type reader struct {
	cfg     Config
	session *session
	args    []any
	row     *row

	from, below any // the half-open range of keys; nil means no limit
	part        bool
	stopped     bool // the consumer has stopped
	lastID      string
	count       int64
}

// read yields the rows. It does not yield the error that it returns.
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
			"%w: Config.Query returns no row for it; if a tenant can have no products, set Config.Tenants",
			ErrUnknownTenant,
		)
	}
	if err != nil && r.count > 0 {
		err = public.Within(fmt.Sprintf("after product %q, number %d of the read", r.lastID, r.count), err)
	}
	return err
}

// page yields one page of rows. It returns the key of the last row, and reports whether there can be more.
//
// A page begins with the last row of the previous page (>=, not >), which is not yielded again. If the first row is
// another one, rows could be lost or yielded twice, and page returns an error. The reason is a key that is not unique
// in the order of the database, or that the driver does not return exactly.
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
				return false, public.Errorf("the page does not begin with the last row of the previous one, whose key is %v: %w",
					after, errKey(r.cfg.Key))
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
		err = public.Errorf("the page after the row with the key %v is empty: %w", after, errKey(r.cfg.Key))
	}
	return last, limit >= 0 && n == limit && !r.stopped, err
}

// readNoKey yields the rows whose key is NULL as bad records, if the key is the id. There are usually none.
func (r *reader) readNoKey(ctx context.Context, yield func(reindex.Product, error) bool) error {
	return r.rows(ctx, r.cfg.noKeySQL(r.row), r.args, func() (bool, error) {
		if r.row.keyValue() != nil {
			return true, nil // MySQL also treats 0000-00-00 as NULL
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
		if err := ctx.Err(); err != nil { // the driver may not have noticed it yet
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

// errKey explains the requirements of Config.Key.
func errKey(column string) error {
	return fmt.Errorf(
		"column %q cannot be the key to page by: it must be unique within a tenant, even in the order of the database "+
			"(a collation can treat different texts as equal), and have a type that the driver returns exactly",
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
