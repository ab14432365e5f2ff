package reindex

import (
	"hash/maphash"
	"math/bits"
	"sync"
)

// idSet remembers the ids of a run, and a tag of each product's body. An entry takes at most 12 bytes, whatever the
// length of the id, and therefore at most 24 if the garbage collector lets the heap double. The set knows 62 bits of a
// hash of the id: 12 bits choose the shard, and 50 bits are stored in it, beside 14 bits of a hash of the body. Both
// hashes have random seeds.
//
// Among 10 million ids, the chance that any two different ones count as the same is about 1 in 100,000. The tags of
// their bodies differ in all but 1 of 16,384 cases, so that such a pair is counted as a conflict.
//
// A shard is an open-addressed table that grows by a quarter when it is 85 % full, so it is always at least 68 % full.
// Growing needs room for one more shard, not for a second copy of the set.
type idSet struct {
	idSeed, bodySeed maphash.Seed

	mu     sync.Mutex
	shards [idShards]idShard
}

const (
	idShardBits  = 12
	idShards     = 1 << idShardBits
	idShardFirst = 8
	tagMask      = 1<<14 - 1
)

type idShard struct {
	slots []uint64 // an id's entry in the upper 50 bits, its body's tag in the lower 14; 0: free
	used  int
}

func newIDSet() *idSet {
	return &idSet{idSeed: maphash.MakeSeed(), bodySeed: maphash.MakeSeed()}
}

// add puts id into the set, with the tag of its body. It reports whether id was new and, if it was not, whether its
// body is the same as the first one.
func (s *idSet) add(id string, body []byte) (isNew, same bool) {
	shard, entry := s.place(id)
	tag := maphash.Bytes(s.bodySeed, body) & tagMask
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shards[shard].add(entry, tag)
}

// has reports whether id is in the set.
func (s *idSet) has(id string) bool {
	shard, entry := s.place(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	slots := s.shards[shard].slots
	return len(slots) > 0 && slots[find(slots, entry)] != 0
}

// place returns the shard of an id, and its entry there with the lower 14 bits 0.
func (s *idSet) place(id string) (shard, entry uint64) {
	hash := maphash.String(s.idSeed, id)
	shard, entry = hash>>(64-idShardBits), hash<<idShardBits&^tagMask
	if entry == 0 {
		entry = tagMask + 1
	}
	return shard, entry
}

func (s *idShard) add(entry, tag uint64) (isNew, same bool) {
	if (s.used+1)*100 > len(s.slots)*85 {
		s.grow()
	}
	i := find(s.slots, entry)
	if s.slots[i] != 0 {
		return false, s.slots[i]&tagMask == tag
	}
	s.slots[i] = entry | tag
	s.used++
	return true, false
}

func (s *idShard) grow() {
	old := s.slots
	s.slots = make([]uint64, max(idShardFirst, len(old)+len(old)/4))
	for _, slot := range old {
		if slot != 0 {
			s.slots[find(s.slots, slot&^tagMask)] = slot
		}
	}
}

// find returns the slot that holds entry, or the free one where it belongs.
func find(slots []uint64, entry uint64) int {
	n := uint64(len(slots))
	hi, _ := bits.Mul64(entry, n) // entry / 2⁶⁴ × n
	for i := hi; ; i++ {
		if i == n {
			i = 0
		}
		if slots[i] == 0 || slots[i]&^tagMask == entry {
			return int(i)
		}
	}
}
