package jsonl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// values reads JSON values that can span lines, and the elements of arrays of them. It looks at brackets and strings
// only.
type values struct {
	l *lines

	line  int64 // of buf[start]
	array bool  // inside an array
	after bool  // after an element of the array

	open      []byte // the brackets that are open
	inString  bool
	escaped   bool
	tooLong   bool
	began     int64 // the line on which the value begins
	beganByte int64 // the byte of the stream at which the value begins, from 0
}

// spansLines reports whether a file holds values that can span lines. It does if it begins with an array, or with an
// object whose first line is its brace alone.
func spansLines(l *lines) bool {
	for {
		data := l.buf[l.start:l.end]
		rest := bytes.TrimPrefix(data, bom)
		rest = rest[skipSpace(rest, 0):]
		if len(rest) > 0 && rest[0] == '[' {
			return true
		}
		if len(rest) > 0 && rest[0] != '{' {
			return false
		}
		if len(rest) > 0 {
			next := skipSpace(rest, 1)
			if next < len(rest) {
				return bytes.IndexByte(rest[:next], '\n') > 0 && (rest[next] == '"' || rest[next] == '}')
			}
		}
		if l.err != nil || len(data) >= chunkBytes {
			return false
		}
		l.fill()
	}
}

// read returns the next value, or io.EOF after the last one. If a value is too long, the error matches ErrTooLong, and
// the next value can be read. After any other error, the rest cannot be read. In all cases began is the line.
func (v *values) read() ([]byte, error) {
	c, err := v.separators()
	v.began, v.beganByte = v.line, v.l.next
	if err != nil {
		return nil, err
	}
	v.open, v.inString, v.escaped, v.tooLong = v.open[:0], false, false, false
	v.l.scan = v.l.start
	scalar := c != '{' && c != '[' && c != '"'
	for {
		end, err := v.end(scalar)
		if err != nil {
			return nil, err
		}
		if end > 0 {
			return v.take(end)
		}
		if v.l.end-v.l.start > v.l.max {
			v.tooLong = true
		}
		if v.tooLong {
			v.skip(v.l.end - v.l.start)
		}
		if v.l.err == nil {
			v.l.fill()
			continue
		}
		if errors.Is(v.l.err, io.EOF) && scalar {
			return v.take(v.l.end)
		}
		return nil, v.ended("the value that begins here has no end")
	}
}

// take returns the value that ends at end.
func (v *values) take(end int) ([]byte, error) {
	v.after = true
	if v.tooLong {
		v.skip(end - v.l.start)
		return nil, v.l.tooLong()
	}
	v.line += v.breaks(end)
	return v.l.take(end, 0)
}

// ended explains the end of the file before the end of a value or an array.
func (v *values) ended(what string) error {
	if errors.Is(v.l.err, io.EOF) {
		return fmt.Errorf("%s: the file is cut off: %w", what, io.ErrUnexpectedEOF)
	}
	return v.l.err
}

// breaks counts the line ends before i in the buffer.
func (v *values) breaks(i int) int64 { return int64(bytes.Count(v.l.buf[v.l.start:i], []byte{'\n'})) }

// skip consumes bytes.
func (v *values) skip(size int) {
	v.line += v.breaks(v.l.start + size)
	v.l.start += size
	v.l.next += int64(size)
	v.l.scan = v.l.start
}

// separators consumes the text between two values, and returns the first byte of the next one.
func (v *values) separators() (byte, error) {
	comma := false
	for {
		c, err := v.peek()
		if errors.Is(err, io.EOF) && v.array {
			return 0, v.ended("the array is not closed")
		}
		if err != nil {
			return 0, err
		}
		switch {
		case v.array && v.after && c == ',' && !comma:
			comma = true
		case v.array && c == ']' && !comma:
			v.array, v.after = false, false
		case !v.array && c == '[':
			v.array, v.after = true, false
		case c == ',' || c == ']' || c == '}' || c == ':' || v.array && v.after && !comma:
			return 0, v.invalid(v.l.start)
		default:
			return c, nil
		}
		v.skip(1)
	}
}

// peek consumes space, and the byte order marks of concatenated files. It returns the next byte, but does not consume
// it.
func (v *values) peek() (byte, error) {
	for {
		data := v.l.buf[v.l.start:v.l.end]
		v.skip(skipSpace(data, 0))
		data = v.l.buf[v.l.start:v.l.end]
		switch {
		case bytes.HasPrefix(data, bom):
			v.skip(len(bom))
		case len(data) < len(bom) && v.l.err == nil:
			v.l.fill()
		case len(data) == 0:
			return 0, v.l.err
		default:
			return data[0], nil
		}
	}
}

// end returns the end of the value, or 0 if more text must be read to find it.
func (v *values) end(scalar bool) (int, error) {
	l := v.l
	if scalar {
		i := scalarEnd(l.buf[:l.end], l.scan)
		l.scan = i
		if i == l.end {
			return 0, nil
		}
		return i, nil
	}
	for ; l.scan < l.end; l.scan++ {
		c := l.buf[l.scan]
		switch {
		case v.escaped:
			v.escaped = false
		case v.inString && c == '\\':
			v.escaped = true
		case v.inString && (c == '\n' || c == '\r'):
			v.began += v.breaks(l.scan)
			return 0, errors.New("a string is not closed on its line")
		case c == '"':
			v.inString = !v.inString
		case v.inString:
			continue
		case c == '{' || c == '[':
			v.open = append(v.open, c+2) // the bracket that closes it
		case c == '}' || c == ']':
			if len(v.open) == 0 || v.open[len(v.open)-1] != c {
				return 0, v.invalid(l.scan)
			}
			v.open = v.open[:len(v.open)-1]
		default:
			continue
		}
		if len(v.open) == 0 && !v.inString {
			l.scan++
			return l.scan, nil
		}
	}
	return 0, nil
}

// invalid returns the error for a byte that is not allowed at its place.
func (v *values) invalid(i int) error {
	at := v.l.next + int64(i-v.l.start)
	v.began += v.breaks(i)
	return fmt.Errorf("the file is not valid JSON, because of %s at byte %d", describe(v.l.buf[:v.l.end], i), at+1)
}
