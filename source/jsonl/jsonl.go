package jsonl

import (
	"context"
	"fmt"
	"io/fs"

	"productindex/reindex"
	"productindex/source/internal/files"
)

// Config configures a [Source]. The zero value and nil mean the defaults. New and NewFS copy it.
type Config struct {
	// IDField is the member of each product that holds its id. A dot also leads into an object: "_id.$oid" is the member
	// of that name, or the member "$oid" of the object "_id", whichever comes first in the text. Default "id".
	IDField string

	// MaxLineBytes is the length of the longest line, in bytes, and of the longest value that spans lines. A longer one is
	// a record that cannot be read; its error matches [ErrTooLong]. Default 64 MiB.
	MaxLineBytes int

	// Files, if it is not nil, lists each tenant's files, in the order in which they are read. It replaces the conventions
	// that the package documentation states; other tenants are then unknown. Paths are relative to the source's folder,
	// with slashes.
	Files map[string][]string
	// FollowLinks lets symbolic links lead out of the folder that New is given. Anyone who can write to the folder can
	// then choose the files of the machine that are read.
	FollowLinks bool
}

const (
	defaultIDField      = "id"
	defaultMaxLineBytes = 64 << 20
)

// withDefaults returns a copy of c in which every field that is not set has its default.
func (c *Config) withDefaults() Config {
	var out Config
	if c != nil {
		out = *c
	}
	if out.IDField == "" {
		out.IDField = defaultIDField
	}
	if out.MaxLineBytes == 0 {
		out.MaxLineBytes = defaultMaxLineBytes
	}
	return out
}

// options returns the options of the files. The defaults must be set.
func (c *Config) options() files.Options {
	return files.Options{
		Name:        "jsonl",
		Endings:     []string{".jsonl", ".ndjson", ".json"},
		Files:       c.Files,
		FollowLinks: c.FollowLinks,
		Format:      &format{*c},
		Faults:      c.faults(),
	}
}

// faults returns an error for each setting that is not valid, except for Files. The defaults must be set.
func (c *Config) faults() []error {
	if c.MaxLineBytes < 1 {
		return []error{fmt.Errorf("MaxLineBytes is %d; it must be positive", c.MaxLineBytes)}
	}
	return nil
}

// Source is a [reindex.Source] over JSON-lines files. It is safe for concurrent use, and keeps no file open between
// calls.
type Source struct{ files *files.Source }

var _ reindex.Source = (*Source)(nil)

// New returns a source over the files in the folder at path. Unless Config.FollowLinks is set, nothing outside of the
// folder is ever read: a symbolic link that leads out of it is an error. The folder is opened again for each snapshot,
// so that path may be a link that is switched from one version of the catalogues to the next. New fails if the folder
// cannot be opened now, or the config is not valid.
func New(path string, cfg *Config) (*Source, error) { return newSource(files.Dir(path), cfg) }

// NewFS returns a source over the files in fsys, such as an [embed.FS]. fsys decides which links it follows. Files that
// implement [io.ReaderAt] can be split into ranges. NewFS fails if the config is not valid.
func NewFS(fsys fs.FS, cfg *Config) (*Source, error) { return newSource(files.FS(fsys), cfg) }

func newSource(folder files.Folder, cfg *Config) (*Source, error) {
	c := cfg.withDefaults()
	return files.New(folder, c.options(), func(s *files.Source) *Source { return &Source{s} })
}

// Open implements [reindex.Source]. It lists the tenant's files. If the tenant has no file, the error matches
// [ErrUnknownTenant]; if reindex.CheckTenant does not accept its name, it matches [reindex.ErrTenant]. A file that
// changes between Open and the end of a read ends the read with an error that matches [ErrChanged]; to replace a
// catalogue while runs go on, write a new file beside it and rename it into place.
//
// The snapshot yields a [*reindex.RecordError] for a line that is not a product. If the rest of a file cannot be read,
// the read ends with a [*LineError]. Bodies share larger pieces of memory, of 32 KiB for products that are smaller than
// that. Such a piece stays in memory as long as any body in it is in use. The snapshot's capabilities:
//
//   - [reindex.Estimator]: it reads all of the tenant's files to their end, including compressed ones, and counts the
//     lines that are not blank, including repeated products. That costs about as much as decompressing the files. A
//     host that prefers no estimate wraps the snapshot.
//   - [reindex.Splitter]: plain files are split into ranges of whole lines, and compressed files are read as a whole;
//     both are spread over the parts. A single compressed file cannot be split. The name of a part holds the names,
//     sizes and times of its files. A process with other files refuses it with an error that matches [ErrChanged].
//   - [reindex.Locator]: it returns the file and the line of the first product with each id, such as "acme.jsonl.gz,
//     line 17". It reads the files from the start until it has found all ids, and is meant for the rejected products of
//     a report.
func (s *Source) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	return s.files.Open(ctx, tenant)
}
