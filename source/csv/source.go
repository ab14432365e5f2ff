package csv

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"productindex/reindex"
	"productindex/source/internal/files"
)

// Sentinel errors for states. Match them with [errors.Is].
var (
	// ErrUnknownTenant: there is no file for the tenant.
	ErrUnknownTenant = files.ErrUnknownTenant

	// ErrAmbiguous: more than one file or folder could be meant.
	ErrAmbiguous = files.ErrAmbiguous

	// ErrChanged: a file was written to while it was read.
	ErrChanged = files.ErrChanged

	// ErrTooLong: a record is larger than Config.MaxRecordBytes.
	ErrTooLong = errors.New("the record is too large")
)

// LineError tells at which line of which file a read ended, and why.
type LineError struct {
	// File is the file's path in the source's folder, with slashes.
	File string

	// Line is the line's number, from 1, in what is decompressed. A record can have several lines.
	Line int

	// Err is what is wrong.
	Err error
}

// Error names file, line and reason.
func (e *LineError) Error() string { return fmt.Sprintf("csv: %s, line %d: %v", e.File, e.Line, e.Err) }

// Unwrap returns the reason.
func (e *LineError) Unwrap() error { return e.Err }

// Source is a [reindex.Source] over CSV files. It also implements [reindex.Counter]. It is safe for concurrent use, and keeps no file
// open between calls.
type Source struct {
	cfg    Config
	folder files.Folder
}

var (
	_ reindex.Source  = (*Source)(nil)
	_ reindex.Counter = (*Source)(nil)
)

// New returns a source over the files in the folder at path. Nothing outside of the folder is ever read: a symbolic link that leads out
// of it is an error. The folder is opened anew for each read, so that path may be a link that is switched from one version of the
// catalogues to the next. It fails where the folder can not be opened now, or the config makes no sense.
func New(path string, cfg *Config) (*Source, error) {
	open, err := files.Dir(path)
	if err != nil {
		return nil, fmt.Errorf("csv: %w", err)
	}
	return newSource(cfg, open)
}

// NewFS returns a source over the files in fsys, such as an [embed.FS]. It fails where the config makes no sense.
func NewFS(fsys fs.FS, cfg *Config) (*Source, error) {
	return newSource(cfg, files.FS(fsys))
}

func newSource(cfg *Config, open func() (fs.FS, func(), error)) (*Source, error) {
	c := cfg.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	return &Source{cfg: c, folder: files.Folder{Open: open, Endings: []string{".csv", ".tsv"}, Files: c.Files}}, nil
}

// Products implements [reindex.Source]. A tenant without a file is an error that matches [ErrUnknownTenant]. What is wrong in a file
// comes as a [*LineError].
func (s *Source) Products(ctx context.Context, tenant string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		err := s.each(ctx, tenant, func(l *layout, record []string) (bool, error) {
			p, err := l.product(record)
			if err != nil {
				return false, err
			}
			return yield(p, nil), nil
		})
		if err != nil {
			yield(reindex.Product{}, err)
		}
	}
}

// Count implements [reindex.Counter]. It reads all of the tenant's files, and fails where their records are malformed.
func (s *Source) Count(ctx context.Context, tenant string) (int64, error) {
	var n int64
	err := s.each(ctx, tenant, func(*layout, []string) (bool, error) {
		n++
		return true, nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// visitor sees one record, which is valid until it returns, and reports whether it wants another one.
type visitor func(l *layout, record []string) (bool, error)

// each visits the records of all the tenant's files.
func (s *Source) each(ctx context.Context, tenant string, visit visitor) error {
	fsys, names, done, err := s.folder.Find(tenant)
	if err != nil {
		return fmt.Errorf("csv: %w", err)
	}
	defer done()
	for _, name := range names {
		more, err := s.file(ctx, fsys, name, visit)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// file visits the records of one file.
func (s *Source) file(ctx context.Context, fsys fs.FS, name string, visit visitor) (more bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	f, info, err := files.OpenRegular(fsys, name)
	if err != nil {
		return false, fmt.Errorf("csv: %w", err)
	}
	defer f.Close()
	kind, _, raw, err := files.Detect(f, name)
	if err != nil {
		return false, fail(name, 1, err)
	}
	text, done, err := kind.Decompress(raw)
	if err != nil {
		return false, fail(name, 1, err)
	}
	defer done()
	in := &budget{r: s.decode(text), max: s.cfg.MaxRecordBytes}
	more, err = s.records(ctx, s.reader(in), in, name, visit)
	if err != nil || !more {
		return false, err
	}
	if err := files.Unchanged(f, name, info); err != nil {
		return false, fmt.Errorf("csv: %w", err)
	}
	return true, nil
}

// records visits the records of an open file.
func (s *Source) records(ctx context.Context, r *csv.Reader, in *budget, name string, visit visitor) (more bool, err error) {
	l, err := s.cfg.header(r)
	if err != nil {
		return false, fail(name, 1, err)
	}
	line := 1
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		in.used = 0
		record, err := r.Read()
		if err == io.EOF { //nolint:errorlint // what wraps it is no end of a file
			return true, nil
		}
		if err != nil {
			return false, fail(name, line+1, err)
		}
		line, _ = r.FieldPos(0)
		more, err := visit(l, record)
		if err != nil {
			return false, fail(name, line, err)
		}
		if !more {
			return false, nil
		}
	}
}

// fail says where an error was found, unless encoding/csv knows better.
func fail(name string, line int, err error) error {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return &LineError{File: name, Line: parse.Line, Err: parse.Err}
	}
	return &LineError{File: name, Line: line, Err: files.Broken(err)}
}

// decode returns the text of a file as UTF-8.
func (s *Source) decode(r io.Reader) io.Reader {
	decoder := encoding.Nop.NewDecoder()
	if s.cfg.Encoding != nil {
		decoder = s.cfg.Encoding.NewDecoder()
	}
	return transform.NewReader(r, unicode.BOMOverride(decoder))
}

func (s *Source) reader(in io.Reader) *csv.Reader {
	r := csv.NewReader(in)
	r.Comma, r.Comment = s.cfg.Comma, s.cfg.Comment
	r.LazyQuotes, r.TrimLeadingSpace = s.cfg.LazyQuotes, s.cfg.TrimLeadingSpace
	r.FieldsPerRecord = -1 // checked with a better message
	r.ReuseRecord = true
	return r
}

// budget limits how much is read for one record.
type budget struct {
	r         io.Reader
	used, max int64
}

// Read reads unless the record is too large already.
func (b *budget) Read(p []byte) (int, error) {
	if b.used > b.max {
		return 0, fmt.Errorf("%w: it has more than %d bytes, or a quote is not closed", ErrTooLong, b.max)
	}
	n, err := b.r.Read(p)
	b.used += int64(n)
	return n, err
}
