// Package files finds, opens, splits and reads the files of a tenant, for all sources that read files. Its errors name
// files by their paths in the folder of the source, never by their paths on the machine.
package files

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"productindex/reindex"
	"productindex/source/internal/public"
)

// Sentinel errors for states, which the sources export as their own.
var (
	ErrUnknownTenant = errors.New("no file for the tenant")
	ErrAmbiguous     = errors.New("more than one file for the same products")
	ErrChanged       = errors.New("the file has changed during the read")
)

// Options configures a [Source].
type Options struct {
	// Name is the name of the source, with which the errors begin.
	Name string
	// Endings are the endings of files that hold products. Those of compressed files are implied: .csv also stands for
	// .csv.gz and .csv.zst.
	Endings []string
	// Files, if it is not nil, lists each tenant's files.
	Files map[string][]string
	// FollowLinks lets symbolic links lead out of the folder.
	FollowLinks bool
	// Format reads the records of a file.
	Format Format
	// Faults are the errors of other settings that are not valid.
	Faults []error
}

// folder holds the files of all tenants.
type folder struct {
	Options

	at Folder
}

// open opens the file system. The caller must call done.
func (f folder) open() (fsys fs.FS, done func(), err error) { return f.at(f.FollowLinks) }

// Folder opens a folder for one read.
type Folder func(followLinks bool) (fsys fs.FS, done func(), err error)

// Dir returns the folder at path, which is opened again for each read. Unless links are followed, nothing outside of it
// is ever opened.
func Dir(path string) Folder {
	return func(followLinks bool) (fs.FS, func(), error) {
		if followLinks {
			// The path may be a link that is switched from one version to the next. Each read sees one version.
			path, err := filepath.EvalSymlinks(path)
			if err != nil {
				return nil, nil, public.Within("opening the folder of the catalogues", Reason(err))
			}
			return os.DirFS(path), func() {}, nil
		}
		root, err := os.OpenRoot(path)
		if err != nil {
			return nil, nil, public.Within("opening the folder of the catalogues", Reason(err))
		}
		return root.FS(), func() { _ = root.Close() }, nil
	}
}

// FS returns fsys as a folder. fsys decides which links it follows.
func FS(fsys fs.FS) Folder {
	return func(bool) (fs.FS, func(), error) { return fsys, func() {}, nil }
}

// cloneFiles returns a copy of a listing of files.
func cloneFiles(listed map[string][]string) map[string][]string {
	out := maps.Clone(listed)
	for tenant, names := range out {
		out[tenant] = slices.Clone(names)
	}
	return out
}

// checkFiles returns an error that names every entry of a listing that is not valid.
func checkFiles(listed map[string][]string) error {
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
				errs = append(errs, fmt.Errorf(
					"tenant %q has the file %q in Files; it must be a path below the folder, with slashes", tenant, name))
			}
		}
	}
	return errors.Join(errs...)
}

// find opens the file system and returns the names of the tenant's files in it. The caller must call done.
func (f folder) find(tenant string) (fsys fs.FS, names []string, done func(), err error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return nil, nil, nil, err
	}
	if f.Files != nil && f.Files[tenant] == nil {
		return nil, nil, nil, public.Errorf("%w %q: Config.Files does not list it", ErrUnknownTenant, tenant)
	}
	fsys, done, err = f.open()
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

// conventional finds the tenant's files by their names. It compares the names in a listing instead of opening a file by
// the tenant's name, because that name could be a path, or match another tenant's file on a file system that ignores
// case.
func (f folder) conventional(fsys fs.FS, tenant string) ([]string, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, public.Within("listing the folder of the catalogues", Reason(err))
	}
	var found []string
	folder := false
	for _, e := range entries {
		if e.Name() == tenant {
			info, err := fs.Stat(fsys, tenant)
			if err != nil {
				return nil, public.Within(tenant, Reason(err))
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
		return nil, public.Errorf(
			"%w %q: there is neither a folder of that name nor a file of that name with one of the endings %s",
			ErrUnknownTenant, tenant, f.endings())
	case len(found) > 1:
		return nil, public.Errorf("tenant %q: %w: %s; keep one of them", tenant, ErrAmbiguous, strings.Join(found, ", "))
	case folder:
		return f.parts(fsys, tenant)
	}
	return found, nil
}

// parts returns the files of a tenant's folder.
func (f folder) parts(fsys fs.FS, folder string) ([]string, error) {
	entries, err := fs.ReadDir(fsys, folder)
	if err != nil {
		return nil, public.Within("listing the folder "+folder, Reason(err))
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
			return nil, public.Errorf(
				"%s has none of the endings %s; if it holds no products, move it away or begin its name with _",
				name, f.endings())
		}
		if other := stems[stem]; other != "" {
			return nil, public.Errorf("%w: %s, %s; keep one of them", ErrAmbiguous, other, name)
		}
		stems[stem] = name
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, public.Errorf(
			"%w: the folder %s holds no such file; put an empty %s file there for a catalogue without products",
			ErrUnknownTenant, folder, f.Endings[0])
	}
	return names, nil
}

// compressions are the endings that can follow the ending of a format. The first stands for a plain file.
var compressions = []string{"", ".gz", ".zst"}

// cutEnding returns name without its ending.
func (f folder) cutEnding(name string) (stem string, ok bool) {
	for _, ending := range f.Endings {
		for _, compression := range compressions {
			if stem, ok := strings.CutSuffix(name, ending+compression); ok {
				return stem, true
			}
		}
	}
	return name, false
}

func (f folder) endings() string {
	var all []string
	for _, ending := range f.Endings {
		for _, compression := range compressions {
			all = append(all, ending+compression)
		}
	}
	return strings.Join(all, " ")
}

// Reason returns the error of a file without its path, which may name a folder of this machine. The public text of the
// result comes from this package or the operating system, because an error of the host's file system can contain
// anything.
func Reason(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		if strings.Contains(pathErr.Err.Error(), "escapes") { // package os does not export this error
			return reindex.Public(fmt.Errorf("%s; Config.FollowLinks allows it: %w", leadsOut, pathErr.Err), leadsOut)
		}
		err = pathErr.Err
	}
	if _, ok := public.Text(err); ok {
		return err
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return reindex.Public(err, number.Error())
	}
	for _, known := range []error{fs.ErrNotExist, fs.ErrPermission, fs.ErrClosed} {
		if errors.Is(err, known) {
			return reindex.Public(err, known.Error())
		}
	}
	return reindex.Public(err, "it cannot be read; the service's log has the details")
}

const leadsOut = "a symbolic link leads out of the folder"
