package jsonl

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// part is what is read in one go: a file, or a range of one that is not compressed.
type part struct {
	name string

	// The range [start, end) in bytes; the lines that begin in it belong to it. An end of 0 means: to the end of the file.
	start, end int64

	// info is what the file was like when it was split; nil where it was not.
	info fs.FileInfo
}

func whole(name string) part { return part{name: name} }

// input is an open part.
type input struct {
	lines

	part  part
	file  fs.File
	info  fs.FileInfo
	close func()
}

// compression tells how a file is compressed.
type compression int

const (
	plain compression = iota
	gzipped
	zstandard
)

// maxWindow is the largest window of a zstd stream that is read, in bytes; decompressing takes as much memory. It is what the zstd
// command accepts, too, unless told otherwise.
const maxWindow = 128 << 20

// bom is the byte order mark of UTF-8.
var bom = []byte("\ufeff")

// openPart opens a part for reading. The caller closes it.
func openPart(fsys fs.FS, p part, maxLine int, reuse bool) (*input, error) {
	file, info, err := openFile(fsys, p.name)
	if err != nil {
		return nil, err
	}
	in := &input{lines: lines{max: maxLine, reuse: reuse}, part: p, file: file, info: info, close: func() { _ = file.Close() }}
	if err := in.begin(); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// begin makes in ready to read the part's first line.
func (in *input) begin() error {
	if in.part.info != nil {
		if err := in.unchanged(in.part.info); err != nil {
			return err
		}
	}
	if in.part.start > 0 {
		return in.seek()
	}
	kind, r, err := detect(in.file, in.part.name)
	if err != nil {
		return err
	}
	if in.part.info != nil && kind != plain {
		return fmt.Errorf("jsonl: %s: %w", in.part.name, ErrChanged)
	}
	return in.decompress(kind, r)
}

// decompress makes in read what is behind r.
func (in *input) decompress(kind compression, r io.Reader) error {
	const buffered = 64 << 10
	closeFile := in.close
	switch kind {
	case gzipped:
		z, err := gzip.NewReader(bufio.NewReaderSize(r, buffered))
		if err != nil {
			return &LineError{File: in.part.name, Line: 1, Err: broken(err)}
		}
		in.r = z
		in.close = func() { _ = z.Close(); closeFile() }
	case zstandard:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return &LineError{File: in.part.name, Line: 1, Err: broken(err)}
		}
		in.r = z
		in.close = func() { z.Close(); closeFile() }
	case plain:
		in.r = r
	}
	return nil
}

// seek moves to the first line that begins in the range. The line before it belongs to the range before, even where it ends here.
func (in *input) seek() error {
	file, ok := in.file.(io.ReaderAt)
	if !ok {
		return fmt.Errorf("jsonl: %s: %w", in.part.name, ErrChanged)
	}
	from := in.part.start - 1
	in.r = io.NewSectionReader(file, from, in.info.Size()-from)
	in.next = from
	if _, err := in.read(); err != nil && !errors.Is(err, io.EOF) {
		return in.fail(err)
	}
	return nil
}

// unchanged reports whether the file is what it was.
func (in *input) unchanged(before fs.FileInfo) error {
	now, err := in.file.Stat()
	if err != nil {
		return fmt.Errorf("jsonl: %s: %w", in.part.name, reason(err))
	}
	if now.Size() != before.Size() || !now.ModTime().Equal(before.ModTime()) {
		return fmt.Errorf("jsonl: %s: %w: it had %d bytes, it has %d; write a new file beside it and rename it into place",
			in.part.name, ErrChanged, before.Size(), now.Size())
	}
	return nil
}

// openFile opens a regular file. Other ones could block for ever.
func openFile(fsys fs.FS, name string) (fs.File, fs.FileInfo, error) {
	info, err := fs.Stat(fsys, name)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("jsonl: %s: %w", name, reason(err))
	}
	file, err := fsys.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("jsonl: %s: %w", name, reason(err))
	}
	if info, err = file.Stat(); err != nil {
		_ = file.Close()
		return nil, nil, fmt.Errorf("jsonl: %s: %w", name, reason(err))
	}
	return file, info, nil
}

// detect tells how a file is compressed by its first bytes, and returns a reader of all of them.
func detect(file io.Reader, name string) (compression, io.Reader, error) {
	head := make([]byte, 4)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return plain, nil, &LineError{File: name, Line: 1, Err: reason(err)}
	}
	head = head[:n]
	r := io.MultiReader(bytes.NewReader(head), file)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzipped, r, nil
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}), n == 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:], []byte{0x2a, 0x4d, 0x18}):
		return zstandard, r, nil
	case n == 0 && (strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".zst")):
		return plain, nil, &LineError{File: name, Line: 1, Err: broken(io.ErrUnexpectedEOF)}
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return plain, nil, &LineError{File: name, Line: 1, Err: errors.New("the file is UTF-16; convert it to UTF-8")}
	}
	return plain, r, nil
}

// broken explains an error of a decompressor.
func broken(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("the compressed file is cut off: %w", io.ErrUnexpectedEOF)
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return fmt.Errorf("%w: compress it with a window of at most %d MiB", err, maxWindow>>20)
	}
	return reason(err)
}
