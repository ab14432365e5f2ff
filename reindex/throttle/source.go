package throttle

import (
	"context"
	"errors"
	"iter"

	"productindex/reindex"
)

// Source returns a source that reads src no faster than the limits allow. It has the capabilities of src.
func (t *Throttle) Source(src reindex.Source) reindex.Source { return &source{t, src} }

type source struct {
	throttle *Throttle
	inner    reindex.Source
}

// Unwrap returns the source that is throttled.
func (s *source) Unwrap() reindex.Source { return s.inner }

// Open opens a snapshot of the source.
func (s *source) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	snap, err := s.inner.Open(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return &snapshot{s.throttle, s.throttle.gauge(tenant), snap}, nil
}

type snapshot struct {
	throttle *Throttle
	gauge    *gauge
	inner    reindex.Snapshot
}

var _ reindex.Splitter = (*snapshot)(nil)

// Unwrap returns the snapshot that is throttled.
func (s *snapshot) Unwrap() reindex.Snapshot { return s.inner }

// Close closes the snapshot.
func (s *snapshot) Close() error { return s.inner.Close() }

// Products yields every product, each as soon as it may be read.
func (s *snapshot) Products(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return s.slowed(ctx, s.inner.Products(ctx))
}

// Split returns the names of the parts of the snapshot.
func (s *snapshot) Split(ctx context.Context, n int) ([]string, error) {
	splitter, ok := reindex.As[reindex.Splitter](s.inner)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return splitter.Split(ctx, n)
}

// Part yields the products of a part, each as soon as it may be read.
func (s *snapshot) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	splitter, ok := reindex.As[reindex.Splitter](s.inner)
	if !ok {
		return func(yield func(reindex.Product, error) bool) { yield(reindex.Product{}, errors.ErrUnsupported) }
	}
	return s.slowed(ctx, splitter.Part(ctx, name))
}

// slowed yields the elements of the sequence at the allowed speed. A record that cannot be read counts as a product
// without bytes.
func (s *snapshot) slowed(
	ctx context.Context, seq iter.Seq2[reindex.Product, error],
) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		for p, err := range seq {
			if err := s.throttle.wait(ctx, s.gauge, len(p.ID)+len(p.Body)); err != nil {
				yield(reindex.Product{}, err)
				return
			}
			if !yield(p, err) {
				return
			}
		}
	}
}
