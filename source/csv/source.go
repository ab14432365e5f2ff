package csv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"productindex/reindex"
	"productindex/source/internal/files"
	"productindex/source/internal/public"
)

// Sentinel errors for states. Match them with [errors.Is].
var (
	// ErrUnknownTenant means that there is no file for the tenant.
	ErrUnknownTenant = files.ErrUnknownTenant

	// ErrAmbiguous means that more than one file or folder matches.
	ErrAmbiguous = files.ErrAmbiguous

	// ErrChanged means that a file has changed since the snapshot was opened, or since it was split.
	ErrChanged = files.ErrChanged

	// ErrTooLong means that a record, or a product of several records, is larger than Config.MaxRecordBytes.
	ErrTooLong = errors.New("the record is too large")
)

// LineError is the place and the reason of an error that ended a read.
type LineError struct {
	// File is the file's path in the source's folder, with slashes.
	File string

	// Line is the line's number, from 1. In compressed files, lines are counted after decompression. A record can have
	// several lines.
	Line int64

	// Err is the reason.
	Err error
}

// Error names file, line and reason.
func (e *LineError) Error() string { return fmt.Sprintf("csv: %s, line %d: %v", e.File, e.Line, e.Err) }

// PublicMessage names file, line and reason for callers of an API: the file's path is within the source's folder.
// Errors of the file system are in general words. See [reindex.Public].
func (e *LineError) PublicMessage() string {
	return fmt.Sprintf("%s, line %d: %s", e.File, e.Line, public.Reason(e.Err))
}

// Unwrap returns the reason.
func (e *LineError) Unwrap() error { return e.Err }

// Source is a [reindex.Source] over CSV files. It is safe for concurrent use, and keeps no file open between calls.
type Source struct{ files *files.Source }

var _ reindex.Source = (*Source)(nil)

// New returns a source over the files in the folder at path. Unless Config.FollowLinks is set, nothing outside of the
// folder is ever read: a symbolic link that leads out of it is an error. The folder is opened again for each snapshot,
// so that path may be a link that is switched from one version of the catalogues to the next. New fails if the folder
// cannot be opened now, or the config is not valid.
func New(path string, cfg *Config) (*Source, error) { return newSource(files.Dir(path), cfg) }

// NewFS returns a source over the files in fsys, such as an [embed.FS]. fsys decides which links it follows. NewFS
// fails if the config is not valid.
func NewFS(fsys fs.FS, cfg *Config) (*Source, error) { return newSource(files.FS(fsys), cfg) }

func newSource(folder files.Folder, cfg *Config) (*Source, error) {
	c := cfg.withDefaults()
	return files.New(folder, c.options(), func(s *files.Source) *Source { return &Source{s} })
}

// Open implements [reindex.Source]. It lists the tenant's files. A tenant without a file is an error that matches
// [ErrUnknownTenant]. A file that changes between Open and the end of a read ends the read with an error that matches
// [ErrChanged].
//
// The snapshot yields a [*reindex.RecordError] for a record that cannot be read. If the rest of a file cannot be read,
// the read ends with a [*LineError]. The snapshot's capabilities:
//
//   - [reindex.Estimator]: it reads all of the tenant's files and counts the records, including repeated ones.
//   - [reindex.Splitter]: plain files of UTF-8 are split into ranges of whole records, and of whole products if
//     Config.Arrays makes them of several records. Compressed files, and files in another encoding or with line ends of
//     CR alone, are read as a whole. Ranges and files are spread over the parts. Split has to read a file that it
//     splits, since a line end within quotes does not end a record. If there is only one file and it cannot be split,
//     the error matches [errors.ErrUnsupported]. The name of a part holds the names, sizes and times of its files. A
//     process with other files refuses it with an error that matches [ErrChanged].
//   - [reindex.Locator]: it returns the file and the line of the first product with each id, such as "acme.csv, line
//     17". It reads the files from the start until it has found all ids.
func (s *Source) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	return s.files.Open(ctx, tenant)
}
