package jsonl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"productindex/source/internal/files"
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

// bom is the byte order mark of UTF-8.
var bom = []byte("\ufeff")

// openPart opens a part for reading. The caller closes it.
func openPart(fsys fs.FS, p part, maxLine int, reuse bool) (*input, error) {
	file, info, err := files.OpenRegular(fsys, p.name)
	if err != nil {
		return nil, fmt.Errorf("jsonl: %w", err)
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
	if in.part.info != nil && kind != files.Plain {
		return fmt.Errorf("jsonl: %s: %w", in.part.name, ErrChanged)
	}
	return in.decompress(kind, r)
}

// decompress makes in read what is behind r.
func (in *input) decompress(kind files.Compression, r io.Reader) error {
	text, done, err := kind.Decompress(r)
	if err != nil {
		return &LineError{File: in.part.name, Line: 1, Err: files.Broken(err)}
	}
	closeFile := in.close
	in.r = text
	in.close = func() { done(); closeFile() }
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
	if err := files.Unchanged(in.file, in.part.name, before); err != nil {
		return fmt.Errorf("jsonl: %w", err)
	}
	return nil
}

// detect tells how a file is compressed, and returns a reader of all of it.
func detect(file io.Reader, name string) (files.Compression, io.Reader, error) {
	kind, head, r, err := files.Detect(file, name)
	if err == nil && (bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff})) {
		err = errors.New("the file is UTF-16; convert it to UTF-8")
	}
	if err != nil {
		return files.Plain, nil, &LineError{File: name, Line: 1, Err: err}
	}
	return kind, r, nil
}
