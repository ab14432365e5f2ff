package sqlsource

import (
	"bytes"
	"database/sql"
	"encoding/base64"
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
)

// cell takes a driver's value without copying it. It is valid until the next row is read.
type cell struct{ v any }

// Scan implements [sql.Scanner].
func (c *cell) Scan(v any) error {
	c.v = v
	return nil
}

// column is one column of the query.
type column struct {
	name string
	kind kind
	// prefix is what precedes the column's value in an object.
	prefix []byte
}

// row reads one row after the other.
type row struct {
	columns string // for SELECT
	cols    []column
	cells   []cell
	dest    []any
	id, key int // positions in cells
	body    int // -1: an object of all the columns
	buf     []byte
}

// newRow lays out the columns that the query returns.
func newRow(cfg Config, types []*sql.ColumnType) (*row, error) {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.Name()
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("it returns the column %q twice", name)
		}
	}
	find := func(setting, name string) (int, error) {
		if i := slices.Index(names, name); i >= 0 {
			return i, nil
		}
		return -1, fmt.Errorf("it has no column %q for Config.%s; its columns are %s", name, setting, strings.Join(names, ", "))
	}
	r := &row{body: -1}
	var errs [4]error
	r.id, errs[0] = find("ID", cfg.ID)
	if cfg.PageRows >= 0 {
		r.key, errs[1] = find("Key", cfg.Key)
	} else {
		r.key = r.id
	}
	if cfg.Body != "" {
		r.body, errs[2] = find("Body", cfg.Body)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Types)) {
		if _, err := find("Types", name); err != nil {
			errs[3] = err
		}
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if t := types[r.key].DatabaseTypeName(); cfg.PageRows >= 0 && !ordered(cfg.Dialect, t) {
		return nil, fmt.Errorf("column %q can not be the key to page by: MySQL compares %s otherwise than it sorts it", cfg.Key, t)
	}
	r.layOut(cfg, types)
	return r, nil
}

// layOut decides what to select and how to encode it.
func (r *row) layOut(cfg Config, types []*sql.ColumnType) {
	wanted := make([]int, 0, len(types))
	if r.body < 0 {
		for i := range types {
			wanted = append(wanted, i)
		}
	} else {
		wanted = append(wanted, r.id)
		for _, i := range []int{r.key, r.body} {
			if !slices.Contains(wanted, i) {
				wanted = append(wanted, i)
			}
		}
	}
	expr := make([]string, len(wanted))
	r.cols = make([]column, len(wanted))
	for i, w := range wanted {
		name := types[w].Name()
		c := conversionOf(cfg.Dialect, types[w].DatabaseTypeName(), cfg.Types[name])
		expr[i] = cfg.Dialect.quote(name)
		if c.call != "" && r.body < 0 && w != r.id && w != r.key {
			expr[i] = fmt.Sprintf(c.call, expr[i])
			c.kind = c.called
		}
		r.cols[i] = column{name: name, kind: c.kind, prefix: prefix(i, name)}
	}
	r.columns = strings.Join(expr, ", ")
	r.id, r.key = slices.Index(wanted, r.id), slices.Index(wanted, r.key)
	if r.body >= 0 {
		r.body = slices.Index(wanted, r.body)
	}
	r.cells = make([]cell, len(wanted))
	r.dest = make([]any, len(wanted))
	for i := range r.cells {
		r.dest[i] = &r.cells[i]
	}
}

// prefix is what precedes the value of the i-th member of an object.
func prefix(i int, name string) []byte {
	before := []byte{','}
	if i == 0 {
		before[0] = '{'
	}
	return append(jsonenc.AppendString(before, name), ':')
}

// keyValue returns the key of the current row as it is sent back to the database.
func (r *row) keyValue() any { return r.bindable(r.cells[r.key]) }

// bindable returns a key as it is sent back to the database. Drivers return one number as a text or as one of two types of integers,
// which depends on its size, and on whether the statement has parameters.
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

// product encodes the current row.
func (r *row) product() (reindex.Product, error) {
	id, err := idOf(r.cells[r.id].v)
	if err != nil {
		return reindex.Product{}, fmt.Errorf("column %q: %w", r.cols[r.id].name, err)
	}
	if r.body >= 0 {
		body, err := bodyOf(r.cells[r.body].v)
		if err != nil {
			return reindex.Product{}, fmt.Errorf("product %q, column %q: %w", id, r.cols[r.body].name, err)
		}
		return reindex.Product{ID: id, Body: body}, nil
	}
	buf := r.buf[:0]
	for i := range r.cols {
		buf = append(buf, r.cols[i].prefix...)
		if buf, err = appendValue(buf, r.cells[i].v, r.cols[i].kind); err != nil {
			return reindex.Product{}, fmt.Errorf("product %q, column %q: %w", id, r.cols[i].name, err)
		}
	}
	buf = append(buf, '}')
	r.buf = buf
	return reindex.Product{ID: id, Body: bytes.Clone(r.buf)}, nil
}

// idOf returns the text of an id.
func idOf(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case uint64:
		return strconv.FormatUint(v, 10), nil
	case nil:
		return "", errors.New("the id is NULL")
	default:
		return "", fmt.Errorf("an id can not be a %T: let the query cast it to text", v)
	}
}

// bodyOf returns the text of a product.
func bodyOf(v any) (json.RawMessage, error) {
	switch v := v.(type) {
	case string:
		return json.RawMessage(v), nil
	case []byte:
		return bytes.Clone(v), nil
	case nil:
		return nil, errors.New("the product is NULL")
	default:
		return nil, fmt.Errorf("a product can not be a %T: let the query cast it to text", v)
	}
}

// appendValue appends a value as JSON.
func appendValue(dst []byte, v any, k kind) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case string:
		return appendText(dst, v, k), nil
	case []byte:
		switch {
		case k == kindBinary:
			return append(base64.StdEncoding.AppendEncode(append(dst, '"'), v), '"'), nil
		case (k == kindBits || k == kindBitBool) && len(v) <= 8:
			return appendBits(dst, v, k), nil
		}
		return appendText(dst, v, k), nil
	case int64:
		return appendInt(dst, v, k), nil
	case uint64:
		return strconv.AppendUint(dst, v, 10), nil
	case float32:
		return jsonenc.AppendFloat(dst, float64(v), 32), nil
	case float64:
		if k == kindFloat32 {
			return jsonenc.AppendFloat(dst, v, 32), nil
		}
		return jsonenc.AppendFloat(dst, v, 64), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case time.Time:
		return appendTime(dst, v, k), nil
	default:
		return nil, fmt.Errorf("the driver returns a %T, which is no type of database/sql: let the query cast it", v)
	}
}

// appendInt appends an integer as what it stands for.
func appendInt(dst []byte, v int64, k kind) []byte {
	switch {
	case k == kindBool && (v == 0 || v == 1):
		return strconv.AppendBool(dst, v == 1)
	case k == kindMySQLUnix && v == 0:
		return append(dst, "null"...)
	case k == kindMySQLUnix:
		return appendTime(dst, time.Unix(v, 0), k)
	default:
		return strconv.AppendInt(dst, v, 10)
	}
}

// appendTime appends a moment, or a day. A day is one in the time zone that the driver gave it.
func appendTime(dst []byte, v time.Time, k kind) []byte {
	switch {
	case v.IsZero() && (k == kindMySQLDate || k == kindMySQLTime):
		return append(dst, "null"...)
	case k == kindDate || k == kindMySQLDate:
		return append(v.AppendFormat(append(dst, '"'), time.DateOnly), '"')
	default:
		return append(v.UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
	}
}

// appendMySQLTime appends a day or a moment that a driver left as MySQL writes it. One that is no moment stays a text.
func appendMySQLTime(dst []byte, v string, k kind) []byte {
	if strings.Trim(v, "0-:. ") == "" {
		return append(dst, "null"...) // 0000-00-00: none
	}
	if k == kindMySQLUnix {
		seconds, fraction, _ := strings.Cut(v, ".")
		sec, err := strconv.ParseInt(seconds, 10, 64)
		nsec, err2 := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
		if err == nil && err2 == nil {
			return appendTime(dst, time.Unix(sec, nsec), k)
		}
	} else if t, err := time.Parse(time.DateTime, v); err == nil {
		return appendTime(dst, t, k)
	}
	return jsonenc.AppendString(dst, v)
}

// appendBits appends bits, the most significant byte first, as a number, or as a boolean.
func appendBits(dst, v []byte, k kind) []byte {
	var n uint64
	for _, b := range v {
		n = n<<8 | uint64(b)
	}
	if k == kindBitBool && n <= 1 {
		return strconv.AppendBool(dst, n == 1)
	}
	return strconv.AppendUint(dst, n, 10)
}

// appendText appends a text as what it stands for.
func appendText[T string | []byte](dst []byte, v T, k kind) []byte {
	switch {
	case k == kindMySQLTime, k == kindMySQLDate, k == kindMySQLUnix:
		return appendMySQLTime(dst, string(v), k)
	case k == kindJSON, k == kindMaybeJSON && json.Valid([]byte(v)), k == kindNumber && jsonenc.IsNumber(v):
		return append(dst, v...)
	case k == kindNumber: // NaN and the infinities
		return append(dst, "null"...)
	default:
		return jsonenc.AppendString(dst, v)
	}
}

// clone returns a row of the same layout that can be used at the same time.
func (r *row) clone() *row {
	c := *r
	c.buf = nil
	c.cells = make([]cell, len(r.cells))
	c.dest = make([]any, len(r.cells))
	for i := range c.cells {
		c.dest[i] = &c.cells[i]
	}
	return &c
}
