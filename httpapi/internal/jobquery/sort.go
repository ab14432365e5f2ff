package jobquery

import (
	"slices"
	"strings"
)

// sortKey is one field to sort by.
type sortKey struct {
	field      *field
	descending bool
}

// Order has the fields to sort by, the most important one first.
type Order []sortKey

// Compare orders jobs by the first field in which they differ. A missing value comes before all others, or after them
// in descending order.
func (o Order) Compare(a, b Job) int {
	for _, key := range o {
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

// ParseSort parses a list of "field", "field:asc" or "field:desc". Commas separate them, directions have any case, and
// spaces around them are ignored. An empty list has no keys. The error is an [*Error] with the place.
func ParseSort(list string) (Order, error) {
	if strings.Trim(list, space) == "" {
		return nil, nil
	}
	var keys Order
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

// parseSortKey reads one key.
func parseSortKey(part string) (key sortKey, reason string) {
	name, direction, directed := strings.Cut(part, ":")
	key.field = fieldNamed(name, (*field).isValue)
	switch {
	case key.field == nil:
		return key, "the name of a field is needed: " + fieldNames((*field).isValue)
	case directed && !strings.EqualFold(direction, "asc") && !strings.EqualFold(direction, "desc"):
		return key, "the direction of field '" + name + "' is asc or desc"
	}
	key.descending = strings.EqualFold(direction, "desc")
	return key, ""
}
