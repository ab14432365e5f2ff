package sqlsource

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
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

// kind is how the values of a column become JSON.
type kind int

const (
	kindValue     kind = iota // as the driver's Go type says
	kindFloat32               // a float64 that was a float32
	kindNumber                // a text that is a number
	kindJSON                  // a text that is JSON: the database has checked it
	kindMaybeJSON             // a text that should be JSON
	kindDate                  // a time.Time that is a day
	kindBool                  // an integer that is 0 or 1
	kindBinary                // bytes that are no text
)

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
	var errs [3]error
	r.id, errs[0] = find("ID", cfg.ID)
	if cfg.PageRows >= 0 {
		r.key, errs[1] = find("Key", cfg.Key)
	} else {
		r.key = r.id
	}
	if cfg.Body != "" {
		r.body, errs[2] = find("Body", cfg.Body)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
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
		k, plain := kindOf(cfg.Dialect, types[w].DatabaseTypeName())
		expr[i] = quote(name)
		if !plain && r.body < 0 && w != r.id && w != r.key {
			k = kindJSON
			expr[i] = "to_json(" + quote(name) + ")"
		}
		r.cols[i] = column{name: name, kind: k, prefix: prefix(i, name)}
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

// kindOf tells how values of a database's type are encoded; plain is false for those that PostgreSQL encodes itself.
func kindOf(d Dialect, typeName string) (k kind, plain bool) {
	if d == SQLite {
		switch strings.ToUpper(typeName) {
		case "JSON":
			return kindMaybeJSON, true
		case "DATE":
			return kindDate, true
		case "BOOL", "BOOLEAN":
			return kindBool, true
		default:
			return kindBinary, true // bytes are a BLOB, whatever the column's declared type
		}
	}
	switch typeName {
	case "BOOL", "INT2", "INT4", "INT8", "FLOAT8", "TEXT", "VARCHAR", "BPCHAR", "UUID", "TIMESTAMP", "TIMESTAMPTZ":
		return kindValue, true
	case "FLOAT4":
		return kindFloat32, true
	case "NUMERIC":
		return kindNumber, true
	case "JSON", "JSONB":
		return kindJSON, true
	case "DATE":
		return kindDate, true
	case "BYTEA":
		return kindBinary, true
	default:
		return kindValue, false
	}
}

// keyValue returns the key of the current row as it is sent back to the database.
func (r *row) keyValue() any { return r.bindable(r.cells[r.key]) }

// bindable returns a key as it is sent back to the database.
func (r *row) bindable(key cell) any {
	b, ok := key.v.([]byte)
	switch {
	case !ok:
		return key.v
	case r.cols[r.key].kind == kindBinary:
		return bytes.Clone(b)
	default:
		return string(b)
	}
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
		if k == kindBinary {
			return append(base64.StdEncoding.AppendEncode(append(dst, '"'), v), '"'), nil
		}
		return appendText(dst, v, k), nil
	case int64:
		if k == kindBool && (v == 0 || v == 1) {
			return strconv.AppendBool(dst, v == 1), nil
		}
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		if k == kindFloat32 {
			return jsonenc.AppendFloat(dst, v, 32), nil
		}
		return jsonenc.AppendFloat(dst, v, 64), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case time.Time:
		layout := time.RFC3339Nano
		if k == kindDate {
			layout = time.DateOnly
		}
		return append(v.UTC().AppendFormat(append(dst, '"'), layout), '"'), nil
	default:
		return nil, fmt.Errorf("the driver returns a %T, which is no type of database/sql: let the query cast it", v)
	}
}

// appendText appends a text as what it stands for.
func appendText[T string | []byte](dst []byte, v T, k kind) []byte {
	switch {
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
