package source

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"productindex/reindex"
)

// count asks a snapshot how many products it has.
func count(ctx context.Context, snap reindex.Snapshot) (int64, error) {
	c, ok := reindex.As[reindex.Counter](snap)
	if !ok {
		return 0, fmt.Errorf("source: %T does not count: %w", snap, errors.ErrUnsupported)
	}
	return c.Count(ctx)
}

// estimate asks a snapshot about how many products it has.
func estimate(ctx context.Context, snap reindex.Snapshot) (int64, error) {
	e, ok := reindex.As[reindex.Estimator](snap)
	if !ok {
		return 0, fmt.Errorf("source: %T does not estimate: %w", snap, errors.ErrUnsupported)
	}
	return e.Estimate(ctx)
}

// locate asks a snapshot where products are.
func locate(ctx context.Context, snap reindex.Snapshot, ids []string) (map[string]string, error) {
	l, ok := reindex.As[reindex.Locator](snap)
	if !ok {
		return nil, fmt.Errorf("source: %T does not locate: %w", snap, errors.ErrUnsupported)
	}
	return l.Locate(ctx, ids...)
}

// splitterOf returns what splits a snapshot.
func splitterOf(snap reindex.Snapshot) (reindex.Splitter, error) {
	splitter, ok := reindex.As[reindex.Splitter](snap)
	if !ok {
		return nil, fmt.Errorf("source: %T has no parts: %w", snap, errors.ErrUnsupported)
	}
	return splitter, nil
}

// failing returns a sequence of nothing but the error.
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
