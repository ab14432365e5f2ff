package files

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

// maxWindow is the largest window of a zstd stream that is read, in bytes; decompressing takes as much memory. It is what the zstd
// command accepts, too, unless told otherwise.
const maxWindow = 128 << 20

// Compression tells how a file is compressed.
type Compression int

// The compressions that [Detect] knows.
const (
	Plain Compression = iota
	Gzip
	Zstd
)

// StatRegular looks at a regular file. Other ones could block for ever. The error names the file.
func StatRegular(fsys fs.FS, name string) (fs.FileInfo, error) {
	info, err := fs.Stat(fsys, name)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, Reason(err))
	}
	return info, nil
}

// OpenRegular opens a regular file. The error names the file.
func OpenRegular(fsys fs.FS, name string) (fs.File, fs.FileInfo, error) {
	if _, err := StatRegular(fsys, name); err != nil {
		return nil, nil, err
	}
	file, err := fsys.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, Reason(err))
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, nil, fmt.Errorf("%s: %w", name, Reason(err))
	}
	return file, info, nil
}

// same returns an error that matches [ErrChanged] and names the file, if it is not what it was.
func same(name string, before, now fs.FileInfo) error {
	if now.Size() != before.Size() || !now.ModTime().Equal(before.ModTime()) {
		return fmt.Errorf("%s: %w: it had %d bytes, it has %d; write a new file beside it and rename it into place",
			name, ErrChanged, before.Size(), now.Size())
	}
	return nil
}

// Detect tells how a file is compressed by its first bytes, and returns them with a reader of the whole file. The error is for the
// caller to say of which file.
func Detect(file io.Reader, name string) (kind Compression, head []byte, r io.Reader, err error) {
	head = make([]byte, 4)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Plain, nil, nil, Reason(err)
	}
	head = head[:n]
	r = io.MultiReader(bytes.NewReader(head), file)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return Gzip, head, r, nil
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}), n == 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:], []byte{0x2a, 0x4d, 0x18}):
		return Zstd, head, r, nil
	case n == 0 && (strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".zst")):
		return Plain, nil, nil, Broken(io.ErrUnexpectedEOF)
	}
	return Plain, head, r, nil
}

// Decompress returns a reader of what is in r, and what frees its memory. Errors, also those of reading, are for [Broken] to explain.
func (c Compression) Decompress(r io.Reader) (text io.Reader, done func(), err error) {
	const buffered = 64 << 10
	switch c {
	case Gzip:
		z, err := gzip.NewReader(bufio.NewReaderSize(r, buffered))
		if err != nil {
			return nil, nil, err
		}
		return z, func() { _ = z.Close() }, nil
	case Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	case Plain:
	}
	return r, func() {}, nil
}

// Broken explains an error of reading or decompressing.
func Broken(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("the compressed file is cut off: %w", io.ErrUnexpectedEOF)
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return fmt.Errorf("%w: compress it with a window of at most %d MiB", err, maxWindow>>20)
	}
	return Reason(err)
}
