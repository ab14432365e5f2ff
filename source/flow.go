package source

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"productindex/reindex"
)

// Map returns a source whose products are what fn makes of those of src. fn must keep ids unique, and must not change p.Body in
// place. An error of fn ends the sequence.
func Map(src reindex.Source, fn func(ctx context.Context, tenant string, p reindex.Product) (reindex.Product, error)) reindex.Source {
	return counted{flow{src, func(ctx context.Context, tenant string, p reindex.Product, emit func(reindex.Product) bool) (bool, error) {
		out, err := fn(ctx, tenant, p)
		if err != nil {
			return false, err
		}
		return emit(out), nil
	}}, 1}
}

// Filter returns a source of those products of src for which keep returns true. How many these are is not known before: it has no
// [reindex.Counter]. An error of keep ends the sequence.
func Filter(src reindex.Source, keep func(ctx context.Context, tenant string, p reindex.Product) (bool, error)) reindex.Source {
	return flow{src, func(ctx context.Context, tenant string, p reindex.Product, emit func(reindex.Product) bool) (bool, error) {
		kept, err := keep(ctx, tenant, p)
		if err != nil {
			return false, err
		}
		return !kept || emit(p), nil
	}}
}

// change makes products of one product. It hands each to emit, and returns false where emit did, or an error.
type change func(ctx context.Context, tenant string, p reindex.Product, emit func(reindex.Product) bool) (bool, error)

// flow is a source whose products are made from those of another one. It has no Unwrap: what the other one announces is not its own.
type flow struct {
	src    reindex.Source
	change change
}

// Products yields what becomes of the products of the wrapped source.
func (f flow) Products(ctx context.Context, tenant string) iter.Seq2[reindex.Product, error] {
	return f.through(ctx, tenant, f.src.Products(ctx, tenant))
}

// Partitions splits the wrapped source.
func (f flow) Partitions(ctx context.Context, tenant string, n int) ([]iter.Seq2[reindex.Product, error], error) {
	p, ok := reindex.As[reindex.Partitioner](f.src)
	if !ok {
		return nil, fmt.Errorf("source: %T has no partitions: %w", f.src, errors.ErrUnsupported)
	}
	seqs, err := p.Partitions(ctx, tenant, n)
	if err != nil {
		return nil, err
	}
	out := make([]iter.Seq2[reindex.Product, error], len(seqs))
	for i, seq := range seqs {
		out[i] = f.through(ctx, tenant, seq)
	}
	return out, nil
}

func (f flow) through(ctx context.Context, tenant string, seq iter.Seq2[reindex.Product, error]) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		emit := func(p reindex.Product) bool { return yield(p, nil) }
		for p, err := range seq {
			if err != nil {
				yield(reindex.Product{}, err)
				return
			}
			more, err := f.change(ctx, tenant, p, emit)
			if err != nil {
				yield(reindex.Product{}, fmt.Errorf("source: tenant %q, product %q: %w", tenant, p.ID, err))
				return
			}
			if !more {
				return
			}
		}
	}
}

// counted is a flow that makes the same number of products of each one.
type counted struct {
	flow

	times int64
}

// Count returns what the wrapped source announces, times the number of products made of each.
func (c counted) Count(ctx context.Context, tenant string) (int64, error) {
	n, err := count(ctx, c.src, tenant)
	return n * c.times, err
}

// count asks a source how many products it has.
func count(ctx context.Context, src reindex.Source, tenant string) (int64, error) {
	c, ok := reindex.As[reindex.Counter](src)
	if !ok {
		return 0, fmt.Errorf("source: %T does not count: %w", src, errors.ErrUnsupported)
	}
	return c.Count(ctx, tenant)
}
