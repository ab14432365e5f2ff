package jsonl

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"productindex/reindex"
)

// endings are those of files that hold products.
var endings = []string{".jsonl", ".jsonl.gz", ".jsonl.zst", ".ndjson", ".ndjson.gz", ".ndjson.zst"}

// find opens the file system and returns the names of the tenant's files in it. The caller calls done.
func (s *Source) find(tenant string) (fsys fs.FS, names []string, done func(), err error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return nil, nil, nil, fmt.Errorf("jsonl: %w", err)
	}
	if s.cfg.Files != nil && s.cfg.Files[tenant] == nil {
		return nil, nil, nil, fmt.Errorf("jsonl: %w %q: Config.Files does not list it", ErrUnknownTenant, tenant)
	}
	fsys, done, err = s.open()
	if err != nil {
		return nil, nil, nil, err
	}
	names = s.cfg.Files[tenant]
	if names == nil {
		if names, err = conventional(fsys, tenant); err != nil {
			done()
			return nil, nil, nil, err
		}
	}
	return fsys, names, done, nil
}

// conventional returns the tenant's files by their names. It compares names from a listing rather than to open what a tenant's name
// leads to, so that a name is nothing but a name: no path, no other spelling of another tenant's on a file system that ignores case.
func conventional(fsys fs.FS, tenant string) ([]string, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("jsonl: listing the folder of the catalogues: %w", reason(err))
	}
	var found []string
	folder := false
	for _, e := range entries {
		if e.Name() == tenant {
			info, err := fs.Stat(fsys, tenant)
			if err != nil {
				return nil, fmt.Errorf("jsonl: %s: %w", tenant, reason(err))
			}
			folder = info.IsDir()
			if folder {
				found = append(found, tenant+"/")
			}
			continue
		}
		if rest, ok := strings.CutPrefix(e.Name(), tenant); ok && isEnding(rest) {
			found = append(found, e.Name())
		}
	}
	switch {
	case len(found) == 0:
		return nil, fmt.Errorf("jsonl: %w %q: there is neither a folder of that name nor a file with one of the endings %s behind it",
			ErrUnknownTenant, tenant, strings.Join(endings, " "))
	case len(found) > 1:
		return nil, fmt.Errorf("jsonl: tenant %q: %w: %s; leave one of them", tenant, ErrAmbiguous, strings.Join(found, ", "))
	case folder:
		return parts(fsys, tenant)
	}
	return found, nil
}

// parts returns the files of a tenant's folder.
func parts(fsys fs.FS, folder string) ([]string, error) {
	entries, err := fs.ReadDir(fsys, folder)
	if err != nil {
		return nil, fmt.Errorf("jsonl: listing the folder %s: %w", folder, reason(err))
	}
	var names []string
	stems := map[string]string{}
	for _, e := range entries {
		name := path.Join(folder, e.Name())
		if e.Name()[0] == '.' || e.Name()[0] == '_' {
			continue
		}
		stem, ok := cutEnding(name)
		if !ok {
			return nil, fmt.Errorf("jsonl: %s has none of the endings %s; if it holds no products, move it away or begin its name with _",
				name, strings.Join(endings, " "))
		}
		if other := stems[stem]; other != "" {
			return nil, fmt.Errorf("jsonl: %w: %s, %s; leave one of them", ErrAmbiguous, other, name)
		}
		stems[stem] = name
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("jsonl: %w: the folder %s holds none; for a catalogue without products put an empty .jsonl file there",
			ErrUnknownTenant, folder)
	}
	return names, nil
}

func isEnding(s string) bool {
	stem, ok := cutEnding(s)
	return ok && stem == ""
}

// cutEnding returns name without its ending.
func cutEnding(name string) (stem string, ok bool) {
	for _, ending := range endings {
		if stem, ok := strings.CutSuffix(name, ending); ok {
			return stem, true
		}
	}
	return name, false
}

// reason returns what went wrong with a file without the path, which can be one on this machine that callers have no use for.
func reason(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
