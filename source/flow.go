package source

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"productindex/reindex"
)

// Map returns a source whose products are what fn makes of those of src. fn must keep ids unique, and must not change p.Body in
// place. A [*reindex.RecordError] of fn rejects the one product; any other error ends the sequence.
func Map(src reindex.Source, fn func(ctx context.Context, tenant string, p reindex.Product) (reindex.Product, error)) reindex.Source {
	return newFlow(src, 1, func(ctx context.Context, tenant string, p reindex.Product, emit func(reindex.Product) bool) (bool, error) {
		out, err := fn(ctx, tenant, p)
		if err != nil {
			return true, err
		}
		return emit(out), nil
	})
}

// Filter returns a source of those products of src for which keep returns true. How many these are is not known before: it neither counts
// nor estimates. Errors of keep are as those of the function of [Map].
func Filter(src reindex.Source, keep func(ctx context.Context, tenant string, p reindex.Product) (bool, error)) reindex.Source {
	return newFlow(src, 0, func(ctx context.Context, tenant string, p reindex.Product, emit func(reindex.Product) bool) (bool, error) {
		kept, err := keep(ctx, tenant, p)
		if err != nil {
			return true, err
		}
		return !kept || emit(p), nil
	})
}

// change makes products of one product. It hands each to emit, and returns false if emit did, or an error.
type change func(ctx context.Context, tenant string, p reindex.Product, emit func(reindex.Product) bool) (bool, error)

// flow is a source whose products are made from those of another one. It has no Unwrap: what the other one announces is not its own.
type flow struct {
	src reindex.Source
	// times is how many products are made of each; 0: that is not known.
	times  int64
	change change
}

func newFlow(src reindex.Source, times int64, change change) reindex.Source {
	return &flow{src: src, times: times, change: change}
}

// Open opens the wrapped source.
func (f *flow) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	inner, err := f.src.Open(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return &flowSnapshot{flow: f, inner: inner, tenant: tenant}, nil
}

// flowSnapshot is a snapshot whose products are made from those of another one.
type flowSnapshot struct {
	flow   *flow
	inner  reindex.Snapshot
	tenant string
}

// Products yields what becomes of the products of the wrapped snapshot.
func (s *flowSnapshot) Products(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return s.through(ctx, s.inner.Products(ctx))
}

// Close closes the wrapped snapshot.
func (s *flowSnapshot) Close() error { return s.inner.Close() }

// Count returns what the wrapped snapshot announces, times the number of products made of each.
func (s *flowSnapshot) Count(ctx context.Context) (int64, error) {
	if s.flow.times == 0 {
		return 0, fmt.Errorf("source: how many products become of those of %T is not known: %w", s.inner, errors.ErrUnsupported)
	}
	n, err := count(ctx, s.inner)
	return n * s.flow.times, err
}

// Estimate returns about how many products the wrapped snapshot has, times the number of products made of each.
func (s *flowSnapshot) Estimate(ctx context.Context) (int64, error) {
	if s.flow.times == 0 {
		return 0, fmt.Errorf("source: how many products become of those of %T is not known: %w", s.inner, errors.ErrUnsupported)
	}
	n, err := estimate(ctx, s.inner)
	return n * s.flow.times, err
}

// Split splits the wrapped snapshot.
func (s *flowSnapshot) Split(ctx context.Context, n int) ([]string, error) {
	splitter, err := splitterOf(s.inner)
	if err != nil {
		return nil, err
	}
	return splitter.Split(ctx, n)
}

// Part yields what becomes of the products of a part of the wrapped snapshot.
func (s *flowSnapshot) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	splitter, err := splitterOf(s.inner)
	if err != nil {
		return failing(err)
	}
	return s.through(ctx, splitter.Part(ctx, name))
}

// Locate returns where the products are from which those with the ids are made.
func (s *flowSnapshot) Locate(ctx context.Context, ids ...string) (map[string]string, error) {
	return locate(ctx, s.inner, ids)
}

func (s *flowSnapshot) through(ctx context.Context, seq iter.Seq2[reindex.Product, error]) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		emit := func(p reindex.Product) bool { return yield(p, nil) }
		for p, err := range seq {
			more := true
			if err == nil {
				if more, err = s.flow.change(ctx, s.tenant, p, emit); err != nil {
					err = changeError(s.tenant, p.ID, err)
				}
			}
			if err != nil {
				more = yield(reindex.Product{}, err) && isRecord(err)
			}
			if !more {
				return
			}
		}
	}
}

// changeError is what to yield if a product cannot be changed.
func changeError(tenant, id string, err error) error {
	record, ok := errors.AsType[*reindex.RecordError](err)
	if !ok {
		return fmt.Errorf("source: tenant %q, product %q: %w", tenant, id, err)
	}
	if record.ID != "" {
		return record
	}
	return &reindex.RecordError{ID: id, Where: record.Where, Err: record.Err}
}

// isRecord reports whether err stands for one record, after which the sequence goes on.
func isRecord(err error) bool {
	_, ok := errors.AsType[*reindex.RecordError](err)
	return ok
}
