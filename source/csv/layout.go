package csv

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"productindex/source/internal/files"
	"productindex/source/internal/jsonenc"
)

// layout is the columns of a file.
type layout struct {
	names        []string
	types        []Type
	prefixes     [][]byte // of the members of an object, up to the colon
	id           int
	decimalComma bool
	buf          []byte
}

// header lays out a file.
func (c *Config) header(r *csv.Reader) (*layout, error) {
	if c.Header != nil {
		return c.layOut(c.Header)
	}
	record, err := r.Read()
	if err == io.EOF {
		return nil, errors.New("the file is empty: it has not even a header")
	}
	if err != nil {
		return nil, err
	}
	return c.layOut(record)
}

// layOut checks the names of columns.
func (c *Config) layOut(header []string) (*layout, error) {
	l := &layout{id: -1, decimalComma: c.DecimalComma}
	for i, name := range header {
		name = strings.Clone(name)
		switch {
		case !utf8.ValidString(name):
			return nil, fmt.Errorf("the name of column %d is no valid UTF-8: set Config.Encoding", i+1)
		case name == "":
			return nil, fmt.Errorf("column %d has no name", i+1)
		case slices.Contains(l.names, name):
			return nil, fmt.Errorf("two columns have the name %q", name)
		case name == c.IDColumn:
			l.id = i
		}
		before := ","
		if i == 0 {
			before = "{"
		}
		l.names = append(l.names, name)
		l.types = append(l.types, c.Types[name])
		l.prefixes = append(l.prefixes, append(jsonenc.AppendString([]byte(before), name), ':'))
	}
	if l.id < 0 {
		return nil, missing(c.IDColumn, l.names)
	}
	for name := range c.Types {
		if !slices.Contains(l.names, name) {
			return nil, missing(name, l.names)
		}
	}
	return l, nil
}

func missing(name string, names []string) error {
	return fmt.Errorf("there is no column %q; the columns are %q", name, names)
}

// record makes the cells of a line a record.
func (l *layout) record(cells []string, line int64, need files.Need) files.Record {
	r := files.Record{Line: line}
	if need == files.Lines {
		return r
	}
	if l.id < len(cells) {
		r.ID = strings.Clone(cells[l.id])
	}
	if need == files.Bodies {
		r.Body, r.Err = l.body(cells)
	}
	return r
}

// body encodes the cells of a record.
func (l *layout) body(cells []string) (json.RawMessage, error) {
	if len(cells) != len(l.names) {
		return nil, fmt.Errorf("the record has %d cells for %d columns", len(cells), len(l.names))
	}
	if cells[l.id] == "" {
		return nil, fmt.Errorf("column %q, the product's id, is empty", l.names[l.id])
	}
	buf := l.buf[:0]
	var err error
	for i, cell := range cells {
		buf = append(buf, l.prefixes[i]...)
		if buf, err = l.appendCell(buf, cell, l.types[i]); err != nil {
			return nil, fmt.Errorf("column %q: %w", l.names[i], err)
		}
	}
	buf = append(buf, '}')
	l.buf = buf
	return slices.Clone(json.RawMessage(buf)), nil
}

// appendCell appends a cell as JSON.
func (l *layout) appendCell(dst []byte, cell string, t Type) ([]byte, error) {
	if !utf8.ValidString(cell) {
		return nil, errors.New("the text is no valid UTF-8: set Config.Encoding")
	}
	text := strings.TrimSpace(cell)
	if text == "" && t != Text {
		return append(dst, "null"...), nil
	}
	switch t {
	case Text:
		return jsonenc.AppendString(dst, cell), nil
	case Number:
		grouped := l.decimalComma && strings.Contains(text, ".") // 1.234 would become a fraction
		if l.decimalComma {
			text = strings.Replace(text, ",", ".", 1)
		}
		if grouped || !jsonenc.IsNumber(text) {
			return nil, fmt.Errorf("%.50q is no number", cell)
		}
		return append(dst, text...), nil
	case Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("%.50q is neither true nor false", cell)
		}
		return strconv.AppendBool(dst, b), nil
	case JSON:
		if !json.Valid([]byte(text)) {
			return nil, fmt.Errorf("%.50q is no JSON", cell)
		}
		return append(dst, text...), nil
	default:
		return nil, fmt.Errorf("unknown type %d", t)
	}
}
