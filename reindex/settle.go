package reindex

import "fmt"

// failedMember is a member of a batch that cannot succeed without a change.
type failedMember[T any] struct {
	member T
	item   ItemError
}

// settle divides the failed members of a batch into those to send again, in the same slice, and those that the index
// refuses. The index accepted all others.
func settle[T any](sent []T, id func(T) string, failed *BatchError) (again []T, bad []failedMember[T], err error) {
	reasons, n := failed.byID(), len(sent)
	again = sent[:0]
	for _, member := range sent {
		switch item, ok := reasons[id(member)]; {
		case !ok:
		case item.Retryable:
			again = append(again, member)
		default:
			bad = append(bad, failedMember[T]{member, item})
		}
	}
	if found := len(again) + len(bad); found == 0 || found != len(failed.Items) {
		return nil, nil, fmt.Errorf(
			"the index reported %d failed products, of which %d were in their batch of %d: a defect of the Indexer",
			len(failed.Items), found, n)
	}
	return again, bad, nil
}
