package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"productindex/reindex"
)

// outboxRow reads the rows of an outbox, one after another.
type outboxRow struct {
	outbox  Outbox
	columns []string // the expressions to select
	id      row      // only its id is used

	sequence                   sql.NullInt64
	idCell                     cell
	tenant, deleted, bodyValue cell
	dest                       []any
}

// newOutboxRow checks the columns of an outbox and returns the layout of those that are read.
func newOutboxRow(o Outbox, types []*sql.ColumnType) (*outboxRow, error) {
	byName := map[string]*sql.ColumnType{}
	names := make([]string, len(types))
	for i, t := range types {
		names[i], byName[t.Name()] = t.Name(), t
	}
	r := &outboxRow{outbox: o}
	var errs []error
	for _, name := range o.columns() {
		t := byName[name]
		if t == nil {
			errs = append(errs, fmt.Errorf("the table %s has no column %q; its columns are %s",
				o.Table, name, strings.Join(names, ", ")))
			continue
		}
		expr := o.Dialect.quote(name)
		if c := conversionOf(o.Dialect, t.DatabaseTypeName(), ""); name == o.Body && o.Dialect == SQLite && c.call != "" {
			expr = strings.ReplaceAll(c.call, "%s", expr)
		}
		r.columns = append(r.columns, expr)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	idType := byName[o.ID].DatabaseTypeName()
	if !identifies(o.Dialect, idType) {
		return nil, fmt.Errorf("column %q of the table %s cannot be the id, because it is a %s", o.ID, o.Table, idType)
	}
	r.id = row{idType: idType, cols: []column{{name: o.ID, kind: conversionOf(o.Dialect, idType, "").kind}}}
	r.dest = []any{&r.sequence, &r.idCell}
	for name, dest := range map[string]*cell{o.TenantColumn: &r.tenant, o.Deleted: &r.deleted, o.Body: &r.bodyValue} {
		if i := slices.Index(o.columns(), name); name != "" && i >= 0 {
			for len(r.dest) <= i {
				r.dest = append(r.dest, nil)
			}
			r.dest[i] = dest
		}
	}
	return r, nil
}

// entry is a row of an outbox.
type entry struct {
	sequence int64
	tenant   string
	change   reindex.Change
	bad      error // the reason why the row is not a valid change
}

// entry returns the current row.
func (r *outboxRow) entry() entry {
	e := entry{sequence: r.sequence.Int64, tenant: r.outbox.Tenant}
	var errs []error
	fail := func(name string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("column %q: %w", name, err))
		}
	}
	var err error
	e.change.ID, err = r.id.idOf(r.idCell.v)
	fail(r.outbox.ID, err)
	if e.tenant == "" {
		e.tenant, err = textOf(r.tenant.v)
		fail(r.outbox.TenantColumn, err)
	}
	if r.outbox.Deleted != "" {
		e.change.Delete, err = truthOf(r.deleted.v)
		fail(r.outbox.Deleted, err)
	}
	if r.outbox.Body != "" && r.bodyValue.v != nil && !e.change.Delete {
		e.change.Body, err = bodyOf(r.bodyValue.v)
		fail(r.outbox.Body, err)
	}
	if err := errors.Join(errs...); err != nil {
		e.bad = fmt.Errorf("row with %s %d: %w", r.outbox.Sequence, e.sequence, err)
	}
	return e
}

// textOf returns a driver's value as a text.
func textOf(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	case nil:
		return "", errors.New("it is NULL")
	default:
		return "", fmt.Errorf("it is a %T, not a text", v)
	}
}

// truthOf returns a driver's value as a boolean. NULL is false.
func truthOf(v any) (bool, error) {
	switch v := v.(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	case int64:
		return v != 0, nil
	}
	text, err := textOf(v)
	if err != nil {
		return false, fmt.Errorf("it is a %T, not a boolean", v)
	}
	if text == "\x00" || text == "\x01" { // BIT(1) of MySQL
		return text == "\x01", nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n != 0, nil
	}
	truth, err := strconv.ParseBool(text)
	if err != nil {
		return false, errors.New("it is not a boolean")
	}
	return truth, nil
}

// read reads the next rows without those of some tenants. It reports full if there can be more rows.
func (r *outboxRow) read(ctx context.Context, q querier, without []string) (entries []entry, full bool, err error) {
	args := make([]any, len(without))
	for i, tenant := range without {
		args[i] = tenant
	}
	rows, err := q.QueryContext(ctx, r.outbox.readSQL(r.columns, len(without)), args...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for size := 0; rows.Next(); {
		if err := rows.Scan(r.dest...); err != nil {
			return nil, false, err
		}
		e := r.entry()
		entries = append(entries, e)
		if size += len(e.change.ID) + len(e.change.Body); size >= r.outbox.BatchBytes {
			return entries, true, nil
		}
	}
	return entries, len(entries) == r.outbox.BatchRows, rows.Err()
}
