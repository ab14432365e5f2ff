package jsonl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"productindex/source/internal/files"
)

// bom is the byte order mark of UTF-8.
var bom = []byte("\ufeff")

// format reads files of lines.
type format struct{ cfg Config }

// Fail implements [files.Format].
func (f format) Fail(file string, line int64, err error) error {
	return &LineError{File: file, Line: line, Err: err}
}

// Records implements [files.Format]. A record is a line that is not blank, without the white space around it.
func (f format) Records(ctx context.Context, in *files.Input, need files.Need) iter.Seq2[files.Record, error] {
	return func(yield func(files.Record, error) bool) {
		l := lines{r: in.Text, max: f.cfg.MaxLineBytes, reuse: need != files.Bodies}
		fail := func(err error) { yield(files.Record{}, f.Fail(in.Name, in.Line(l.number), err)) }
		if bytes.HasPrefix(in.Head, []byte{0xff, 0xfe}) || bytes.HasPrefix(in.Head, []byte{0xfe, 0xff}) {
			l.number = 1
			fail(errors.New("the file is UTF-16; convert it to UTF-8"))
			return
		}
		for {
			line, err := l.read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err := ctx.Err(); err != nil {
				yield(files.Record{}, err)
				return
			}
			if err != nil {
				fail(files.Broken(err))
				return
			}
			if l.offset == 0 && in.Start == 0 {
				line = bytes.TrimPrefix(line, bom)
			}
			if line = trim(line); len(line) == 0 {
				continue
			}
			if l.last && line[0] == '{' && !json.Valid(line) {
				fail(fmt.Errorf("the last line is not a complete JSON object, and has no line end: the file is cut off: %w", io.ErrUnexpectedEOF))
				return
			}
			if !yield(f.record(line, l.number, need), nil) {
				return
			}
		}
	}
}

// record makes a line a record.
func (f format) record(line []byte, number int64, need files.Need) files.Record {
	r := files.Record{Line: number, Body: line}
	if need >= files.IDs {
		r.ID, r.Err = findID(line, f.cfg.IDField)
	}
	return r
}

// trim returns line without the white space around it.
func trim(line []byte) []byte {
	i, end := skipSpace(line, 0), len(line)
	for end > i && isSpace(line[end-1]) {
		end--
	}
	return line[i:end:end]
}
