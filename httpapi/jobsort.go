package httpapi

import (
	"slices"
	"strings"

	"productindex/reindex"
)

// sortKey is one field to sort by.
type sortKey struct {
	field      *jobField
	descending bool
}

// compareJobs orders jobs by the first key by which they differ. A field that is missing comes before all values, or after them where
// it descends.
func compareJobs(keys []sortKey, a, b reindex.Job) int {
	for _, key := range keys {
		order := key.field.value(a).compare(key.field.value(b))
		if order == 0 {
			continue
		}
		if key.descending {
			return -order
		}
		return order
	}
	return 0
}

// parseSort reads "field", "field:asc" or "field:desc", separated by commas, with or without spaces around them. An empty list has no keys.
// Its errors are answers that tell where and why.
func parseSort(list string) ([]sortKey, error) {
	if strings.Trim(list, space) == "" {
		return nil, nil
	}
	var keys []sortKey
	end := 0
	for part := range strings.SplitSeq(list, ",") {
		start := end + len(part) - len(strings.TrimLeft(part, space))
		end += len(part) + len(",")
		key, reason := parseSortKey(strings.Trim(part, space))
		switch {
		case reason != "":
			return nil, misplaced("sort", list, start, reason)
		case slices.ContainsFunc(keys, func(k sortKey) bool { return k.field == key.field }):
			return nil, misplaced("sort", list, start, "field '"+key.field.name+"' is given twice")
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// parseSortKey reads one part, or tells what is wrong with it.
func parseSortKey(part string) (key sortKey, reason string) {
	name, direction, directed := strings.Cut(part, ":")
	key.field = fieldNamed(name, (*jobField).isValue)
	switch {
	case key.field == nil:
		return key, "the name of a field is needed: " + fieldNames((*jobField).isValue)
	case directed && direction != "asc" && direction != "desc":
		return key, "the direction of field '" + name + "' is asc or desc"
	}
	key.descending = direction == "desc"
	return key, ""
}
