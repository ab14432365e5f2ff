package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"productindex/source/internal/public"
)

// Range is a whole file, or a range of whole lines of a file that is not compressed.
type Range struct {
	File

	// Start and End are in bytes. An End of 0 stands for the whole file.
	Start, End int64
}

// Input is an open range.
type Input struct {
	Range

	// Text reads the decompressed range. Its errors explain how the file is damaged. It returns the error of the context
	// after that has ended.
	Text io.Reader
	// Plain reports whether the file is not compressed.
	Plain bool
	// Head holds the first bytes of the file, at most 4. It is nil for a range that is not the whole file.
	Head []byte

	file   fs.File
	close  func()
	before int64 // lines before the range, or -1 if they have not been counted
}

// open opens a range for reading. The caller must close it.
func (s *Snapshot) open(ctx context.Context, r Range) (*Input, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, info, err := openRegular(s.fsys, r.Name)
	if errors.Is(err, fs.ErrNotExist) {
		err = public.Errorf("%s: %w: it no longer exists", r.Name, ErrChanged)
	}
	if err == nil {
		err = same(r.Name, r.Info, info)
	}
	if err != nil {
		if file != nil {
			_ = file.Close()
		}
		return nil, s.src.wrap(err)
	}
	in := &Input{Range: r, file: file, close: func() { _ = file.Close() }, before: -1}
	if err := in.begin(); err != nil {
		in.close()
		return nil, s.src.format.Fail(r.Name, 1, broken(err))
	}
	in.Text = &text{ctx, in.Text}
	return in, nil
}

// errNoRanges means that the files of an [fs.FS] are not an [io.ReaderAt].
var errNoRanges = errors.New("the file system does not read ranges of files")

// Before returns a reader of the file from its start up to a range of it.
func (in *Input) Before() io.Reader {
	at, ok := in.file.(io.ReaderAt)
	if !ok {
		return strings.NewReader("")
	}
	return &raw{io.NewSectionReader(at, 0, in.Start)}
}

// begin sets Text to a reader of the range.
func (in *Input) begin() error {
	if in.End > 0 {
		at, ok := in.file.(io.ReaderAt)
		if !ok {
			return errNoRanges
		}
		in.Text = &raw{io.NewSectionReader(at, in.Start, in.End-in.Start)}
		return nil
	}
	kind, head, r, err := detect(&raw{in.file}, in.Name)
	if err != nil {
		return err
	}
	text, done, err := kind.decompress(r)
	if err != nil {
		return err
	}
	in.Text, in.Head, in.Plain = text, head, kind == Plain
	closeFile := in.close
	in.close = func() { done(); closeFile() }
	return nil
}

// raw reads a file without decompressing it. It passes its errors to [Reason].
type raw struct{ r io.Reader }

// Read reads from the file.
func (r *raw) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = Reason(err)
	}
	return n, err
}

// text explains the errors of another reader, and ends with its context.
type text struct {
	ctx context.Context //nolint:containedctx // the context of the read
	r   io.Reader
}

// Read reads from the other reader.
func (t *text) Read(p []byte) (int, error) {
	if err := t.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := t.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = broken(err)
	}
	return n, err
}

// maxEmptyReads is the number of successive reads that may return neither bytes nor an error.
const maxEmptyReads = 100

// ReadSome reads into p until a read returns bytes or an error.
func ReadSome(r io.Reader, p []byte) (int, error) {
	for range maxEmptyReads {
		if n, err := r.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// unchanged returns an error that matches [ErrChanged] if the file has changed since the snapshot was opened.
func (in *Input) unchanged() error {
	now, err := in.file.Stat()
	if err != nil {
		return public.Within(in.Name, Reason(err))
	}
	return same(in.Name, in.Info, now)
}

// place returns the place of a record that begins at a line of the range and, unless at is 0, at a byte of the file.
func (in *Input) place(line, at int64) string {
	before, err := in.linesBefore()
	if err != nil {
		return fmt.Sprintf("%s, line %d from byte %d on", in.Name, line, in.Start+1)
	}
	return place(in.Name, before+line, at)
}

func place(name string, line, at int64) string {
	if at > 0 {
		return fmt.Sprintf("%s, line %d, byte %d", name, line, at)
	}
	return fmt.Sprintf("%s, line %d", name, line)
}

// Line converts the number of a line in the range to its number in the file.
func (in *Input) Line(line int64) int64 {
	before, _ := in.linesBefore()
	return before + line
}

// linesBefore returns the number of lines before the range. It counts them at the first call.
func (in *Input) linesBefore() (int64, error) {
	if in.before >= 0 {
		return in.before, nil
	}
	var count int64
	if at, ok := in.file.(io.ReaderAt); ok && in.Start > 0 {
		r := io.NewSectionReader(at, 0, in.Start)
		buf := make([]byte, chunkBytes)
		for {
			n, err := r.Read(buf)
			count += int64(bytes.Count(buf[:n], []byte{'\n'}))
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return 0, err
			}
		}
	}
	in.before = count
	return count, nil
}
