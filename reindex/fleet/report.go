package fleet

import (
	"encoding/binary"
	"encoding/json"

	"productindex/reindex"
)

// numbers are those of a report that parts have, in the order in which they are stored.
func numbers(r *reindex.Report) []*int64 {
	return []*int64{&r.Read, &r.Indexed, &r.Rejected, &r.Duplicates, &r.Conflicts, &r.Bytes, &r.Batches, &r.Retries}
}

// counted returns the numbers of a report as they are stored.
func counted(r reindex.Report) []int64 {
	var all []int64
	for _, n := range numbers(&r) {
		all = append(all, *n)
	}
	return all
}

// lists are what the report of a part lists, as it is stored.
type lists struct {
	Rejections   []rejection `json:"rejections,omitempty"`
	DuplicateIDs []string    `json:"duplicateIds,omitempty"`
}

// rejection is a [reindex.Rejection] as it is stored.
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

// addTo adds the listed items to a report, up to a number of each.
func (l lists) addTo(r *reindex.Report, limit int) {
	for _, listed := range l.Rejections[:min(len(l.Rejections), limit-len(r.Rejections))] {
		r.Rejections = append(r.Rejections, reindex.Rejection(listed))
	}
	r.DuplicateIDs = append(r.DuplicateIDs, l.DuplicateIDs[:min(len(l.DuplicateIDs), limit-len(r.DuplicateIDs))]...)
}

// encodeIDs writes hashes of ids as they are stored: 8 bytes each, in order.
func encodeIDs(hashes []uint64) []byte {
	text := make([]byte, 0, 8*len(hashes))
	for _, hash := range hashes {
		text = binary.BigEndian.AppendUint64(text, hash)
	}
	return text
}

// failure is the reason why a part failed, as it is stored.
type failure struct {
	// Text is the whole reason, Public what callers of an API may see of it.
	Text   string `json:"text,omitempty"`
	Public string `json:"public,omitempty"`
	// Gate is set if the part alone keeps the run from succeeding, Again if the index asks for the products once more.
	Gate  *gate `json:"gate,omitempty"`
	Again bool  `json:"again,omitempty"`
}

// gate is a [reindex.GateError] as it is stored.
type gate struct {
	Rule   reindex.Rule `json:"rule"`
	Have   int64        `json:"have"`
	Want   int64        `json:"want"`
	Detail string       `json:"detail"`
}
