package jsonl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"

	"productindex/reindex"
	"productindex/source/internal/files"
)

// Config adjusts a [Source]. The zero value, and nil in its place, means the defaults. New and NewFS copy it.
type Config struct {
	// IDField is the member of each product that holds its id. Default "id".
	IDField string

	// MaxLineBytes is the length of the longest line, in bytes; a longer one ends the read with an error that matches [ErrTooLong].
	// Default 64 MiB.
	MaxLineBytes int

	// Files, where it is not nil, lists each tenant's files, in the order in which they are read, in place of the conventions that the
	// package's documentation states; other tenants are then unknown. Paths are relative to the source's folder, with slashes.
	Files map[string][]string
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
	out.Files = maps.Clone(out.Files)
	for tenant, files := range out.Files {
		out.Files[tenant] = slices.Clone(files)
	}
	return out
}

// validate reports every setting of a config with defaults that makes no sense.
func (c *Config) validate() error {
	var errs []error
	if c.MaxLineBytes < 1 {
		errs = append(errs, fmt.Errorf("MaxLineBytes is %d, it must be positive", c.MaxLineBytes))
	}
	errs = append(errs, files.CheckFiles(c.Files))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("jsonl: invalid config: %w", err)
	}
	return nil
}

// Source is a [reindex.Source] over JSON-lines files. It also implements [reindex.Counter] and [reindex.Partitioner]. It is safe for
// concurrent use, and keeps no file open between calls.
type Source struct {
	cfg  Config
	open func() (fsys fs.FS, done func(), err error)
}

var (
	_ reindex.Source      = (*Source)(nil)
	_ reindex.Counter     = (*Source)(nil)
	_ reindex.Partitioner = (*Source)(nil)
)

// New returns a source over the files in the folder at path. Nothing outside of the folder is ever read: a symbolic link that leads out
// of it is an error. The folder is opened anew for each read, so that path may be a link that is switched from one version of the
// catalogues to the next. It fails where the folder cannot be opened now, or the config makes no sense.
func New(path string, cfg *Config) (*Source, error) {
	open, err := files.Dir(path)
	if err != nil {
		return nil, fmt.Errorf("jsonl: %w", err)
	}
	return newSource(cfg, open)
}

// NewFS returns a source over the files in fsys, such as an [embed.FS]. What New says about links holds as far as fsys sees to it.
// Files that implement [io.ReaderAt] can be split into partitions. It fails where the config makes no sense.
func NewFS(fsys fs.FS, cfg *Config) (*Source, error) {
	return newSource(cfg, files.FS(fsys))
}

func newSource(cfg *Config, open func() (fs.FS, func(), error)) (*Source, error) {
	c := cfg.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	return &Source{cfg: c, open: open}, nil
}

// Products implements [reindex.Source]. A tenant without a file is an error that matches [ErrUnknownTenant]; one that
// reindex.CheckTenant does not accept matches [reindex.ErrTenant]. What is wrong in a file comes as a [*LineError]. A body is a part
// of a larger piece of memory, 32 KiB for products that are smaller than that, which stays in memory as long as any body in it does.
func (s *Source) Products(ctx context.Context, tenant string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		fsys, names, done, err := s.find(tenant)
		if err != nil {
			yield(reindex.Product{}, err)
			return
		}
		defer done()
		for _, name := range names {
			if !s.products(ctx, fsys, whole(name), yield) {
				return
			}
		}
	}
}

// products yields the products of a part, and reports whether the consumer wants more.
func (s *Source) products(ctx context.Context, fsys fs.FS, p part, yield func(reindex.Product, error) bool) bool {
	stopped := false
	err := s.scan(ctx, fsys, p, false, func(line []byte, _ int64) error {
		id, err := findID(line, s.cfg.IDField)
		if err != nil {
			return err
		}
		if !yield(reindex.Product{ID: id, Body: json.RawMessage(line)}, nil) {
			stopped = true
			return errStop
		}
		return nil
	})
	if err != nil && !stopped {
		yield(reindex.Product{}, err)
	}
	return err == nil
}

// Count implements [reindex.Counter]. It reads all of the tenant's files to their end, compressed ones included, and fails as Products
// does, save that it does not look for ids. That costs about as much as decompressing them does; a host that would rather do
// without hides the capability: reindex.SourceFunc(src.Products).
func (s *Source) Count(ctx context.Context, tenant string) (int64, error) {
	fsys, names, done, err := s.find(tenant)
	if err != nil {
		return 0, err
	}
	defer done()
	var count int64
	for _, name := range names {
		err := s.scan(ctx, fsys, whole(name), true, func([]byte, int64) error {
			count++
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return count, nil
}

// Locate tells where products are: for each of the ids that the tenant's files hold, the file and the line of the first product of
// that id, as "acme.jsonl.gz, line 17". It reads the files from the start, until it has found them all, and is meant for what a report
// lists as rejected.
func (s *Source) Locate(ctx context.Context, tenant string, ids ...string) (map[string]string, error) {
	fsys, names, done, err := s.find(tenant)
	if err != nil {
		return nil, err
	}
	defer done()
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	found := make(map[string]string, len(wanted))
	for _, name := range names {
		if len(found) == len(wanted) {
			break
		}
		err := s.scan(ctx, fsys, whole(name), true, func(line []byte, number int64) error {
			id, err := findID(line, s.cfg.IDField)
			if err != nil || !wanted[id] || found[id] != "" {
				return nil //nolint:nilerr // a line without an id is none of those that are looked for
			}
			found[id] = fmt.Sprintf("%s, line %d", name, number)
			if len(found) == len(wanted) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			return found, err
		}
	}
	return found, nil
}
