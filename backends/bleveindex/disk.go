package bleveindex

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// disk holds the functions with which this package changes the file system. Tests replace them to check the order of
// the calls and to make calls fail.
type disk struct {
	sync   func(file *os.File) error // waits until the content of a file or directory is on the disk
	rename func(from, to string) error
	remove func(path string) error // with everything in it
}

var osDisk = disk{sync: (*os.File).Sync, rename: os.Rename, remove: os.RemoveAll}

// replace atomically replaces the content of a file. It first writes to temp, a path in the same directory. If replaced
// is false, nothing has changed. If it is true, the file has the new content, and an error means that a power cut may
// still undo the change.
func (d disk) replace(path, temp, content string) (replaced bool, err error) {
	if err := d.write(temp, content); err != nil {
		return false, err
	}
	if err := d.rename(temp, path); err != nil {
		return false, err
	}
	return true, d.syncDir(filepath.Dir(path))
}

// write writes a file and waits until it is on the disk.
func (d disk) write(path, content string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(content)
	return errors.Join(err, d.sync(file), file.Close())
}

// makeDir creates a directory if it does not exist, and waits until its name is on the disk.
func (d disk) makeDir(path string) error {
	err := os.Mkdir(path, 0o700) //nolint:gosec // tenantDir has no separators
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.syncDir(filepath.Dir(path))
}

// makeAll creates a directory and its missing parents, and waits until the new names are on the disk.
func (d disk) makeAll(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := d.makeAll(filepath.Dir(path)); err != nil {
		return err
	}
	return d.makeDir(path)
}

// syncDir waits until the names in a directory are on the disk. It does nothing on Windows, which has no such call and
// does not need one.
func (d disk) syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	return d.syncFile(path)
}

func (d disk) syncFile(path string) error {
	file, err := os.Open(path) //nolint:gosec // the path is the index's own
	if err != nil {
		return err
	}
	return errors.Join(d.sync(file), file.Close())
}

// syncTree waits until every directory in the tree is on the disk, and every file that bleve does not sync itself.
func (d disk) syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return d.syncDir(path)
		case filepath.Base(path) == metaFile && runtime.GOOS != "windows":
			// Windows cannot sync a file that is open for reading
			return d.syncFile(path)
		default:
			return nil
		}
	})
}

// copyFile copies a file that was just opened, and waits until the copy is on the disk.
func (d disk) copyFile(ctx context.Context, from *os.File, to string) (err error) {
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	for err == nil {
		if err = ctx.Err(); err == nil {
			_, err = io.CopyN(target, from, 16<<20)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, d.sync(target), target.Close())
}
