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
	"slices"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/util"
)

const (
	storeDir = "store"
	rootFile = "root.bolt"

	// minSegmentBytes is the number of bytes at the end of a segment that bleve reads without checking the size.
	minSegmentBytes = 64
)

// verify checks the files of a generation before bleve opens them. With damaged files bleve panics, runs out of memory
// or returns wrong results, and it creates missing files. The error matches [reindex.ErrDamaged] if a file is missing
// or damaged. Any other error leaves that open.
func verify(ctx context.Context, dir string) error {
	if err := verifyMeta(filepath.Join(dir, metaFile)); err != nil {
		return err
	}
	return withSegments(dir, func(segments []*os.File) error { return verifySegments(ctx, segments) })
}

// checkSegments returns an error if not all segments of a generation can be opened.
func checkSegments(dir string) error {
	return withSegments(dir, func([]*os.File) error { return nil })
}

// withSegments calls f with the open segments of a generation. It opens as many files at the same time as bleve does,
// so that it fails if the process has too many open files; bleve would ignore a segment that it cannot open.
func withSegments(dir string, f func(segments []*os.File) error) error {
	store := filepath.Join(dir, storeDir)
	list := filepath.Join(store, rootFile)
	segments, err := readRoot(list)
	if err != nil {
		return err
	}
	for i, name := range segments {
		segments[i] = filepath.Join(store, name)
	}
	return withFiles([]string{list, store}, func([]*os.File) error { return withFiles(segments, f) })
}

// withFiles opens files, all at the same time, and calls f with them.
func withFiles(paths []string, f func([]*os.File) error) (err error) {
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
	return f(files)
}

// verifyMeta checks the file in which bleve describes an index.
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
		return damaged("%s: the type of the index is %.20q, want %q", path, meta.IndexType, scorch.Name)
	}
	return nil
}

// missing returns err. If err means that a file does not exist, the result matches [reindex.ErrDamaged].
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return damaged("%w", err)
	}
	return err
}

var errRoot = errors.New("the list of segments is not complete")

// readRoot reads the database in which bleve lists an index's segments, and returns the names of the segments that
// bleve will open.
func readRoot(path string) (segments []string, err error) {
	content, err := os.ReadFile(path) //nolint:gosec // the path is the index's own
	if err != nil {
		return nil, missing(err)
	}
	root, err := readBolt(content)
	if err == nil {
		segments, err = segmentsOf(root)
	}
	if err != nil {
		return nil, damaged("%s: %w", path, err)
	}
	return segments, nil
}

// segmentsOf returns the segments of bleve's latest snapshot.
func segmentsOf(root *boltBucket) ([]string, error) {
	snapshots := root.buckets[string(util.BoltSnapshotsBucket)]
	if snapshots == nil || snapshots.buckets[snapshots.last] == nil {
		return nil, errRoot
	}
	snapshot := snapshots.buckets[snapshots.last]
	internal := snapshot.buckets[string(util.BoltInternalKey)]
	if internal == nil || snapshot.buckets[string(util.BoltMetaDataKey)] == nil {
		return nil, errRoot
	}
	if !json.Valid(internal.values[string(util.MappingInternalKey)]) {
		return nil, errors.New("the mapping is not valid JSON")
	}
	var names []string
	for key, segment := range snapshot.buckets {
		if key[0] == util.BoltInternalKey[0] || key[0] == util.BoltMetaDataKey[0] {
			continue
		}
		name := string(segment.values[string(util.BoltPathKey)])
		if name == "" || filepath.Base(name) != name {
			return nil, fmt.Errorf("%w: it has a segment named %.100q", errRoot, name)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// verifySegments compares each segment with the checksum at its end.
func verifySegments(ctx context.Context, segments []*os.File) error {
	buffer := make([]byte, 256<<10)
	for _, segment := range segments {
		if err := verifySegment(ctx, segment, buffer); err != nil {
			return fmt.Errorf("%s: %w", segment.Name(), err)
		}
	}
	return nil
}

// verifySegment compares a segment with its last four bytes, which are the checksum of the bytes before.
func verifySegment(ctx context.Context, file *os.File, buffer []byte) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	size := info.Size() - crc32.Size
	if size < minSegmentBytes {
		return damaged("it is truncated to %d bytes", info.Size())
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
		return damaged("its checksum is %08x, want %x", sum.Sum32(), want)
	}
	return nil
}

// boltTimeout limits the wait for the lock of bleve's database. Only another program can hold that lock, since the lock
// of the directory excludes other Indexes.
const boltTimeout = time.Second
