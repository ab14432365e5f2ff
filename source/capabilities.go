package source

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"productindex/reindex"
)

// count returns the count of a snapshot.
func count(ctx context.Context, snap reindex.Snapshot) (int64, error) {
	c, ok := reindex.As[reindex.Counter](snap)
	if !ok {
		return 0, fmt.Errorf("source: %T is not a Counter: %w", snap, errors.ErrUnsupported)
	}
	return c.Count(ctx)
}

// estimate returns the estimate of a snapshot.
func estimate(ctx context.Context, snap reindex.Snapshot) (int64, error) {
	e, ok := reindex.As[reindex.Estimator](snap)
	if !ok {
		return 0, fmt.Errorf("source: %T is not an Estimator: %w", snap, errors.ErrUnsupported)
	}
	return e.Estimate(ctx)
}

// locate returns the places of products in a snapshot.
func locate(ctx context.Context, snap reindex.Snapshot, ids []string) (map[string]string, error) {
	l, ok := reindex.As[reindex.Locator](snap)
	if !ok {
		return nil, fmt.Errorf("source: %T is not a Locator: %w", snap, errors.ErrUnsupported)
	}
	return l.Locate(ctx, ids...)
}

// splitterOf returns the Splitter of a snapshot.
func splitterOf(snap reindex.Snapshot) (reindex.Splitter, error) {
	splitter, ok := reindex.As[reindex.Splitter](snap)
	if !ok {
		return nil, fmt.Errorf("source: %T is not a Splitter: %w", snap, errors.ErrUnsupported)
	}
	return splitter, nil
}

// failing returns a sequence that yields only an error.
func failing(err error) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) { yield(reindex.Product{}, err) }
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}
