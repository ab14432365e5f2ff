package bleveindex

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// writeSynced writes a file and waits until it is on the disk.
func writeSynced(path, content string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(content)
	return errors.Join(err, file.Sync(), file.Close())
}

// syncDir waits until the names in a directory are on the disk. Windows has no such call, and needs none.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	return syncFile(path)
}

func syncFile(path string) error {
	file, err := os.Open(path) //nolint:gosec // the path is the index's own
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// syncTree waits until every directory in the tree is on the disk, and every file that bleve does not sync itself.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return syncDir(path)
		case filepath.Base(path) == metaFile && runtime.GOOS != "windows": // a file that is open for reading can not be synced there
			return syncFile(path)
		default:
			return nil
		}
	})
}

// explain adds to an error of the file system what can be done about it.
func explain(dir string, err error) error {
	is := func(cause error) bool { // bleve wraps some errors as text
		return errors.Is(err, cause) || strings.Contains(err.Error(), cause.Error())
	}
	switch {
	case is(syscall.ENOSPC):
		return fmt.Errorf("the disk of %s is full, a reindex needs the space of a second index: %w", dir, err)
	case is(syscall.EMFILE):
		return fmt.Errorf("the process has too many files open, raise its limit (ulimit -n): %w", err)
	default:
		return err
	}
}
