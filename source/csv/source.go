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

// LineError is where a read ended, and why.
type LineError struct {
	// File is the file's path in the source's folder, with slashes.
	File string

	// Line is the line's number, from 1, in what is decompressed. A record can have several lines.
	Line int64

	// Err is what is wrong.
	Err error
}

// Error names file, line and reason.
func (e *LineError) Error() string { return fmt.Sprintf("csv: %s, line %d: %v", e.File, e.Line, e.Err) }

// Unwrap returns the reason.
func (e *LineError) Unwrap() error { return e.Err }

// Source is a [reindex.Source] over CSV files. It is safe for concurrent use, and keeps no file open between calls.
type Source struct{ files files.Source }

var _ reindex.Source = (*Source)(nil)

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
	return &Source{files.Source{
		Name: "csv", Folder: files.Folder{Open: open, Endings: []string{".csv", ".tsv"}, Files: c.Files}, Format: format{c},
	}}, nil
}

// Open implements [reindex.Source]. It lists the tenant's files. A tenant without a file is an error that matches [ErrUnknownTenant]. A
// file that changes between Open and the end of a read ends the read with an error that matches [ErrChanged].
//
// The snapshot yields a record that cannot be read as a [*reindex.RecordError], and what leaves the rest of a file unreadable as a
// [*LineError]. Its capabilities:
//
//   - [reindex.Counter]: it reads all of the tenant's files.
//   - [reindex.Splitter]: the files of a folder are spread over the parts. One file alone is not split. A part's name holds names, sizes
//     and times of its files; a process whose files are other ones refuses it with an error that matches [ErrChanged].
//   - [reindex.Locator]: the file and the line of the first product of each id, as "acme.csv, line 17". It reads the files from the
//     start, until it has found them all.
func (s *Source) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	return s.files.Open(ctx, tenant)
}

// format reads CSV files.
type format struct{ cfg Config }

// Fail implements [files.Format], unless encoding/csv knows better.
func (f format) Fail(file string, line int64, err error) error {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return &LineError{File: file, Line: int64(parse.Line), Err: parse.Err}
	}
	return &LineError{File: file, Line: line, Err: files.Broken(err)}
}

// Records implements [files.Format].
func (f format) Records(ctx context.Context, file *files.Input, need files.Need) iter.Seq2[files.Record, error] {
	return func(yield func(files.Record, error) bool) {
		in := &budget{r: f.decode(file.Text), max: f.cfg.MaxRecordBytes}
		r := f.reader(in)
		l, err := f.cfg.header(r)
		if err != nil {
			yield(files.Record{}, f.Fail(file.Name, 1, err))
			return
		}
		line := 1
		for {
			if err := ctx.Err(); err != nil {
				yield(files.Record{}, err)
				return
			}
			in.used = 0
			record, err := r.Read()
			if err == io.EOF { //nolint:errorlint // what wraps it is not the end of a file
				return
			}
			if err != nil {
				yield(files.Record{}, f.Fail(file.Name, int64(line+1), err))
				return
			}
			line, _ = r.FieldPos(0)
			if !yield(l.record(record, int64(line), need), nil) {
				return
			}
		}
	}
}

// decode returns the text of a file as UTF-8.
func (f format) decode(r io.Reader) io.Reader {
	decoder := encoding.Nop.NewDecoder()
	if f.cfg.Encoding != nil {
		decoder = f.cfg.Encoding.NewDecoder()
	}
	return transform.NewReader(r, unicode.BOMOverride(decoder))
}

func (f format) reader(in io.Reader) *csv.Reader {
	r := csv.NewReader(in)
	r.Comma, r.Comment = f.cfg.Comma, f.cfg.Comment
	r.LazyQuotes, r.TrimLeadingSpace = f.cfg.LazyQuotes, f.cfg.TrimLeadingSpace
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
