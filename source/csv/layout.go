package csv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"productindex/source/internal/jsonenc"
)

// errRepeated means that a record is the header again, as in concatenated files.
var errRepeated = errors.New("the record repeats the header")

// column is a column of a file.
type column struct {
	name   string // of the member; "" if the column has none
	kind   Type
	array  int // the array that it is a part of, or own
	prefix []byte
}

// The values of [column.array] for columns that are not part of an array.
const (
	own     = -1 // a member of the product itself
	dropped = -2 // left out
	unnamed = -3 // left out, and empty
)

// layout describes the columns of a file.
type layout struct {
	cellType

	columns   []column
	header    [][]byte // the header in the file, if it has one
	ids       []int
	separator string
	arrays    []Array
	buf       []byte
}

// layOut reads the header of a file, if it has one.
func (c *Config) layOut(r *rows, decoded bool) (*layout, error) {
	for range c.SkipRows {
		if err := r.read(); err != nil {
			return nil, atEnd(err)
		}
	}
	if c.Header != nil {
		return c.columns(c.Header, decoded)
	}
	if err := r.read(); err != nil {
		return nil, atEnd(err)
	}
	if r.fault != nil {
		return nil, r.fault
	}
	names := make([]string, len(r.cells))
	for i, cell := range r.cells {
		names[i] = string(cell)
	}
	l, err := c.columns(names, decoded)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		l.header = append(l.header, []byte(name))
	}
	return l, nil
}

// atEnd explains the end of a file before its header.
func atEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the file is empty: it does not even have a header")
	}
	return err
}

// columns checks the names of columns, and finds those that the config names.
func (c *Config) columns(header []string, decoded bool) (*layout, error) {
	null := make(map[string]bool, len(c.NullWords))
	for _, word := range c.NullWords {
		null[word] = true
	}
	l := &layout{cellType: cellType{c.DecimalComma, decoded, null}, separator: c.IDSeparator, arrays: c.Arrays}
	at := make(map[string]int, len(header))
	original := make(map[string]bool, len(header))
	for i, name := range header {
		if !utf8.ValidString(name) {
			return nil, fmt.Errorf("the name of column %d is not valid text of the file's encoding; see Config.Encoding", i+1)
		}
		col := column{name: name, array: own}
		original[name] = true
		if renamed, ok := c.Rename[name]; ok && name != "" {
			col.name = renamed
			if renamed == "" {
				col.array = dropped
			}
		}
		if name == "" {
			col.array = unnamed
			if c.DropUnnamed {
				col.array = dropped
			}
		}
		if other, ok := at[col.name]; ok && col.name != "" {
			return nil, fmt.Errorf("two columns have the name %.50q: the columns %d and %d", col.name, other+1, i+1)
		}
		if col.name != "" {
			at[col.name] = i
		}
		col.kind = c.Types[col.name]
		l.columns = append(l.columns, col)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Rename)) {
		if !original[name] {
			return nil, missing(name, header)
		}
	}
	for _, name := range slices.Concat(c.idColumns(), slices.Sorted(maps.Keys(c.Types))) {
		if _, ok := at[name]; !ok {
			return nil, missing(name, header)
		}
	}
	for _, name := range c.idColumns() {
		l.ids = append(l.ids, at[name])
	}
	if err := l.arrange(header, at); err != nil {
		return nil, err
	}
	l.prefix()
	return l, nil
}

// arrange assigns the columns of arrays.
func (l *layout) arrange(header []string, at map[string]int) error {
	for n, array := range l.arrays {
		found := false
		for i := range l.columns {
			col := &l.columns[i]
			if col.name == "" || !array.has(col.name) {
				continue
			}
			if col.array != own {
				return fmt.Errorf("column %.50q is in the arrays %q and %q", col.name, l.arrays[col.array].Name, array.Name)
			}
			if slices.Contains(l.ids, i) {
				return fmt.Errorf("column %.50q holds the product's id, so it cannot be in the array %q", col.name, array.Name)
			}
			col.array = n
			found = true
		}
		if !found {
			return fmt.Errorf("array %q: %w", array.Name, missing(array.Columns[0], header))
		}
		for _, name := range array.Columns {
			if _, ok := at[name]; !ok && !strings.HasSuffix(name, "*") {
				return fmt.Errorf("array %q: %w", array.Name, missing(name, header))
			}
		}
		if i, ok := at[array.Name]; ok && l.columns[i].array == own {
			return fmt.Errorf("array %q has the name of a column", array.Name)
		}
	}
	return nil
}

// prefix sets the text before each value of an object.
func (l *layout) prefix() {
	begun := map[int]bool{}
	for i := range l.columns {
		col := &l.columns[i]
		before := ","
		if !begun[col.array] {
			before = "{"
		}
		begun[col.array] = true
		col.prefix = append(jsonenc.AppendString([]byte(before), col.name), ':')
	}
}

// missing returns the error for a column that does not exist. It names the columns that do, or the first of many.
func missing(name string, header []string) error {
	const most = 30
	shown := make([]string, 0, most)
	for _, other := range header {
		if len(shown) == most {
			return fmt.Errorf(
				"there is no column %.50q; the first of %d columns are [%s]",
				name,
				len(header),
				strings.Join(shown, " "),
			)
		}
		shown = append(shown, fmt.Sprintf("%.50q", other))
	}
	return fmt.Errorf("there is no column %.50q; the columns are [%s]", name, strings.Join(shown, " "))
}

// id returns the product's id.
func (l *layout) id(cells [][]byte) (string, error) {
	if len(l.ids) == 1 {
		if l.ids[0] >= len(cells) {
			return "", l.ragged(cells)
		}
		cell := cells[l.ids[0]]
		if err := l.check(cell); err != nil {
			return "", fmt.Errorf("column %.50q, the product's id: %w", l.columns[l.ids[0]].name, err)
		}
		if len(cell) == 0 || l.isNull(cell) {
			return "", fmt.Errorf("column %.50q, the product's id, is empty", l.columns[l.ids[0]].name)
		}
		return string(cell), nil
	}
	return l.joinedID(cells)
}

// joinedID returns an id of several columns.
func (l *layout) joinedID(cells [][]byte) (string, error) {
	var id []byte
	empty := true
	for n, i := range l.ids {
		if i >= len(cells) {
			return "", l.ragged(cells)
		}
		cell := cells[i]
		name := l.columns[i].name
		if err := l.check(cell); err != nil {
			return "", fmt.Errorf("column %.50q, a part of the product's id: %w", name, err)
		}
		if bytes.Contains(cell, []byte(l.separator)) {
			return "", fmt.Errorf(
				"column %.50q, a part of the product's id, contains %q, which separates the parts: "+
					"choose another Config.IDSeparator",
				name,
				l.separator,
			)
		}
		if n > 0 {
			id = append(id, l.separator...)
		}
		if !l.isNull(cell) {
			id = append(id, cell...)
			empty = empty && len(cell) == 0
		}
	}
	if empty {
		return "", errors.New("the columns of the product's id are empty")
	}
	return string(id), nil
}

func (l *layout) ragged(cells [][]byte) error {
	return fmt.Errorf("the record has %s for %s", counted(len(cells), "cell"), counted(len(l.columns), "column"))
}

// counted returns a number of things in words, such as "1 cell" or "2 cells".
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// fault returns an error if the record does not have one cell per column, or repeats the header.
func (l *layout) fault(cells [][]byte) error {
	if len(cells) != len(l.columns) {
		return l.ragged(cells)
	}
	if len(cells) > 1 && len(l.header) > 0 && slices.EqualFunc(cells, l.header, bytes.Equal) {
		return errRepeated
	}
	return nil
}

// body encodes the cells of a record.
func (l *layout) body(cells [][]byte) (json.RawMessage, error) {
	buf := l.buf[:0]
	var err error
	for i, cell := range cells {
		if buf, err = l.appendMember(buf, i, cell); err != nil {
			return nil, err
		}
	}
	buf = append(buf, '}')
	l.buf = buf
	return bytes.Clone(buf), nil
}

// appendMember appends a cell as a member of its object.
func (l *layout) appendMember(dst []byte, i int, cell []byte) ([]byte, error) {
	col := &l.columns[i]
	switch col.array {
	case dropped:
		return dst, nil
	case unnamed:
		if len(cell) > 0 {
			return nil, fmt.Errorf(
				"column %d has no name, but the cell is not empty: Config.Header names it, and Config.DropUnnamed leaves it out",
				i+1,
			)
		}
		return dst, nil
	}
	dst, err := l.append(append(dst, col.prefix...), cell, col.kind)
	if err != nil {
		return nil, fmt.Errorf("column %.50q: %w", col.name, err)
	}
	return dst, nil
}
