package jsonl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"productindex/source/internal/files"
)

// bom is the byte order mark of UTF-8.
var bom = []byte("\ufeff")

// format reads files of lines, and files of values that span lines.
type format struct{ cfg Config }

// Fail implements [files.Format].
func (f *format) Fail(file string, line int64, err error) error {
	return &LineError{File: file, Line: line, Err: err}
}

// Splits implements [files.Format].
func (f *format) Splits(in *files.Input) bool {
	return !isUTF16(in.Head) && !spansLines(&lines{r: in.Text, max: f.cfg.MaxLineBytes})
}

// Starts implements [files.Format].
func (f *format) Starts(ctx context.Context, in *files.Input, offsets []int64) ([]int64, error) {
	return in.LineStarts(ctx, offsets)
}

// beginsUTF16 reports whether the text of a file, once decompressed, begins with a byte order mark of UTF-16.
func beginsUTF16(l *lines) bool {
	for l.end-l.start < 2 && l.err == nil {
		l.fill()
	}
	return isUTF16(l.buf[l.start:l.end])
}

func isUTF16(head []byte) bool {
	return bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff})
}

// Records implements [files.Format]. A record is a line that is not blank, without the white space around it, or a
// value.
func (f *format) Records(ctx context.Context, in *files.Input, need files.Need, visit files.Visitor) error {
	l := &lines{r: in.Text, max: f.cfg.MaxLineBytes, reuse: need != files.Bodies}
	if in.Start == 0 && beginsUTF16(l) {
		return f.Fail(in.Name, 1, errors.New("the file is UTF-16; convert it to UTF-8"))
	}
	var line int64
	var err error
	if in.End == 0 && spansLines(l) {
		line, err = f.values(ctx, l, need, visit)
	} else {
		line, err = f.lines(ctx, l, need, visit)
	}
	if err != nil && !errors.Is(err, files.ErrStopped) && ctx.Err() == nil {
		return f.Fail(in.Name, in.Line(line), err)
	}
	return err
}

// lines visits the lines. It returns the first error that ends the read, with the number of its line.
func (f *format) lines(ctx context.Context, l *lines, need files.Need, visit files.Visitor) (int64, error) {
	for {
		line, err := l.read()
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return 0, nil
		case !errors.Is(err, ErrTooLong):
			return l.number, err
		default:
			if !visit(files.Record{Line: l.number, Err: err}) {
				return 0, files.ErrStopped
			}
			continue
		}
		if n := len(line); n == 0 || line[0] != '{' || line[n-1] != '}' {
			// Concatenated files can have a byte order mark in the middle.
			if line = trim(bytes.TrimPrefix(line, bom)); len(line) == 0 {
				continue
			}
		}
		if l.last && line[0] == '{' && endsEarly(line) {
			return l.number, fmt.Errorf(
				"the last line ends in the middle of an object: the file is cut off: %w",
				io.ErrUnexpectedEOF,
			)
		}
		record := files.Record{Body: line, Line: l.number}
		if need >= files.IDs {
			record.ID, record.Err = findID(line, f.cfg.IDField)
		}
		if !visit(record) {
			return 0, files.ErrStopped
		}
	}
}

// endsEarly reports whether more text could make a line valid JSON.
func endsEarly(line []byte) bool {
	var value json.RawMessage
	return errors.Is(json.NewDecoder(bytes.NewReader(line)).Decode(&value), io.ErrUnexpectedEOF)
}

// values visits the values. It returns the first error that ends the read, with the number of its line.
func (f *format) values(ctx context.Context, l *lines, need files.Need, visit files.Visitor) (int64, error) {
	v := &values{l: l, line: 1}
	for {
		value, err := v.read()
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if err != nil && !errors.Is(err, ErrTooLong) {
			return v.began, err
		}
		record := files.Record{Body: value, Line: v.began, Byte: v.beganByte + 1, Err: err}
		if err == nil && need >= files.IDs {
			record.ID, record.Err = findID(value, f.cfg.IDField)
		}
		if !visit(record) {
			return 0, files.ErrStopped
		}
	}
}

// trim returns line without the white space around it.
func trim(line []byte) []byte {
	i, end := skipSpace(line, 0), len(line)
	for end > i && isSpace(line[end-1]) {
		end--
	}
	return line[i:end:end]
}
