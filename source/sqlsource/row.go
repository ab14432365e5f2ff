package sqlsource

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"productindex/reindex"
	"productindex/source/internal/jsonenc"
	"productindex/source/internal/public"
)

// cell holds a driver's value without copying it. The value is valid until the next row is read.
type cell struct{ v any }

// Scan implements [sql.Scanner].
func (c *cell) Scan(v any) error {
	c.v = v
	return nil
}

// column is one column of a statement.
type column struct {
	name string
	kind kind
	// prefix precedes the value in the object: a brace or a comma, the name and a colon.
	prefix []byte
	// loc is the time zone of times that have none. Nil means UTC.
	loc *time.Location
}

// row reads rows, one after another.
type row struct {
	columns string // the expressions to select
	cols    []column
	members int // the number of the first columns that are members of the object; id, key and body may follow them
	cells   []cell
	dest    []any
	id, key int    // positions in cells
	body    int    // position in cells, or -1 if the body is an object of the members
	idType  string // the driver's name for the type of the id
	buf     []byte
}

// newRow checks the columns of the query and returns their layout.
func newRow(cfg Config, types []*sql.ColumnType) (*row, error) {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.Name()
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return nil, public.Errorf("it returns the column %q twice", name)
		}
	}
	var errs []error
	find := func(setting, name string) int {
		i := slices.Index(names, name)
		if i < 0 {
			errs = append(errs, fmt.Errorf("it has no column %q for Config.%s; its columns are %s",
				name, setting, strings.Join(names, ", ")))
		}
		return i
	}
	id, body := find("ID", cfg.ID), -1
	key := id
	if cfg.PageRows >= 0 {
		key = find("Key", cfg.Key)
	}
	if cfg.Body != "" {
		body = find("Body", cfg.Body)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Types)) {
		find("Types", name)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, public.Own(err)
	}
	idType, keyType := types[id].DatabaseTypeName(), types[key].DatabaseTypeName()
	if cfg.PageRows >= 0 && !ordered(cfg.Dialect, keyType) {
		return nil, public.Errorf("column %q cannot be the key to page by: "+
			"MySQL compares %s in another order than it sorts them", cfg.Key, keyType)
	}
	if !identifies(cfg.Dialect, idType) {
		return nil, public.Errorf("column %q cannot be the id, because it is a %s: cast it to a text in Config.Query",
			cfg.ID, idType)
	}
	r := &row{body: body, idType: idType}
	r.layOut(cfg, types, id, key)
	return r, nil
}

// layOut sets the expressions to select and the kinds of their values. The id and the key are selected without a
// conversion, so that they are the values that the database compares.
func (r *row) layOut(cfg Config, types []*sql.ColumnType, id, key int) {
	var exprs []string
	at := map[int]int{} // the positions of columns that are selected without a conversion
	add := func(i int, convert bool) int {
		name := types[i].Name()
		c := conversionOf(cfg.Dialect, types[i].DatabaseTypeName(), cfg.Types[name])
		expr := cfg.Dialect.quote(name)
		if c.call == "" || !convert {
			at[i] = len(exprs)
		} else {
			expr, c.kind = strings.ReplaceAll(c.call, "%s", expr), c.called
		}
		r.cols = append(r.cols, column{name: name, kind: c.kind, prefix: prefix(len(exprs), name)})
		exprs = append(exprs, expr)
		return len(exprs) - 1
	}
	unconverted := func(i int) int {
		if pos, ok := at[i]; ok {
			return pos
		}
		return add(i, false)
	}
	if r.body < 0 {
		for i := range types {
			add(i, true)
		}
		r.members = len(types)
	} else {
		r.body = add(r.body, cfg.Dialect == SQLite) // other databases return JSON as a text
	}
	r.id, r.key = unconverted(id), unconverted(key)
	r.columns = strings.Join(exprs, ", ")
	*r = *r.clone()
}

// setZone sets the time zone of times that have none.
func (r *row) setZone(loc *time.Location) {
	for i := range r.cols {
		r.cols[i].loc = loc
	}
}

// has reports whether a member is of the kind.
func (r *row) has(k kind) bool {
	return slices.ContainsFunc(r.cols[:r.members], func(c column) bool { return c.kind == k })
}

// clone returns a row with the same layout for concurrent use.
func (r *row) clone() *row {
	c := *r
	c.buf = nil
	c.cells = make([]cell, len(r.cols))
	c.dest = make([]any, len(r.cols))
	for i := range c.cells {
		c.dest[i] = &c.cells[i]
	}
	return &c
}

// identity returns a row of only the id and the key.
func (r *row) identity() *row {
	c := &row{cols: []column{r.cols[r.id], r.cols[r.key]}, id: 0, key: 1, body: -1, idType: r.idType}
	return c.clone()
}

// prefix returns the prefix of the ith member of an object; see column.
func prefix(i int, name string) []byte {
	before := []byte{','}
	if i == 0 {
		before[0] = '{'
	}
	return append(jsonenc.AppendString(before, name), ':')
}

// keyValue returns the key of the current row in the form in which it is sent back to the database.
func (r *row) keyValue() any { return r.bindable(r.cells[r.key]) }

// bindable returns a key in the form in which it is sent back to the database. Numbers become texts, because drivers
// return the same number as a text or as one of two integer types, depending on its size and on whether the statement
// has parameters.
func (r *row) bindable(key cell) any {
	k := r.cols[r.key].kind
	switch v := key.v.(type) {
	case []byte:
		if k == kindBinary {
			return bytes.Clone(v)
		}
		return string(v)
	case int64:
		if k == kindNumber {
			return strconv.FormatInt(v, 10)
		}
	case uint64:
		if k == kindNumber {
			return strconv.FormatUint(v, 10)
		}
	}
	return key.v
}

// product encodes the current row. The error names the key of the row and the column.
func (r *row) product() (reindex.Product, *reindex.RecordError) {
	id, err := r.idOf(r.cells[r.id].v)
	if err != nil {
		return reindex.Product{}, r.recordError("", r.id, err)
	}
	if r.body >= 0 {
		body, err := bodyOf(r.cells[r.body].v)
		if err != nil {
			return reindex.Product{}, r.recordError(id, r.body, err)
		}
		return reindex.Product{ID: id, Body: body}, nil
	}
	buf := r.buf[:0]
	for i := range r.members {
		c := &r.cols[i]
		buf = append(buf, c.prefix...)
		if buf, err = appendValue(buf, r.cells[i].v, c); err != nil {
			return reindex.Product{}, r.recordError(id, i, err)
		}
	}
	buf = append(buf, '}')
	r.buf = buf
	return reindex.Product{ID: id, Body: bytes.Clone(r.buf)}, nil
}

func (r *row) recordError(id string, col int, err error) *reindex.RecordError {
	return &reindex.RecordError{
		ID:    id,
		Where: r.place(r.cells[r.key]),
		Err:   fmt.Errorf("column %q: %w", r.cols[col].name, err),
	}
}

// place names a row by its key.
func (r *row) place(key cell) string {
	name := r.cols[r.key].name
	switch v := r.bindable(key).(type) {
	case nil:
		return "row without a value of " + name
	case string:
		return fmt.Sprintf("row with %s %q", name, v)
	case []byte:
		return fmt.Sprintf("row with %s %x", name, v)
	case time.Time:
		return fmt.Sprintf("row with %s %s", name, v.Format(time.RFC3339Nano))
	default:
		return fmt.Sprintf("row with %s %v", name, v)
	}
}

// idOf returns the text of an id.
func (r *row) idOf(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return r.unpadded(v), nil
	case []byte:
		if r.cols[r.id].kind == kindBinary { // in SQLite each value has a type of its own
			return "", errors.New("the id is binary: cast it to a text in the query, such as a hexadecimal one")
		}
		return r.unpadded(string(v)), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case uint64:
		return strconv.FormatUint(v, 10), nil
	case nil:
		return "", errors.New("the id is NULL")
	default:
		return "", fmt.Errorf("an id cannot be a %T: cast it to a text in the query", v)
	}
}

// unpadded removes the spaces that pad a value of a fixed-length type. Databases ignore them in comparisons.
func (r *row) unpadded(id string) string {
	if r.idType == typeBPChar || r.idType == "CHAR" {
		return strings.TrimRight(id, " ")
	}
	return id
}

// bodyOf returns the body in a driver's value.
func bodyOf(v any) (json.RawMessage, error) {
	switch v := v.(type) {
	case string:
		return json.RawMessage(v), nil
	case []byte:
		return bytes.Clone(v), nil
	case nil:
		return nil, errors.New("the product is NULL")
	default:
		return nil, fmt.Errorf("a product cannot be a %T: cast it to a text in the query", v)
	}
}
