package bleveindex

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
)

// The format of a bbolt database, in which bleve lists the segments of an index. bbolt trusts its file: a wrong number
// in it can make bbolt read out of bounds, loop forever, or allocate all memory. So this package first reads the file
// itself, and checks every number.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	boltBranch   = 0x01
	boltLeaf     = 0x02
	boltFreelist = 0x10

	boltBucketFlag = 0x01

	boltHeader  = 16 // bytes of the header of a page, and of a bucket's value
	boltElement = 16
	boltMeta    = 64

	boltNoFreelist = 1<<64 - 1
)

var errBolt = errors.New("the database is damaged")

// boltBucket is the content of a bucket.
type boltBucket struct {
	last    string // its greatest key
	values  map[string][]byte
	buckets map[string]*boltBucket
}

// boltReader reads the pages of a database, each once.
type boltReader struct {
	content  []byte
	pageSize uint64
	pages    uint64          // the number of pages
	seen     map[uint64]bool // the pages that are in use
}

// readBolt reads the latest state of a database. Its use of memory is proportional to the size of content, even if
// content is damaged.
func readBolt(content []byte) (*boltBucket, error) {
	r := &boltReader{content: content, seen: map[uint64]bool{}}
	root, freelist, err := r.readMeta()
	if err != nil {
		return nil, err
	}
	bucket := newBoltBucket()
	if err := r.readPage(root, bucket); err != nil {
		return nil, err
	}
	return bucket, r.readFreelist(freelist)
}

func newBoltBucket() *boltBucket {
	return &boltBucket{values: map[string][]byte{}, buckets: map[string]*boltBucket{}}
}

// readMeta returns the ids of the pages with the root bucket and the list of free pages, from the newer valid one of
// the two meta pages.
func (r *boltReader) readMeta() (root, freelist uint64, err error) {
	var newest uint64
	// the possible offsets of the two meta pages
	for _, pageSize := range []uint64{0, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16} {
		if pageSize+boltHeader+boltMeta > uint64(len(r.content)) {
			break
		}
		meta := r.content[pageSize+boltHeader:][:boltMeta]
		sum := fnv.New64a()
		_, _ = sum.Write(meta[:56]) // never fails
		size := uint64(binary.NativeEndian.Uint32(meta[8:]))
		tx := binary.NativeEndian.Uint64(meta[48:])
		if binary.NativeEndian.Uint32(meta) != boltMagic || binary.NativeEndian.Uint32(meta[4:]) != boltVersion ||
			sum.Sum64() != binary.NativeEndian.Uint64(
				meta[56:],
			) || pageSize != 0 && pageSize != size || r.pages > 0 && tx <= newest {
			continue
		}
		newest = tx
		root, freelist = binary.NativeEndian.Uint64(meta[16:]), binary.NativeEndian.Uint64(meta[32:])
		r.pageSize, r.pages = size, binary.NativeEndian.Uint64(meta[40:])
	}
	switch {
	case r.pages == 0 || r.pageSize == 0:
		return 0, 0, fmt.Errorf("%w: it has no valid meta page", errBolt)
	case r.pages > uint64(len(r.content))/r.pageSize:
		return 0, 0, fmt.Errorf(
			"%w: it has only %d of its %d pages of %d bytes",
			errBolt,
			uint64(len(r.content))/r.pageSize,
			r.pages,
			r.pageSize,
		)
	}
	return root, freelist, nil
}

// page returns a page. It returns an error if the page was returned before.
func (r *boltReader) page(id uint64) ([]byte, error) {
	if id < 2 || id >= r.pages {
		return nil, fmt.Errorf("%w: it has no page %d", errBolt, id)
	}
	head := r.content[id*r.pageSize:]
	n := uint64(binary.NativeEndian.Uint32(head[12:])) + 1
	if binary.NativeEndian.Uint64(head) != id || n > r.pages-id {
		return nil, fmt.Errorf(
			"%w: the header of page %d has the number %d and a length of %d pages",
			errBolt,
			id,
			binary.NativeEndian.Uint64(head),
			n,
		)
	}
	for i := id; i < id+n; i++ {
		if r.seen[i] {
			return nil, fmt.Errorf("%w: page %d is used twice", errBolt, i)
		}
		r.seen[i] = true
	}
	return head[:n*r.pageSize], nil
}

func (r *boltReader) readPage(id uint64, into *boltBucket) error {
	page, err := r.page(id)
	if err != nil {
		return err
	}
	return r.readElements(page, into)
}

// readElements reads the keys of a page and of the pages below it.
func (r *boltReader) readElements(page []byte, into *boltBucket) error {
	flags, count := binary.NativeEndian.Uint16(page[8:]), int(binary.NativeEndian.Uint16(page[10:]))
	if boltHeader+count*boltElement > len(page) || flags != boltBranch && flags != boltLeaf ||
		flags == boltBranch && count == 0 {
		return fmt.Errorf("%w: a page of %d bytes has %d elements of kind %d", errBolt, len(page), count, flags)
	}
	for i := range count {
		element := page[boltHeader+i*boltElement:]
		if flags == boltLeaf {
			if err := r.readLeaf(element, into); err != nil {
				return err
			}
			continue
		}
		pos, size := uint64(binary.NativeEndian.Uint32(element)), uint64(binary.NativeEndian.Uint32(element[4:]))
		if pos+size > uint64(len(element)) {
			return fmt.Errorf("%w: a key ends after its page", errBolt)
		}
		if err := r.readPage(binary.NativeEndian.Uint64(element[8:]), into); err != nil {
			return err
		}
	}
	return nil
}

// readLeaf reads a key with its value, which is bytes or a bucket. A bucket has pages of its own, or is inlined in the
// value.
func (r *boltReader) readLeaf(element []byte, into *boltBucket) error {
	number := func(at int) uint64 { return uint64(binary.NativeEndian.Uint32(element[at:])) }
	flags, pos, keySize, valueSize := number(0), number(4), number(8), number(12)
	if keySize == 0 || pos+keySize+valueSize > uint64(len(element)) || flags > boltBucketFlag {
		return fmt.Errorf(
			"%w: a key of %d bytes with a value of %d bytes is empty or ends after its page",
			errBolt,
			keySize,
			valueSize,
		)
	}
	key, value := string(element[pos:pos+keySize]), element[pos+keySize:][:valueSize]
	if key <= into.last {
		return fmt.Errorf("%w: the keys are not in order", errBolt)
	}
	into.last = key
	if flags != boltBucketFlag {
		into.values[key] = value
		return nil
	}
	if valueSize < boltHeader {
		return fmt.Errorf("%w: a bucket has %d bytes", errBolt, valueSize)
	}
	bucket := newBoltBucket()
	into.buckets[key] = bucket
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return r.readPage(root, bucket)
	}
	if valueSize < 2*boltHeader {
		return fmt.Errorf("%w: a bucket has %d bytes", errBolt, valueSize)
	}
	return r.readElements(value[boltHeader:], bucket)
}

// readFreelist checks the list of pages that are not in use.
func (r *boltReader) readFreelist(id uint64) error {
	if id == boltNoFreelist {
		return nil
	}
	page, err := r.page(id)
	if err != nil {
		return err
	}
	count, ids := uint64(binary.NativeEndian.Uint16(page[10:])), page[boltHeader:]
	if count == 0xffff && len(ids) >= 8 { // the count is too large for the header, and precedes the ids
		count, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if binary.NativeEndian.Uint16(page[8:]) != boltFreelist || count > uint64(len(ids))/8 {
		return fmt.Errorf("%w: the list of free pages has %d entries in %d bytes", errBolt, count, len(page))
	}
	last := uint64(1)
	for i := range count {
		free := binary.NativeEndian.Uint64(ids[i*8:])
		if free <= last || free >= r.pages || r.seen[free] {
			return fmt.Errorf("%w: page %d is not free", errBolt, free)
		}
		last = free
	}
	return nil
}
