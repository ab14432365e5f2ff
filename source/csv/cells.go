package csv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"productindex/source/internal/jsonenc"
)

// cellType converts the cells of a file to JSON.
type cellType struct {
	decimalComma bool
	decoded      bool // the text was converted to UTF-8
	null         map[string]bool
}

// isNull reports whether a cell is one of the null words.
func (t *cellType) isNull(cell []byte) bool { return len(t.null) > 0 && t.null[string(cell)] }

// check returns an error if a cell is not text.
func (t *cellType) check(cell []byte) error {
	switch {
	case utf8.Valid(cell):
		return nil
	case t.decoded:
		return errors.New("the text is not in the encoding of the file; see Config.Encoding")
	}
	return errors.New("the text is not valid UTF-8; set Config.Encoding")
}

// append appends a cell as JSON.
func (t *cellType) append(dst, cell []byte, kind Type) ([]byte, error) {
	if err := t.check(cell); err != nil {
		return nil, err
	}
	if t.isNull(cell) {
		return append(dst, "null"...), nil
	}
	if kind == Text {
		return jsonenc.AppendString(dst, cell), nil
	}
	text := bytes.TrimSpace(cell)
	if len(text) == 0 {
		return append(dst, "null"...), nil
	}
	switch kind {
	case Number:
		return t.appendNumber(dst, text)
	case Bool:
		b, err := strconv.ParseBool(string(text))
		if err != nil {
			return nil, fmt.Errorf("%.50q is neither true nor false", cell)
		}
		return strconv.AppendBool(dst, b), nil
	case JSON:
		if !json.Valid(text) {
			return nil, fmt.Errorf("%.50q is not JSON", cell)
		}
		return append(dst, text...), nil
	case Text:
	}
	return nil, fmt.Errorf("unknown type %d", kind)
}

func (t *cellType) appendNumber(dst, text []byte) ([]byte, error) {
	number := text
	if t.decimalComma {
		number = bytes.Replace(text, []byte(","), []byte("."), 1)
	}
	grouped := t.decimalComma && bytes.IndexByte(text, '.') >= 0 // 1.234 would become a fraction
	if grouped || !jsonenc.IsNumber(number) {
		return nil, fmt.Errorf("%.50q is not a number", text)
	}
	return append(dst, number...), nil
}
