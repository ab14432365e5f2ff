package files

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"iter"

	"productindex/reindex"
)

// Format is how the records of a file are read.
type Format interface {
	// Records yields the records of what is open. An error ends the sequence; what is wrong with one record alone is in the record.
	Records(ctx context.Context, in *Input, need Need) iter.Seq2[Record, error]
	// Splits reports whether what is open, the start of a plain file, can be read in ranges of whole lines.
	Splits(in *Input) bool
	// Fail returns err as one of that line of that file.
	Fail(file string, line int64, err error) error
}

// Need is what a reader of records needs to know of each.
type Need int

// What [Format.Records] can be asked for. Each includes those before it.
const (
	Lines Need = iota
	IDs
	Bodies
)

// Record is one record of a file.
type Record struct {
	ID   string
	Body json.RawMessage
	// Line is where the record begins, counted from 1 at the start of what is open.
	Line int64
	// Byte is the same in bytes, from 1, for records that can share a line; else 0.
	Byte int64
	// Err is what is wrong with the record.
	Err error
}

// Source is the files of all tenants, and how they are read.
type Source struct {
	folder folder
	format Format
}

// New returns a source over the files in the folder at path. It fails if the folder cannot be opened now.
func New(path string, o Options, format Format) (*Source, error) {
	s := &Source{folder{o, dir(path, o.FollowLinks)}, format}
	_, done, err := s.folder.open()
	if err != nil {
		return nil, s.wrap(err)
	}
	done()
	return s, nil
}

// NewFS returns a source over the files in fsys.
func NewFS(fsys fs.FS, o Options, format Format) *Source {
	return &Source{folder{o, func() (fs.FS, func(), error) { return fsys, func() {}, nil }}, format}
}

// File is a file of a snapshot.
type File struct {
	Name string
	Info fs.FileInfo
}

// Snapshot is a tenant's files as they were when it was opened. A file that is not what it was ends a read with an error that matches
// [ErrChanged]. No file is open between reads.
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

// wrap says whose error it is.
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

// Estimate implements [reindex.Estimator]. It counts the records: as a product may stand in a file twice, they can be more than the
// products.
func (s *Snapshot) Estimate(ctx context.Context) (int64, error) {
	var n int64
	for _, r := range s.whole() {
		for _, err := range s.records(ctx, r, Lines) {
			if err != nil {
				return 0, err
			}
			n++
		}
	}
	return n, nil
}

// Locate implements [reindex.Locator]. It reads the files from the start, until it has found all ids.
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
		for record, err := range s.records(ctx, r, IDs) {
			if err != nil {
				return found, err
			}
			if record.ID == "" || !wanted[record.ID] {
				continue
			}
			found[record.ID] = place(r.Name, record.Line, record.Byte)
			if delete(wanted, record.ID); len(wanted) == 0 {
				break
			}
		}
	}
	return found, nil
}

// whole returns the files, each to be read from start to end.
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
		for _, r := range ranges {
			if !s.rangeProducts(ctx, r, yield) {
				return
			}
		}
	}
}

// rangeProducts yields the products of a range, and reports whether the consumer wants more.
func (s *Snapshot) rangeProducts(ctx context.Context, r Range, yield func(reindex.Product, error) bool) bool {
	in, err := s.open(ctx, r)
	if err != nil {
		yield(reindex.Product{}, err)
		return false
	}
	defer in.close()
	for record, err := range s.src.format.Records(ctx, in, Bodies) {
		if err == nil && record.Err != nil {
			err = &reindex.RecordError{ID: record.ID, Where: in.place(record), Err: record.Err}
			record.Body = nil
		} else if err != nil {
			yield(reindex.Product{}, err)
			return false
		}
		if !yield(reindex.Product{ID: record.ID, Body: record.Body}, err) {
			return false
		}
	}
	if err := in.unchanged(); err != nil {
		yield(reindex.Product{}, s.src.wrap(err))
		return false
	}
	return true
}

// records yields the records of a range.
func (s *Snapshot) records(ctx context.Context, r Range, need Need) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		in, err := s.open(ctx, r)
		if err != nil {
			yield(Record{}, err)
			return
		}
		defer in.close()
		for record, err := range s.src.format.Records(ctx, in, need) {
			if !yield(record, err) || err != nil {
				return
			}
		}
		if err := in.unchanged(); err != nil {
			yield(Record{}, s.src.wrap(err))
		}
	}
}
