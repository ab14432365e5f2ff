package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"productindex/reindex"
)

// Format reads the records of a file.
type Format interface {
	// Records visits the records of in. If visit returns false, it stops and returns ErrStopped. Any other error means
	// that the rest cannot be read. The error of a single record is in the record.
	Records(ctx context.Context, in *Input, need Need, visit Visitor) error
	// Splits reports whether in, the start of a plain file, can be read in ranges of whole records.
	Splits(in *Input) bool
	// Starts returns, for each of the ascending offsets, the start of the first record at or after it, or the size of the
	// file if no range can begin there. It is called only for files that Splits accepts.
	Starts(ctx context.Context, in *Input, offsets []int64) ([]int64, error)
	// Fail adds the file and the line to err.
	Fail(file string, line int64, err error) error
}

// Need is the part of each record that a reader needs.
type Need int

// The needs. Each includes the ones before it.
const (
	Lines Need = iota
	IDs
	Bodies
)

// ErrStopped means that a visitor has returned false.
var ErrStopped = errors.New("stopped")

// Visitor sees one record, and reports whether it wants another one.
type Visitor func(Record) bool

// Record is one record of a file.
type Record struct {
	ID   string
	Body json.RawMessage
	// Line is the number of the record's first line, counted from 1 at the start of the range.
	Line int64
	// Byte is the position of the record's first byte in the file, from 1, if records can share a line. Otherwise it is 0.
	Byte int64
	// Err is the reason why the record cannot be read, or nil.
	Err error
}

// Source reads the files of all tenants in one format.
type Source struct {
	folder folder
	format Format
}

// New makes a source over the files in a folder, and returns what wrap makes of it. The error names every option that
// is not valid. New also fails if the folder cannot be opened.
func New[S any](at Folder, o Options, wrap func(*Source) *S) (*S, error) {
	if err := errors.Join(append(o.Faults, checkFiles(o.Files))...); err != nil {
		return nil, fmt.Errorf("%s: invalid config: %w", o.Name, err)
	}
	o.Files = cloneFiles(o.Files)
	s := &Source{folder{o, at}, o.Format}
	_, done, err := s.folder.open()
	if err != nil {
		return nil, s.wrap(err)
	}
	done()
	return wrap(s), nil
}

// File is a file of a snapshot.
type File struct {
	Name string
	Info fs.FileInfo
}

// Snapshot is a list of a tenant's files at the time of Open. If a file has changed since then, a read of it ends with
// an error that matches [ErrChanged]. No file is open between reads.
type Snapshot struct {
	src   *Source
	fsys  fs.FS
	done  func()
	files []File
}

var (
	_ reindex.Snapshot  = (*Snapshot)(nil)
	_ reindex.Estimator = (*Snapshot)(nil)
	_ reindex.Splitter  = (*Snapshot)(nil)
	_ reindex.Locator   = (*Snapshot)(nil)
)

// Open lists a tenant's files.
func (s *Source) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	fsys, names, done, err := s.folder.find(tenant)
	if err != nil {
		return nil, s.wrap(err)
	}
	snap := &Snapshot{src: s, fsys: fsys, done: done}
	for _, name := range names {
		if err = ctx.Err(); err != nil {
			break
		}
		var info fs.FileInfo
		if info, err = statRegular(fsys, name); err != nil {
			break
		}
		snap.files = append(snap.files, File{name, info})
	}
	if err != nil {
		done()
		return nil, s.wrap(err)
	}
	return snap, nil
}

// wrap puts the name of the source before an error.
func (s *Source) wrap(err error) error { return fmt.Errorf("%s: %w", s.folder.Name, err) }

// Close implements [reindex.Snapshot].
func (s *Snapshot) Close() error {
	s.done()
	return nil
}

// Products implements [reindex.Snapshot].
func (s *Snapshot) Products(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return s.products(ctx, s.whole())
}

// Estimate implements [reindex.Estimator]. It counts the records. There can be more of them than products, because a
// product can be in the files twice.
func (s *Snapshot) Estimate(ctx context.Context) (int64, error) {
	var n int64
	for _, r := range s.whole() {
		err := s.records(ctx, r, Lines, func(*Input) Visitor {
			return func(Record) bool {
				n++
				return true
			}
		})
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

// Locate implements [reindex.Locator]. It reads the files from the start until it has found all ids.
func (s *Snapshot) Locate(ctx context.Context, ids ...string) (map[string]string, error) {
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	found := make(map[string]string, len(wanted))
	for _, r := range s.whole() {
		if len(wanted) == 0 {
			break
		}
		err := s.records(ctx, r, IDs, func(in *Input) Visitor {
			return func(record Record) bool {
				if record.ID != "" && wanted[record.ID] {
					found[record.ID] = in.place(record.Line, record.Byte)
					delete(wanted, record.ID)
				}
				return len(wanted) > 0
			}
		})
		if err != nil && !errors.Is(err, ErrStopped) {
			return found, err
		}
	}
	return found, nil
}

// whole returns a range for each file, from its start to its end.
func (s *Snapshot) whole() []Range {
	out := make([]Range, len(s.files))
	for i, f := range s.files {
		out[i] = Range{File: f}
	}
	return out
}

// products yields the products of some ranges.
func (s *Snapshot) products(ctx context.Context, ranges []Range) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		visitor := func(in *Input) Visitor {
			return func(r Record) bool {
				if r.Err != nil {
					return yield(
						reindex.Product{ID: r.ID},
						&reindex.RecordError{ID: r.ID, Where: in.place(r.Line, r.Byte), Err: r.Err},
					)
				}
				return yield(reindex.Product{ID: r.ID, Body: r.Body}, nil)
			}
		}
		for _, r := range ranges {
			err := s.records(ctx, r, Bodies, visitor)
			if errors.Is(err, ErrStopped) {
				return
			}
			if err != nil {
				yield(reindex.Product{}, err)
				return
			}
		}
	}
}

// records passes the records of a range to a visitor.
func (s *Snapshot) records(ctx context.Context, r Range, need Need, visitor func(*Input) Visitor) error {
	in, err := s.open(ctx, r)
	if err != nil {
		return err
	}
	defer in.close()
	if err := s.src.format.Records(ctx, in, need, visitor(in)); err != nil {
		return err
	}
	if err := in.unchanged(); err != nil {
		return s.src.wrap(err)
	}
	return nil
}
