package bleveindex

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/util"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	storeDir = "store"
	rootFile = "root.bolt"

	// minSegmentBytes is what bleve reads of the end of a segment before it looks at its size.
	minSegmentBytes = 64

	// maxBuckets is how deep bleve nests its buckets, and more.
	maxBuckets = 8
)

// verify checks the files of a generation before bleve opens them, since bleve panics, dies for want of memory, or answers wrongly if they
// are damaged, and creates those that are missing. The error matches [reindex.ErrDamaged] if they are not as bleve wrote them. Other errors
// say that this is not known.
func verify(ctx context.Context, dir string) error {
	if err := verifyMeta(filepath.Join(dir, metaFile)); err != nil {
		return err
	}
	store := filepath.Join(dir, storeDir)
	segments, err := readRoot(filepath.Join(store, rootFile))
	if err != nil {
		return err
	}
	for i, name := range segments {
		segments[i] = filepath.Join(store, name)
	}
	return verifySegments(ctx, segments)
}

// verifyMeta checks bleve's own description of an index.
func verifyMeta(path string) error {
	content, err := os.ReadFile(path) //nolint:gosec // the path is the index's own
	if err != nil {
		return missing(err)
	}
	var meta struct {
		IndexType string `json:"index_type"` //nolint:tagliatelle // bleve's own
	}
	if err := json.Unmarshal(content, &meta); err != nil {
		return damaged("%s: %w", path, err)
	}
	if meta.IndexType != scorch.Name {
		return damaged("%s: the index is a %.20q", path, meta.IndexType)
	}
	return nil
}

// missing is the error of a file that cannot be opened: damage if it is not there.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return damaged("%w", err)
	}
	return err
}

// readRoot reads all of the database in which bleve lists an index's segments, and returns the names of those that bleve will open.
func readRoot(path string) (segments []string, err error) {
	info, err := os.Stat(path) //nolint:gosec // the path is the index's own
	if err != nil {
		return nil, missing(err)
	}
	if info.Size() == 0 {
		return nil, damaged("%s is empty", path)
	}
	var file *os.File
	err = guard(func() error {
		db, err := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true, Timeout: boltTimeout,
			OpenFile: func(path string, _ int, _ os.FileMode) (_ *os.File, err error) {
				file, err = os.Open(path)
				return file, err
			}})
		if err != nil {
			return err
		}
		err = db.View(func(tx *bbolt.Tx) (err error) {
			segments, err = readTx(tx, file)
			return err
		})
		return errors.Join(err, db.Close())
	})
	if err == nil {
		return segments, nil
	}
	if file != nil {
		_ = file.Close() // and its lock with it: after a panic nobody else would
	}
	_, system := errors.AsType[syscall.Errno](err)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%s is open in another process: %w", path, err)
	case system:
		return nil, err
	default:
		return nil, damaged("%s: %w", path, err)
	}
}

var errRoot = errors.New("the list of segments is not complete")

func readTx(tx *bbolt.Tx, file *os.File) ([]string, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if tx.Size() > info.Size() {
		return nil, fmt.Errorf("%w: %d of its %d bytes are there", errRoot, info.Size(), tx.Size())
	}
	snapshots := tx.Bucket(util.BoltSnapshotsBucket)
	if snapshots == nil {
		return nil, errRoot
	}
	if err := readAll(snapshots, maxBuckets); err != nil {
		return nil, err
	}
	newest, _ := snapshots.Cursor().Last()
	snapshot := snapshots.Bucket(newest)
	if snapshot == nil || snapshot.Bucket(util.BoltMetaDataKey) == nil || snapshot.Bucket(util.BoltInternalKey) == nil {
		return nil, errRoot
	}
	if !json.Valid(snapshot.Bucket(util.BoltInternalKey).Get(util.MappingInternalKey)) {
		return nil, errors.New("the mapping is not valid JSON")
	}
	var names []string
	return names, snapshot.ForEachBucket(func(key []byte) error {
		if key[0] == util.BoltInternalKey[0] || key[0] == util.BoltMetaDataKey[0] {
			return nil
		}
		name := string(snapshot.Bucket(key).Get(util.BoltPathKey))
		if name == "" || filepath.Base(name) != name {
			return fmt.Errorf("%w: a segment is %.100q", errRoot, name)
		}
		names = append(names, name)
		return nil
	})
}

// readAll reads every page of a bucket, so that what cannot be read shows here and not in a goroutine of bleve's.
func readAll(bucket *bbolt.Bucket, depth int) error {
	if depth == 0 {
		return fmt.Errorf("%w: its buckets have no end", errRoot)
	}
	return bucket.ForEach(func(key, value []byte) error {
		if len(key) == 0 {
			return fmt.Errorf("%w: a key is empty", errRoot)
		}
		if value != nil {
			_ = crc32.ChecksumIEEE(value)
			return nil
		}
		return readAll(bucket.Bucket(key), depth-1)
	})
}

// verifySegments compares segments with the checksums that bleve wrote at their ends, in the order of a sequential read. All of them are
// open at the same time first, as bleve is going to have them, so that a lack of files shows here: bleve takes it for an empty index.
func verifySegments(ctx context.Context, paths []string) (err error) {
	var files []*os.File
	defer func() {
		for _, file := range files {
			err = errors.Join(err, file.Close())
		}
	}()
	for _, path := range paths {
		file, err := os.Open(path) //nolint:gosec // the path is the index's own
		if err != nil {
			return missing(err)
		}
		files = append(files, file)
	}
	buffer := make([]byte, 256<<10)
	for _, file := range files {
		if err := verifySegment(ctx, file, buffer); err != nil {
			return fmt.Errorf("%s: %w", file.Name(), err)
		}
	}
	return nil
}

// verifySegment compares a segment with its last four bytes: the checksum of those before.
func verifySegment(ctx context.Context, file *os.File, buffer []byte) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	size := info.Size() - crc32.Size
	if size < minSegmentBytes {
		return damaged("it was cut to %d bytes", info.Size())
	}
	sum := crc32.NewIEEE()
	for rest := size; rest > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		chunk := buffer[:min(rest, int64(len(buffer)))]
		if _, err := io.ReadFull(file, chunk); err != nil {
			return err
		}
		_, _ = sum.Write(chunk) // never fails
		rest -= int64(len(chunk))
	}
	var want [crc32.Size]byte
	if _, err := io.ReadFull(file, want[:]); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(want[:]) != sum.Sum32() {
		return damaged("its checksum is %08x, not %x", sum.Sum32(), want)
	}
	return nil
}

// boltTimeout is how long bleve's database waits for its lock. The directory's own lock keeps others of this package away, so that only a
// foreign program can hold it.
const boltTimeout = time.Second
