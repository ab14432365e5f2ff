package reindex

import (
	"hash/maphash"
	"math/bits"
	"sync"
)

// idSet remembers the ids of a run in at most 12 bytes each, whatever their length, so that a garbage collector that lets the heap
// double stays within 24. It keeps 76 bits of a hash of two random seeds: 12 choose the shard, 64 stand in it. Among 10 million ids
// the chance that any two different ones are taken for the same is about 7 in 10 billion.
//
// A shard is an open-addressed table that grows by a quarter when it is 85 % full, so it is never less than 68 % full, and growing
// needs room for one shard more, not for a second copy of everything.
type idSet struct {
	shardSeed, entrySeed maphash.Seed

	mu     sync.Mutex
	shards [idShards]idShard
}

const (
	idShards     = 1 << 12
	idShardFirst = 8
)

type idShard struct {
	slots []uint64 // 0: free
	used  int
}

func newIDSet() *idSet {
	return &idSet{shardSeed: maphash.MakeSeed(), entrySeed: maphash.MakeSeed()}
}

// add puts id into the set and reports whether it was new.
func (s *idSet) add(id string) bool {
	shard, entry := s.place(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shards[shard].add(entry)
}

// has reports whether id is in the set.
func (s *idSet) has(id string) bool {
	shard, entry := s.place(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	slots := s.shards[shard].slots
	return len(slots) > 0 && slots[find(slots, entry)] == entry
}

func (s *idSet) place(id string) (shard, entry uint64) {
	entry = maphash.String(s.entrySeed, id)
	if entry == 0 {
		entry = 1
	}
	return maphash.String(s.shardSeed, id) % idShards, entry
}

func (s *idShard) add(entry uint64) bool {
	if (s.used+1)*100 > len(s.slots)*85 {
		s.grow()
	}
	i := find(s.slots, entry)
	if s.slots[i] == entry {
		return false
	}
	s.slots[i] = entry
	s.used++
	return true
}

func (s *idShard) grow() {
	old := s.slots
	s.slots = make([]uint64, max(idShardFirst, len(old)+len(old)/4))
	for _, entry := range old {
		if entry != 0 {
			s.slots[find(s.slots, entry)] = entry
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
		if slots[i] == entry || slots[i] == 0 {
			return int(i)
		}
	}
}
