package bleveindex

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/blevesearch/bleve/v2"

	"productindex/reindex"
)

// snapshotTries is the number of attempts to read a generation whose files change meanwhile because bleve merges
// segments.
const snapshotTries = 20

// snapshot copies the index in the directory src, as it is at one point in time, to the new directory dst, even if
// another process is writing to that index. The function place copies or links a segment, which never changes, to its
// new path.
//
// A writer always holds the lock of bleve's database, so snapshot reads the database without it. If two reads return
// the same content, the file had this content at a point in time between them. At any point in time, the pages of the
// latest complete transaction are intact.
func (d disk) snapshot(
	ctx context.Context,
	src, dst string,
	place func(ctx context.Context, from *os.File, to string) error,
) error {
	root := filepath.Join(src, storeDir, rootFile)
	for try := 1; ; try++ {
		content, err := readStable(ctx, root)
		if err != nil {
			return err
		}
		if err = d.trySnapshot(ctx, src, dst, content, place); err == nil {
			return nil
		}
		now, again := readStable(ctx, root)
		if again != nil || bytes.Equal(now, content) || try == snapshotTries {
			return errors.Join(err, again, os.RemoveAll(dst))
		}
		if err := os.RemoveAll(dst); err != nil { // the missing file belongs to a segment that was merged
			return err
		}
	}
}

// trySnapshot makes one attempt. The content of the list of segments is root.
func (d disk) trySnapshot(
	ctx context.Context, src, dst string, root []byte, place func(ctx context.Context, from *os.File, to string) error,
) (err error) {
	meta, err := os.ReadFile(filepath.Join(src, metaFile)) //nolint:gosec // the path is the index's own
	if err != nil {
		return missing(err)
	}
	store := filepath.Join(dst, storeDir)
	if err := os.MkdirAll(store, 0o700); err != nil {
		return err
	}
	list := filepath.Join(store, rootFile)
	if err := errors.Join(d.write(filepath.Join(dst, metaFile), string(meta)), d.write(list, string(root))); err != nil {
		return err
	}
	segments, err := readRoot(list)
	if err != nil {
		return err
	}
	var files []*os.File
	defer func() {
		for _, file := range files {
			err = errors.Join(err, file.Close())
		}
	}()
	for _, name := range segments { // open all before copying any, so that none is removed in between
		file, err := os.Open(filepath.Join(src, storeDir, name)) //nolint:gosec // readRoot lets no separators through
		if err != nil {
			return missing(err)
		}
		files = append(files, file)
	}
	for i, name := range segments {
		if err := place(ctx, files[i], filepath.Join(store, name)); err != nil {
			return missing(err)
		}
	}
	return verify(ctx, dst)
}

// readStable reads a file that may be written at the same time, until two reads return the same content.
func readStable(ctx context.Context, path string) ([]byte, error) {
	var before []byte
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		content, err := os.ReadFile(path) //nolint:gosec // the path is the index's own
		if err != nil {
			return nil, missing(err)
		}
		if before != nil && bytes.Equal(content, before) {
			return content, nil
		}
		before = append([]byte{}, content...)
	}
}

// openShadow opens a read-only snapshot of a generation to which another process may write. The snapshot is in a
// temporary directory, which openShadow also returns, and its segments are symbolic links.
func openShadow(ctx context.Context, generation string) (index bleve.Index, documents int64, dir string, err error) {
	dir, err = os.MkdirTemp("", "bleveindex-")
	if err != nil {
		return nil, 0, "", err
	}
	link := func(_ context.Context, from *os.File, to string) error { return os.Symlink(from.Name(), to) }
	to := filepath.Join(dir, filepath.Base(generation))
	for try := 1; ; try++ {
		if err = osDisk.snapshot(ctx, generation, to, link); err != nil {
			break
		}
		if index, documents, err = openReadOnly(to); err == nil {
			return index, documents, dir, nil
		}
		if verify(ctx, to) == nil || try == snapshotTries {
			break
		}
		if err = os.RemoveAll(to); err != nil { // a segment was merged before bleve opened it
			break
		}
	}
	return nil, 0, "", errors.Join(err, os.RemoveAll(dir))
}

// Backup copies the live index of every tenant to dir, and waits until the copies are on the disk. It creates dir if it
// does not exist. [Open] can open dir. To restore a backup, close the Index, and replace its directory with a copy of
// dir. Runs and searches continue during a backup, and each copy is one complete generation. Copies are checked like
// indexes that are opened, and the error matches [reindex.ErrDamaged] if one is damaged. Backup returns an error for a
// tenant that dir already has. After an error for one tenant, it continues with the others.
//
// Another program can copy the directory of an open Index only if it copies all files at one point in time, as a
// snapshot of the file system does. Any other copy may be damaged.
func (ix *Index) Backup(ctx context.Context, dir string) error {
	if err := ix.backup(ctx, dir); err != nil {
		return fmt.Errorf("bleveindex: back up %s to %s: %w", ix.dir, dir, err)
	}
	return nil
}

func (ix *Index) backup(ctx context.Context, dir string) error {
	if err := ix.disk.makeAll(dir); err != nil {
		return err
	}
	tenants, err := ix.onDisk()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range tenants {
		err := ctx.Err()
		if err == nil {
			err = ix.backupTenant(ctx, name, filepath.Join(dir, tenantDir(name)))
		}
		if err != nil && !errors.Is(err, reindex.ErrNoLiveIndex) {
			errs = append(errs, fmt.Errorf("tenant %q: %w", name, err))
		}
	}
	return errors.Join(append(errs, ix.disk.syncDir(dir))...)
}

// backupTenant copies a tenant's live generation to a directory, which must not exist.
func (ix *Index) backupTenant(ctx context.Context, name, to string) error {
	for {
		l, err := ix.acquire(ctx, name) // the reference keeps this process from removing it
		if err != nil {
			return err
		}
		err = l.backup(ctx, to)
		l.done()
		if !errors.Is(err, reindex.ErrDamaged) || !ix.cfg.ReadOnly {
			return err
		}
		if p, _ := readPointer(l.t.dir); p.generation == l.name {
			return err
		}
		l.t.follow(0) // the writing process has switched and removed the generation
	}
}

func (l *liveIndex) backup(ctx context.Context, to string) (err error) {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(to))
		}
	}()
	generation, disk := filepath.Join(to, l.name), l.t.ix.disk
	if err := disk.snapshot(ctx, filepath.Join(l.t.dir, l.name), generation, disk.copyFile); err != nil {
		return err
	}
	copied, n, err := openReadOnly(generation) // count the copy, since the live index may have changed
	if err != nil {
		return err
	}
	if err := closeIndex(copied); err != nil {
		return err
	}
	if err := disk.writeMark(generation, liveMark(n, false)); err != nil {
		return err
	}
	if err := disk.syncTree(to); err != nil {
		return err
	}
	_, err = disk.writePointer(to, pointer{generation: l.name, documents: n})
	return err
}
