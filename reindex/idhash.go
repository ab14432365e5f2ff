package reindex

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
)

// HashID returns the hash of a product's id that a [PartReport] holds. In a catalogue of a billion ids, the chance that
// any two of them have the same hash is about 1 in 37.
func HashID(id string) uint64 {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint64(sum[:])
}

// idHashes are the hashes of the ids of one part.
type idHashes struct {
	mu      sync.Mutex
	all     []uint64
	removed []uint64
}

func (h *idHashes) add(id string) {
	hash := HashID(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, hash)
}

func (h *idHashes) remove(id string) {
	hash := HashID(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removed = append(h.removed, hash)
}

// sorted returns the hashes that were added and not removed, in order.
func (h *idHashes) sorted() []uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	slices.Sort(h.all)
	slices.Sort(h.removed)
	h.all = slices.DeleteFunc(h.all, func(hash uint64) bool {
		_, removed := slices.BinarySearch(h.removed, hash)
		return removed
	})
	return h.all
}
