package csv

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"productindex/source/internal/files"
	"productindex/source/internal/jsonenc"
)

// Array is an array of objects in each product. Each record of the product can add an object.
type Array struct {
	// Name is the name of the member of the product that holds the array.
	Name string
	// Columns are the columns that become members of the array's objects, by their names. "Variant *" stands for every
	// column whose name begins with "Variant ", if there are any.
	Columns []string
}

// has reports whether a column is a part of the array.
func (a *Array) has(name string) bool {
	for _, column := range a.Columns {
		if start, ok := strings.CutSuffix(column, "*"); name == column || ok && strings.HasPrefix(name, start) {
			return true
		}
	}
	return false
}

// group is one product of several records.
type group struct {
	*layout

	max    int64
	bodies bool

	open   bool
	record files.Record
	size   int64
	values [][]byte // of the product's own columns
	filled []bool   // by a cell that is not empty
	lists  [][]byte // of the arrays
}

// begin starts a product.
func (g *group) begin(id string, line int64) {
	g.open = true
	g.record = files.Record{ID: id, Line: line}
	g.size = 0
	g.values = make([][]byte, len(g.columns))
	g.filled = make([]bool, len(g.columns))
	g.lists = make([][]byte, len(g.arrays))
}

// add adds a record of the product. The first fault of a record becomes that of the product, with the record's line.
func (g *group) add(cells [][]byte, line int64, fault error) {
	if g.record.Err != nil {
		return
	}
	if fault == nil && g.bodies {
		fault = g.merge(cells)
	}
	if fault == nil && g.size > g.max {
		fault = fmt.Errorf("%w: the records of the product have more than %d bytes; raise Config.MaxRecordBytes",
			ErrTooLong, g.max)
	}
	if fault != nil {
		g.record.Err, g.record.Line = fault, line
		g.values, g.lists = nil, nil
	}
}

// merge adds the cells of a record.
func (g *group) merge(cells [][]byte) error {
	for i, cell := range cells {
		g.size += int64(len(cell))
		switch g.columns[i].array {
		case own:
			if err := g.mergeOwn(i, cell); err != nil {
				return err
			}
		case dropped, unnamed:
			if _, err := g.appendMember(nil, i, cell); err != nil {
				return err
			}
		}
	}
	for n := range g.lists {
		if err := g.mergeArray(n, cells); err != nil {
			return err
		}
	}
	return nil
}

// empty reports whether a cell is blank or null.
func (g *group) empty(cell []byte) bool { return len(bytes.TrimSpace(cell)) == 0 || g.isNull(cell) }

// mergeOwn sets a member of the product itself. All records that have a value for it must agree.
func (g *group) mergeOwn(i int, cell []byte) error {
	empty := g.empty(cell)
	if empty && g.values[i] != nil {
		return nil
	}
	value, err := g.append(nil, cell, g.columns[i].kind)
	if err != nil {
		return fmt.Errorf("column %.50q: %w", g.columns[i].name, err)
	}
	if g.filled[i] && !bytes.Equal(value, g.values[i]) {
		return fmt.Errorf(
			"column %.50q differs between the records of the product; Config.Arrays can hold each of its values",
			g.columns[i].name,
		)
	}
	g.values[i], g.filled[i] = value, !empty
	return nil
}

// mergeArray adds an object to an array, unless all of its cells are empty.
func (g *group) mergeArray(n int, cells [][]byte) error {
	object, empty := g.buf[:0], true
	for i, cell := range cells {
		if g.columns[i].array != n {
			continue
		}
		empty = empty && g.empty(cell)
		var err error
		if object, err = g.appendMember(object, i, cell); err != nil {
			return err
		}
	}
	g.buf = object
	if empty {
		return nil
	}
	if len(g.lists[n]) > 0 {
		g.lists[n] = append(g.lists[n], ',')
	}
	g.lists[n] = append(append(g.lists[n], object...), '}')
	return nil
}

// end returns the product.
func (g *group) end() files.Record {
	g.open = false
	if g.bodies && g.record.Err == nil {
		g.record.Body = g.body()
	}
	return g.record
}

// body encodes the product.
func (g *group) body() json.RawMessage {
	buf := g.buf[:0]
	for i, value := range g.values {
		if g.columns[i].array == own {
			buf = append(append(buf, g.columns[i].prefix...), value...)
		}
	}
	for n, list := range g.lists {
		buf = append(jsonenc.AppendString(append(buf, ','), g.arrays[n].Name), ':', '[')
		buf = append(append(buf, list...), ']')
	}
	buf = append(buf, '}')
	g.buf = buf
	return bytes.Clone(buf)
}
