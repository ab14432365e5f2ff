// Package files finds and opens the files of a tenant, as the sources that read files all do. Its errors name files by their paths in
// the source's folder, never by those on the machine; the caller says whose they are.
package files

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"productindex/reindex"
)

// Sentinel errors for states, which the sources hand on as their own.
var (
	ErrUnknownTenant = errors.New("no file for the tenant")
	ErrAmbiguous     = errors.New("more than one file for the same products")
	ErrChanged       = errors.New("the file changed while it was read")
)

// Folder is where the files of all tenants are.
type Folder struct {
	// Open opens the file system; done closes it.
	Open func() (fsys fs.FS, done func(), err error)
	// Endings are those of files that hold products, without compression: .csv stands for .csv.gz and .csv.zst, too.
	Endings []string
	// Files, where it is not nil, lists each tenant's files.
	Files map[string][]string
}

// Dir returns what opens the folder at path anew for each read, and nothing outside of it. It fails where it can not be opened now.
func Dir(path string) (func() (fs.FS, func(), error), error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("opening the folder: %w", err)
	}
	if err := root.Close(); err != nil {
		return nil, fmt.Errorf("closing the folder: %w", err)
	}
	return func() (fs.FS, func(), error) {
		root, err := os.OpenRoot(path)
		if err != nil {
			return nil, nil, fmt.Errorf("opening the folder of the catalogues: %w", Reason(err))
		}
		return root.FS(), func() { _ = root.Close() }, nil
	}, nil
}

// FS returns what opens a file system that is there already.
func FS(fsys fs.FS) func() (fs.FS, func(), error) {
	return func() (fs.FS, func(), error) { return fsys, func() {}, nil }
}

// CheckFiles returns what is wrong with a listing of files.
func CheckFiles(listed map[string][]string) error {
	var errs []error
	for _, tenant := range slices.Sorted(maps.Keys(listed)) {
		names := listed[tenant]
		if err := reindex.CheckTenant(tenant); err != nil {
			errs = append(errs, fmt.Errorf("a tenant in Files: %w", err))
		}
		if len(names) == 0 {
			errs = append(errs, fmt.Errorf("tenant %q has no files in Files", tenant))
		}
		for _, name := range names {
			if !fs.ValidPath(name) || name == "." {
				errs = append(errs, fmt.Errorf("tenant %q has the file %q in Files, it must be a path below the folder, with slashes", tenant, name))
			}
		}
	}
	return errors.Join(errs...)
}

// Find opens the file system and returns the names of the tenant's files in it. The caller calls done.
func (f Folder) Find(tenant string) (fsys fs.FS, names []string, done func(), err error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return nil, nil, nil, err
	}
	if f.Files != nil && f.Files[tenant] == nil {
		return nil, nil, nil, fmt.Errorf("%w %q: Config.Files does not list it", ErrUnknownTenant, tenant)
	}
	fsys, done, err = f.Open()
	if err != nil {
		return nil, nil, nil, err
	}
	names = f.Files[tenant]
	if names == nil {
		if names, err = f.conventional(fsys, tenant); err != nil {
			done()
			return nil, nil, nil, err
		}
	}
	return fsys, names, done, nil
}

// conventional returns the tenant's files by their names. It compares names from a listing rather than to open what a tenant's name
// leads to, so that a name is nothing but a name: no path, no other spelling of another tenant's on a file system that ignores case.
func (f Folder) conventional(fsys fs.FS, tenant string) ([]string, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("listing the folder of the catalogues: %w", Reason(err))
	}
	var found []string
	folder := false
	for _, e := range entries {
		if e.Name() == tenant {
			info, err := fs.Stat(fsys, tenant)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", tenant, Reason(err))
			}
			if folder = info.IsDir(); folder {
				found = append(found, tenant+"/")
			}
			continue
		}
		if rest, ok := strings.CutPrefix(e.Name(), tenant); ok {
			if stem, ok := f.cutEnding(rest); ok && stem == "" {
				found = append(found, e.Name())
			}
		}
	}
	switch {
	case len(found) == 0:
		return nil, fmt.Errorf("%w %q: there is neither a folder of that name nor a file with one of the endings %s behind it",
			ErrUnknownTenant, tenant, f.endings())
	case len(found) > 1:
		return nil, fmt.Errorf("tenant %q: %w: %s; leave one of them", tenant, ErrAmbiguous, strings.Join(found, ", "))
	case folder:
		return f.parts(fsys, tenant)
	}
	return found, nil
}

// parts returns the files of a tenant's folder.
func (f Folder) parts(fsys fs.FS, folder string) ([]string, error) {
	entries, err := fs.ReadDir(fsys, folder)
	if err != nil {
		return nil, fmt.Errorf("listing the folder %s: %w", folder, Reason(err))
	}
	var names []string
	stems := map[string]string{}
	for _, e := range entries {
		name := path.Join(folder, e.Name())
		if e.Name()[0] == '.' || e.Name()[0] == '_' {
			continue
		}
		stem, ok := f.cutEnding(name)
		if !ok {
			return nil, fmt.Errorf("%s has none of the endings %s; if it holds no products, move it away or begin its name with _",
				name, f.endings())
		}
		if other := stems[stem]; other != "" {
			return nil, fmt.Errorf("%w: %s, %s; leave one of them", ErrAmbiguous, other, name)
		}
		stems[stem] = name
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w: the folder %s holds none; for a catalogue without products put an empty %s file there",
			ErrUnknownTenant, folder, f.Endings[0])
	}
	return names, nil
}

// compressions are what an ending can have behind it.
var compressions = []string{"", ".gz", ".zst"}

// cutEnding returns name without its ending.
func (f Folder) cutEnding(name string) (stem string, ok bool) {
	for _, ending := range f.Endings {
		for _, compression := range compressions {
			if stem, ok := strings.CutSuffix(name, ending+compression); ok {
				return stem, true
			}
		}
	}
	return name, false
}

func (f Folder) endings() string {
	var all []string
	for _, ending := range f.Endings {
		for _, compression := range compressions {
			all = append(all, ending+compression)
		}
	}
	return strings.Join(all, " ")
}

// Reason returns what went wrong with a file without the path, which can be one on this machine that callers have no use for.
func Reason(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
