package csv

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"productindex/source/internal/files"
)

const (
	// chunkBytes is the size of one read.
	chunkBytes = 64 << 10

	// endingBytes limits the search for the first line end, which determines the line ends of the file.
	endingBytes = 1 << 20
)

// bom is the byte order mark in UTF-8.
var bom = []byte("\ufeff")

// rows splits text into records. Offsets are relative to start, the first byte of the record, so that they stay valid
// when fill moves the text.
//
// A record with misplaced quotes still has an end: a quoted cell that has a quote inside which is not doubled must end
// on its first line. If it does not, its quotes are text, and the cell ends at the next separator. So a misplaced quote
// never swallows the records after it.
type rows struct {
	in           io.Reader
	comma        []byte
	comment      []byte
	quotes, lazy bool
	trim         bool
	max          int

	buf        []byte
	start, end int   // buf[start:end] has been read but not consumed
	err        error // the error that ended the text
	cr         bool  // lines end with CR, LF or both; otherwise with LF or CRLF

	total int64 // the number of bytes read
	at    int64 // the position of the record in the text
	seen  int64 // the position after the text that was needed to read the records so far

	text, next int   // the end of the record's current line, and the start of the next line
	passed     int64 // the number of line ends between the start of the record and the current line

	spans   []span
	scratch []byte

	cells [][]byte // of the record; valid until the next one is read
	line  int64    // the first line of the record
	fault error    // the reason why the record cannot be read, or nil
}

// span is the place of a cell, in the buffer or in scratch.
type span struct {
	from, to int
	scratch  bool
}

func newRows(in io.Reader, c *Config) *rows {
	r := &rows{
		in: in, comma: utf8.AppendRune(nil, c.Comma), quotes: !c.NoQuotes, lazy: c.LazyQuotes, trim: c.TrimLeadingSpace,
		max: int(min(c.MaxRecordBytes, 1<<40)), line: 1,
	}
	if c.Comment != 0 {
		r.comment = utf8.AppendRune(nil, c.Comment)
	}
	return r
}

// begin determines the line ends, and reads a first line that names the separator.
func (r *rows) begin() {
	r.findEnding()
	text, next, err := r.lineEnd(0)
	if err != nil {
		return // read also finds it
	}
	sep, ok := bytes.CutPrefix(bytes.TrimPrefix(r.buf[r.start:r.start+text], bom), []byte("sep="))
	if char, size := utf8.DecodeRune(sep); ok && size > 0 && size == len(sep) && checkMark(char) == nil {
		r.comma = bytes.Clone(sep)
		r.skip(next)
	}
}

// findEnding determines from the first line end outside of quotes whether lines end with CR.
func (r *rows) findEnding() {
	quoted := false
	for i := range endingBytes {
		for i+1 >= r.end-r.start && r.err == nil {
			r.fill()
		}
		data := r.buf[r.start:r.end]
		if i >= len(data) {
			return
		}
		switch c := data[i]; {
		case c == '"':
			quoted = r.quotes && !quoted
		case c == '\n' && !quoted:
			return
		case c == '\r' && !quoted:
			r.cr = i+1 == len(data) || data[i+1] != '\n'
			return
		}
	}
}

// position returns the position in the text of the byte at an offset.
func (r *rows) position(offset int) int64 { return r.total - int64(r.end-r.start-offset) }

// skip consumes a line of size bytes.
func (r *rows) skip(size int) {
	r.start += size
	r.line++
}

// read reads the next record. It returns io.EOF after the last one. After any other error, which is in the line r.line,
// the rest cannot be read.
func (r *rows) read() error {
	r.start += r.next
	r.line += r.passed
	if r.next > 0 {
		r.line++
	}
	r.text, r.next, r.passed, r.fault = 0, 0, 0, nil
	for {
		r.at = r.position(0)
		text, next, err := r.lineEnd(0)
		if errors.Is(err, ErrTooLong) {
			return r.skipLong(err)
		}
		if err != nil {
			return err
		}
		data := r.buf[r.start : r.start+text]
		if bytes.HasPrefix(data, bom) { // concatenated files can have one in the middle
			r.start += len(bom)
			continue
		}
		if len(data) == 0 || r.comment != nil && bytes.HasPrefix(data, r.comment) {
			r.skip(next)
			continue
		}
		r.text, r.next = text, next
		if r.trim || r.quotes && bytes.IndexByte(data, '"') >= 0 {
			return r.parse()
		}
		r.split(data)
		return nil
	}
}

// split splits a line without quotes into cells.
func (r *rows) split(line []byte) {
	r.cells = r.cells[:0]
	if len(r.comma) == 1 {
		comma := r.comma[0]
		for i := bytes.IndexByte(line, comma); i >= 0; i = bytes.IndexByte(line, comma) {
			r.cells = append(r.cells, line[:i:i])
			line = line[i+1:]
		}
		r.cells = append(r.cells, line)
		return
	}
	for {
		cell, rest, more := bytes.Cut(line, r.comma)
		r.cells = append(r.cells, cell)
		if !more {
			return
		}
		line = rest
	}
}

// lineEnd returns the end of the text of the line that begins at from, and the start of the next line. It returns
// io.EOF if there is no line.
func (r *rows) lineEnd(from int) (text, next int, err error) {
	for scanned := from; ; {
		data := r.buf[r.start:r.end]
		if text, next, ok := r.ending(data, scanned); ok {
			if next > r.max {
				return 0, 0, r.tooLong()
			}
			return text, next, nil
		}
		// A CR at the end of the data may be half of a line end.
		scanned = max(from, len(data)-1)
		switch {
		case len(data) > r.max:
			return 0, 0, r.tooLong()
		case r.err == nil:
			r.fill()
		case !errors.Is(r.err, io.EOF) || len(data) == from:
			return 0, 0, r.err
		default:
			text = len(data)
			if data[text-1] == '\r' {
				text--
			}
			return max(text, from), len(data), nil
		}
	}
}

// ending returns the start and the end of the first line end at or after i. It ignores a CR that may be half of a line
// end.
func (r *rows) ending(data []byte, i int) (text, next int, ok bool) {
	lf := bytes.IndexByte(data[i:], '\n')
	if r.cr {
		rest := data[i:]
		if lf >= 0 {
			rest = rest[:lf+1]
		}
		if cr := bytes.IndexByte(rest, '\r'); cr >= 0 {
			switch {
			case cr+1 < len(rest) && rest[cr+1] == '\n':
				return i + cr, i + cr + 2, true
			case cr+1 < len(rest):
				return i + cr, i + cr + 1, true
			}
			return 0, 0, false
		}
	}
	if lf < 0 {
		return 0, 0, false
	}
	text = i + lf
	if lf > 0 && data[text-1] == '\r' {
		text--
	}
	return text, i + lf + 1, true
}

func (r *rows) tooLong() error {
	return fmt.Errorf("%w: it has more than %d bytes; raise Config.MaxRecordBytes", ErrTooLong, r.max)
}

// skipLong skips a record of one line that is too long. If the record has a quote, its end is not known, and skipLong
// returns an error.
func (r *rows) skipLong(fault error) error {
	for {
		data := r.buf[r.start:r.end]
		text, next, ok := r.ending(data, 0)
		seen := data
		if ok {
			seen = data[:text]
		}
		switch {
		case r.quotes && bytes.IndexByte(seen, '"') >= 0:
			return fmt.Errorf("%w, or a quote is not closed", fault)
		case ok:
			r.cells, r.fault, r.next = r.cells[:0], fault, next
			return nil
		case errors.Is(r.err, io.EOF):
			r.cells, r.fault, r.next = r.cells[:0], fault, len(data)
			return nil
		case r.err != nil:
			return r.err
		}
		r.start = max(r.start, r.end-1)
		r.fill()
	}
}

// fill reads once, and appends the bytes to those that have not been consumed.
func (r *rows) fill() {
	if r.end == len(r.buf) {
		pending := r.buf[r.start:r.end]
		to := r.buf
		if len(pending) > len(to)/2 || len(to) == 0 {
			to = make([]byte, max(chunkBytes, 2*len(to)))
		}
		r.end = copy(to, pending)
		r.start, r.buf = 0, to
	}
	n, err := files.ReadSome(r.in, r.buf[r.end:min(len(r.buf), r.end+chunkBytes)])
	r.end += n
	r.total += int64(n)
	r.err = err
}
