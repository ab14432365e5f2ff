package fleet

import (
	"encoding/binary"
	"encoding/json"

	"productindex/reindex"
)

// numbers returns the numbers in the report of a part, in the order in which they are stored.
func numbers(r *reindex.Report) []*int64 {
	return []*int64{&r.Read, &r.Indexed, &r.Rejected, &r.Duplicates, &r.Conflicts, &r.Bytes, &r.Batches, &r.Retries}
}

// counted returns the stored form of the numbers of a report.
func counted(r reindex.Report) []int64 {
	var all []int64
	for _, n := range numbers(&r) {
		all = append(all, *n)
	}
	return all
}

// lists is the stored form of the lists in the report of a part.
type lists struct {
	Rejections   []rejection `json:"rejections,omitempty"`
	DuplicateIDs []string    `json:"duplicateIds,omitempty"`
}

// rejection is the stored form of a [reindex.Rejection].
type rejection struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
	Where  string `json:"where,omitempty"`
}

func encodeLists(r reindex.Report) (string, error) {
	l := lists{DuplicateIDs: r.DuplicateIDs}
	for _, listed := range r.Rejections {
		l.Rejections = append(l.Rejections, rejection(listed))
	}
	text, err := json.Marshal(l)
	return string(text), err
}

// addTo adds the lists to those of a report, until each has limit items.
func (l lists) addTo(r *reindex.Report, limit int) {
	for _, listed := range l.Rejections[:min(len(l.Rejections), limit-len(r.Rejections))] {
		r.Rejections = append(r.Rejections, reindex.Rejection(listed))
	}
	r.DuplicateIDs = append(r.DuplicateIDs, l.DuplicateIDs[:min(len(l.DuplicateIDs), limit-len(r.DuplicateIDs))]...)
}

// encodeIDs returns the stored form of sorted hashes of ids: 8 bytes each.
func encodeIDs(hashes []uint64) []byte {
	text := make([]byte, 0, 8*len(hashes))
	for _, hash := range hashes {
		text = binary.BigEndian.AppendUint64(text, hash)
	}
	return text
}

// failure is the stored form of the reason why a part failed.
type failure struct {
	// Text is the whole reason, and Public is the message for callers of an API.
	Text   string `json:"text,omitempty"`
	Public string `json:"public,omitempty"`
	// Gate is set if the products of this part alone break a rule of the gate. Again is set if the index needs the
	// products again.
	Gate  *gate `json:"gate,omitempty"`
	Again bool  `json:"again,omitempty"`
}

// gate is the stored form of a [reindex.GateError].
type gate struct {
	Rule   reindex.Rule `json:"rule"`
	Have   int64        `json:"have"`
	Want   int64        `json:"want"`
	Detail string       `json:"detail"`
}
