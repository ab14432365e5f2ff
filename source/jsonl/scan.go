package jsonl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"productindex/source/internal/files"
)

// errStop ends a scan early, on the consumer's wish.
var errStop = errors.New("stop")

// scan calls visit for every line of the part that is not blank, without the white space around it, and with the line's number in what
// is read of the file. It returns visit's error as one of the line, errStop as such, and ctx.Err() where ctx ended. With reuse the line is
// valid until visit returns, else for good.
func (s *Source) scan(ctx context.Context, fsys fs.FS, p part, reuse bool, visit func(line []byte, number int64) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	in, err := openPart(fsys, p, s.cfg.MaxLineBytes, reuse)
	if err != nil {
		return err
	}
	defer in.close()
	for p.end == 0 || in.next < p.end {
		line, err := in.read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err != nil {
			return in.fail(files.Broken(err))
		}
		if in.offset == 0 {
			line = bytes.TrimPrefix(line, bom)
		}
		if line = trim(line); len(line) == 0 {
			continue
		}
		if in.last && line[0] == '{' && !json.Valid(line) {
			return in.fail(fmt.Errorf("the last line is no complete JSON object, and has no line end: the file is cut off: %w", io.ErrUnexpectedEOF))
		}
		if err := visit(line, in.number); err != nil {
			if errors.Is(err, errStop) {
				return err
			}
			return in.fail(err)
		}
	}
	return in.unchanged(in.info)
}

// trim returns line without the white space around it.
func trim(line []byte) []byte {
	i, end := skipSpace(line, 0), len(line)
	for end > i && isSpace(line[end-1]) {
		end--
	}
	return line[i:end:end]
}

// fail returns err as one of the line that was read last.
func (in *input) fail(err error) error {
	number := in.number
	if in.part.start > 0 {
		// The lines before the range were not read. Here they are worth it.
		before, countErr := in.linesBefore(in.offset)
		if countErr != nil {
			return fmt.Errorf("jsonl: %s, at byte %d: %w", in.part.name, in.offset, err)
		}
		number = before + 1
	}
	return &LineError{File: in.part.name, Line: number, Err: err}
}

// linesBefore counts the line ends in the first bytes of the file.
func (in *input) linesBefore(offset int64) (int64, error) {
	file, ok := in.file.(io.ReaderAt)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	r := io.NewSectionReader(file, 0, offset)
	buf := make([]byte, chunkBytes)
	var count int64
	for {
		n, err := r.Read(buf)
		count += int64(bytes.Count(buf[:n], []byte{'\n'}))
		if errors.Is(err, io.EOF) {
			return count, nil
		}
		if err != nil {
			return count, err
		}
	}
}
