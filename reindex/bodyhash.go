package reindex

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"slices"
	"unicode/utf8"
)

// hasher hashes the bodies of products. The hash of a body has 31 bits and is made of the hashes of the fields at its
// top level, so that their order does not count.
type hasher struct {
	seed  maphash.Seed
	names []uint64 // the hashes of the names in the current body
}

func (h *hasher) body(p Product) (uint32, error) {
	if sum, ok := h.quick(p.Body); ok {
		return sum, nil
	}
	fields, err := h.fields(p)
	return h.sum(fields), err
}

// quick hashes a body without building anything. It returns false for bodies that are left to encoding/json: text that
// is not an object, empty objects, and names that are repeated, have escape sequences or are not valid UTF-8.
func (h *hasher) quick(body []byte) (sum uint32, ok bool) {
	s := scanner{data: body}
	s.space()
	if s.peek() != '{' {
		return 0, false
	}
	s.pos++
	s.space()
	var all uint64
	h.names = h.names[:0]
	for more := true; more; {
		name, value, err := s.member(1)
		if err != nil || bytes.IndexByte(name, '\\') >= 0 || !utf8.Valid(name) {
			return 0, false
		}
		hash := maphash.Bytes(h.seed, name[1:len(name)-1])
		h.names = append(h.names, hash)
		all += h.member(hash, maphash.Bytes(h.seed, value))
		if more, err = s.comma('}'); err != nil {
			return 0, false
		}
	}
	s.space()
	slices.Sort(h.names)
	once := len(slices.Compact(h.names)) == len(h.names)
	return uint32(all) &^ met, once && s.pos == len(s.data)
}

// fields returns the hashes of a body's values by the names of the fields.
func (h *hasher) fields(p Product) (map[string]uint64, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(p.Body, &values); err != nil {
		return nil, fmt.Errorf("the index returned a body of product %q that is not a JSON object: %w", shortID(p.ID), err)
	}
	hashes := make(map[string]uint64, len(values))
	for name, value := range values {
		hashes[name] = maphash.Bytes(h.seed, value)
	}
	return hashes, nil
}

// sum returns the hash of a body with these fields.
func (h *hasher) sum(fields map[string]uint64) uint32 {
	var all uint64
	for name, value := range fields {
		all += h.member(maphash.String(h.seed, name), value)
	}
	return uint32(all) &^ met
}

// member returns the hash of a field from those of its name and its value.
func (h *hasher) member(name, value uint64) uint64 {
	return maphash.Comparable(h.seed, [2]uint64{name, value})
}
