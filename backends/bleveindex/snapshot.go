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

// snapshotTries is how often a generation is tried to be read whose files change meanwhile, since bleve merges its
// segments.
const snapshotTries = 20

// snapshot makes to, a directory that does not exist yet, an index of its own that is what the index in from was at one
// moment, also while another process writes there. place puts a segment, which never changes, at its new path.
//
// It goes without the lock of bleve's database, which a writer holds for good: of a file that two reads find the same,
// all was there at one moment between them; and at any moment the pages that its newest complete transaction needs are
// as they were written.
func (d disk) snapshot(
	ctx context.Context,
	from, to string,
	place func(ctx context.Context, from *os.File, to string) error,
) error {
	root := filepath.Join(from, storeDir, rootFile)
	for try := 1; ; try++ {
		content, err := readStable(ctx, root)
		if err != nil {
			return err
		}
		if err = d.trySnapshot(ctx, from, to, content, place); err == nil {
			return nil
		}
		now, again := readStable(ctx, root)
		if again != nil || bytes.Equal(now, content) || try == snapshotTries {
			return errors.Join(err, again, os.RemoveAll(to))
		}
		if err := os.RemoveAll(to); err != nil { // a file that is missing had been merged
			return err
		}
	}
}

func (d disk) trySnapshot(
	ctx context.Context, from, to string, root []byte, place func(ctx context.Context, from *os.File, to string) error,
) (err error) {
	meta, err := os.ReadFile(filepath.Join(from, metaFile)) //nolint:gosec // the path is the index's own
	if err != nil {
		return missing(err)
	}
	store := filepath.Join(to, storeDir)
	if err := os.MkdirAll(store, 0o700); err != nil {
		return err
	}
	list := filepath.Join(store, rootFile)
	if err := errors.Join(d.write(filepath.Join(to, metaFile), string(meta)), d.write(list, string(root))); err != nil {
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
	for _, name := range segments { // all before any is copied, for which they are there until then
		file, err := os.Open(filepath.Join(from, storeDir, name)) //nolint:gosec // readRoot lets no separators through
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
	return verify(ctx, to)
}

// readStable reads a file that somebody may be writing to, until two reads find the same.
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

// openShadow opens a generation that another process may be writing to, read-only: a snapshot of it in a temporary
// directory, whose segments are links. It also returns that directory.
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
		if err = os.RemoveAll(to); err != nil { // a segment was merged before bleve had opened it
			break
		}
	}
	return nil, 0, "", errors.Join(err, os.RemoveAll(dir))
}

// Backup copies the live index of every tenant into dir, which is created if it does not exist, and waits until it is
// on the disk. dir is then a directory for [Open]: a backup is restored by copying dir to where it is wanted, while no
// Index is open there. Reindexes and searches go on meanwhile; each tenant's copy is one complete generation. It is
// checked as indexes are when they are opened, so that a damaged one is an error that matches [reindex.ErrDamaged].
// That of one tenant does not keep the others from being copied; one that dir holds already is also an error.
//
// A copy that another program makes of the Index's own directory can be damaged while an Index has it open, unless all
// files are copied as they are at one moment, as a file system's snapshot does.
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

// backupTenant copies a tenant's live generation to a directory that does not exist yet.
func (ix *Index) backupTenant(ctx context.Context, name, to string) error {
	for {
		l, err := ix.acquire(ctx, name) // so that this process does not remove it meanwhile
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
		l.t.follow(0) // the writer has switched, and removed it
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
	copied, n, err := openReadOnly(generation) // the live index may hold others by now
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
