package csv

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode"
)

// Faults in quotes. A record with one of the first two still has an end, so the next record can be read.
var (
	errBareQuote = errors.New(
		"a cell without quotes around it has a quote inside: " +
			"Config.LazyQuotes allows it, and Config.NoQuotes makes quotes text",
	)
	errStrayQuote = errors.New(
		"a quoted cell is not closed on its line, or has a quote inside that is not doubled: Config.LazyQuotes allows it",
	)
	errOpenQuote = errors.New("the quote that opens here is never closed")
)

// parse reads the cells of a record that begins at the current line.
func (r *rows) parse() error {
	r.spans, r.scratch = r.spans[:0], r.scratch[:0]
	for i := 0; ; i += len(r.comma) {
		if r.trim {
			rest := r.buf[r.start+i : r.start+r.text]
			i += len(rest) - len(bytes.TrimLeftFunc(rest, unicode.IsSpace))
		}
		var err error
		if r.quotes && i < r.text && r.buf[r.start+i] == '"' {
			i, err = r.quoted(i)
		} else {
			i = r.bare(i, errBareQuote)
		}
		if err != nil {
			return err
		}
		if i == r.text {
			break
		}
	}
	r.cells = r.cells[:0]
	for _, s := range r.spans {
		from := r.buf[r.start:]
		if s.scratch {
			from = r.scratch
		}
		r.cells = append(r.cells, from[s.from:s.to:s.to])
	}
	return nil
}

// bare adds the unquoted cell that begins at i, and returns its end. Unless quotes are lazy, a quote in the cell makes
// fault the fault of the record.
func (r *rows) bare(i int, fault error) (end int) {
	cell := r.buf[r.start+i : r.start+r.text]
	if at := bytes.Index(cell, r.comma); at >= 0 {
		cell = cell[:at]
	}
	if r.quotes && !r.lazy && r.fault == nil && bytes.IndexByte(cell, '"') >= 0 {
		r.fault = fault
	}
	r.spans = append(r.spans, span{from: i, to: i + len(cell)})
	return i + len(cell)
}

// quoted adds the quoted cell that begins at i, and returns its end.
func (r *rows) quoted(i int) (end int, err error) {
	text, next, passed := r.text, r.next, r.passed
	literal := func() int {
		r.text, r.next, r.passed = text, next, passed
		return r.bare(i, errStrayQuote)
	}
	escaped, stray := false, false
	for j := i + 1; ; {
		data := r.buf[r.start:r.end]
		q := bytes.IndexByte(data[j:r.text], '"')
		if q < 0 {
			if stray {
				return literal(), nil
			}
			j = r.next
			if r.text, r.next, err = r.lineEnd(j); err != nil {
				return 0, r.unclosed(passed, err)
			}
			r.passed++
			r.seen = r.position(r.next)
			continue
		}
		q += j
		after := data[q+1 : r.text]
		switch {
		case len(after) == 0, bytes.HasPrefix(after, r.comma):
			if stray && !r.lazy && r.fault == nil {
				r.fault = errStrayQuote
			}
			r.add(i+1, q, escaped || r.passed > passed)
			return q + 1, nil
		case after[0] == '"':
			escaped = true
			j = q + 2
		case r.passed > passed:
			return literal(), nil
		default:
			stray = true
			j = q + 1
		}
	}
}

// unclosed explains err, because of which a quoted cell has no end. The cell begins passed lines after the start of the
// record.
func (r *rows) unclosed(passed int64, err error) error {
	r.line += passed
	if errors.Is(err, io.EOF) {
		return errOpenQuote
	}
	if errors.Is(err, ErrTooLong) {
		return fmt.Errorf("%w, or the quote that opens here is not closed", err)
	}
	return err
}

// add adds a quoted cell. If changed is set, doubled quotes in it become one quote, and line ends become LF.
func (r *rows) add(from, to int, changed bool) {
	cell := r.buf[r.start+from : r.start+to]
	if !changed || bytes.IndexByte(cell, '"') < 0 && !bytes.Contains(cell, []byte("\r\n")) {
		r.spans = append(r.spans, span{from: from, to: to})
		return
	}
	begin := len(r.scratch)
	for i := 0; i < len(cell); i++ {
		if i+1 < len(cell) && (cell[i] == '"' && cell[i+1] == '"' || cell[i] == '\r' && cell[i+1] == '\n') {
			i++
		}
		r.scratch = append(r.scratch, cell[i])
	}
	r.spans = append(r.spans, span{begin, len(r.scratch), true})
}
