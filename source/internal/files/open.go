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

	"productindex/source/internal/public"
)

// maxWindow is the largest window of a zstd stream that is read, in bytes. Decompressing needs that much memory. The
// zstd command has the same limit by default.
const maxWindow = 128 << 20

// Compression is a kind of compression.
type Compression int

// The compressions that [detect] knows.
const (
	Plain Compression = iota
	Gzip
	Zstd
)

// statRegular returns the info of a regular file. Other files could block for ever and are refused. The error names the
// file.
func statRegular(fsys fs.FS, name string) (fs.FileInfo, error) {
	info, err := fs.Stat(fsys, name)
	if err == nil && !info.Mode().IsRegular() {
		err = public.Own(errors.New("it is not a regular file"))
	}
	if err != nil {
		return nil, public.Within(name, Reason(err))
	}
	return info, nil
}

// openRegular opens a regular file. The error names the file.
func openRegular(fsys fs.FS, name string) (fs.File, fs.FileInfo, error) {
	if _, err := statRegular(fsys, name); err != nil {
		return nil, nil, err
	}
	file, err := fsys.Open(name)
	if err != nil {
		return nil, nil, public.Within(name, Reason(err))
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, nil, public.Within(name, Reason(err))
	}
	return file, info, nil
}

// same returns an error that matches [ErrChanged] and names the file if the file has changed.
func same(name string, before, now fs.FileInfo) error {
	if now.Size() != before.Size() || !now.ModTime().Equal(before.ModTime()) {
		return public.Errorf("%s: %w: it had %d bytes and now has %d; write a new file beside it and rename it into place",
			name, ErrChanged, before.Size(), now.Size())
	}
	return nil
}

// The first bytes of compressed files.
const (
	gzipMagic = "\x1f\x8b"
	zstdMagic = "\x28\xb5\x2f\xfd"
)

// detect recognizes the compression of a file by its first bytes. It returns these bytes and a reader of the whole
// file. The caller adds the name of the file to the error.
func detect(file io.Reader, name string) (kind Compression, head []byte, r io.Reader, err error) {
	head = make([]byte, 4)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Plain, nil, nil, err
	}
	head = head[:n]
	r = io.MultiReader(bytes.NewReader(head), file)
	switch {
	case bytes.HasPrefix(head, []byte(gzipMagic)):
		return Gzip, head, r, nil
	case string(head) == zstdMagic,
		n == 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:], []byte{0x2a, 0x4d, 0x18}):
		return Zstd, head, r, nil
	case strings.HasSuffix(name, ".gz") && strings.HasPrefix(gzipMagic, string(head)),
		strings.HasSuffix(name, ".zst") && strings.HasPrefix(zstdMagic, string(head)):
		return Plain, nil, nil, broken(io.ErrUnexpectedEOF)
	}
	return Plain, head, r, nil
}

// decompress returns a reader of the text in r, and a function that frees its memory. [broken] explains its errors.
func (c Compression) decompress(r io.Reader) (text io.Reader, done func(), err error) {
	const buffered = 64 << 10
	switch c {
	case Gzip:
		in := bufio.NewReaderSize(r, buffered)
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, nil, err
		}
		z.Multistream(false)
		return &members{z, in}, func() { _ = z.Close() }, nil
	case Zstd:
		z, err := zstd.NewReader(
			r,
			zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow),
		)
		if err != nil {
			return nil, nil, err
		}
		return &frames{z}, z.Close, nil
	case Plain:
	}
	return r, func() {}, nil
}

// errTrailing means that a compressed file has other data after its end.
var errTrailing = errors.New(
	"other data follows the end of the compressed data; remove it",
)

// frames reads the frames of a zstd file, one after another.
type frames struct{ z *zstd.Decoder }

// Read implements [io.Reader]. The decoder reports up to three stray bytes at the end as a frame that is cut off.
func (f *frames) Read(p []byte) (int, error) {
	n, err := f.z.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = &explained{"the compressed file is cut off, or other data follows its end", err}
	}
	return n, err
}

// explained is an error that needs no further explanation.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

// members reads the members of a gzip file, one after another.
type members struct {
	z  *gzip.Reader
	in *bufio.Reader
}

// Read implements [io.Reader]. At the end of a member it continues with the next one.
func (m *members) Read(p []byte) (int, error) {
	for {
		n, err := m.z.Read(p)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		if err := m.next(); err != nil || n > 0 {
			return n, err
		}
	}
}

// next begins the next member. It returns io.EOF if there is none.
func (m *members) next() error {
	magic, err := m.in.Peek(2)
	if len(magic) == 0 {
		return err
	}
	if magic[0] != 0x1f || len(magic) == 2 && magic[1] != 0x8b {
		return errTrailing
	}
	if err := m.z.Reset(m.in); err != nil {
		return cutOff(err)
	}
	m.z.Multistream(false)
	return nil
}

// cutOff turns an early io.EOF into io.ErrUnexpectedEOF.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// broken explains an error of reading or decompressing.
func broken(err error) error {
	var done *explained
	switch {
	case errors.As(err, &done):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("the compressed file is cut off: %w", io.ErrUnexpectedEOF)
	case errors.Is(err, zstd.ErrMagicMismatch):
		return errTrailing
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return fmt.Errorf("%w: compress it with a window of at most %d MiB", err, maxWindow>>20)
	}
	return err
}
