package jsonl

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"productindex/source/internal/files"
)

// chunkBytes is the size of one read, and of the memory that stays in use with any line that the consumer keeps. Larger
// chunks are hardly faster, and a consumer that keeps few lines would keep more memory.
const chunkBytes = 32 << 10

// lines splits a stream into lines. It reads into chunks and returns parts of them. A chunk is not written to again
// once one of its lines has been returned, unless reuse is set.
type lines struct {
	r     io.Reader
	max   int  // the longest line that is returned, in bytes
	reuse bool // the consumer does not keep the lines, so one chunk is enough

	buf              []byte
	start, scan, end int   // buf[start:end] has been read but not returned; buf[start:scan] holds no line end
	next             int64 // the position of the next line in the stream
	err              error // the error that ended the stream

	number int64 // the number of the last returned line, from 1
	offset int64 // its position in the stream
	last   bool  // it had no line end
}

// read returns the next line without its line end, io.EOF after the last one, or the error of the stream. A line in
// which the stream fails is not returned. If a line is too long, the error matches ErrTooLong, and the next line can be
// read. In all cases number is the number of the line.
func (l *lines) read() ([]byte, error) {
	for {
		if i := bytes.IndexByte(l.buf[l.scan:l.end], '\n'); i >= 0 {
			return l.take(l.scan+i, 1)
		}
		l.scan = l.end
		switch {
		case l.end-l.start > l.max:
			return nil, l.skipLong()
		case l.err == nil:
			l.fill()
		case errors.Is(l.err, io.EOF) && l.start < l.end:
			l.last = true
			return l.take(l.end, 0)
		default:
			l.number++
			l.offset = l.next
			return nil, l.err
		}
	}
}

// take returns the line that ends at end, before a line end of ending bytes.
func (l *lines) take(end, ending int) ([]byte, error) {
	line := l.buf[l.start:end:end]
	l.number++
	l.offset = l.next
	l.next += int64(len(line) + ending)
	l.start = end + ending
	l.scan = l.start
	if len(line) > l.max {
		return nil, l.tooLong()
	}
	if len(l.buf) > chunkBytes && !l.reuse {
		// Only the long line may use the large chunk. The text after the line is shorter than a chunk; see fill.
		l.move(chunkBytes)
	}
	return line, nil
}

// skipLong skips a line that is too long.
func (l *lines) skipLong() error {
	l.number++
	l.offset = l.next
	for {
		data := l.buf[l.start:l.end]
		i := bytes.IndexByte(data, '\n')
		if i >= 0 {
			data = data[:i+1]
		}
		l.next += int64(len(data))
		l.start += len(data)
		l.scan = l.start
		switch {
		case i >= 0 || errors.Is(l.err, io.EOF):
			return l.tooLong()
		case l.err != nil:
			return l.err
		}
		l.fill()
	}
}

func (l *lines) tooLong() error {
	return fmt.Errorf("%w: it has more than %d bytes; raise Config.MaxLineBytes", ErrTooLong, l.max)
}

// fill reads once, into a new chunk if this one is full.
func (l *lines) fill() {
	if l.end == len(l.buf) {
		size := chunkBytes
		if pending := l.end - l.start; pending > chunkBytes/2 {
			size = min(2*pending, l.max+chunkBytes)
		}
		l.move(size)
	}
	n, err := files.ReadSome(l.r, l.buf[l.end:min(len(l.buf), l.end+chunkBytes)])
	l.end += n
	l.err = err
}

// move moves the text that has not been returned to the start of a chunk of the given size.
func (l *lines) move(size int) {
	to := l.buf
	if !l.reuse || len(to) < size {
		to = make([]byte, size)
	}
	l.end = copy(to, l.buf[l.start:l.end])
	l.scan -= l.start
	l.start = 0
	l.buf = to
}
