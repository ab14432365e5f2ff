package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"productindex/reindex"
	"productindex/source/internal/public"
)

// Map returns a source that passes each product of src to fn, and yields the result. fn must keep ids unique and must
// not modify p.Body. If fn returns a [*reindex.RecordError], the product is rejected. Any other error ends the
// sequence.
//
// Find uses the ids that products have in src. After fn has changed an id, Find returns an error, and so does an
// Engine.Update that needs to look products up.
func Map(
	src reindex.Source,
	fn func(ctx context.Context, tenant string, p reindex.Product) (reindex.Product, error),
) reindex.Source {
	f := &flow{src: src, times: 1}
	f.change = func(ctx context.Context, s *flowSnapshot, p reindex.Product, emit emitter) (bool, error) {
		out, err := fn(ctx, s.tenant, p)
		if err != nil {
			return true, err
		}
		if out.ID != p.ID {
			f.renames.Store(true)
		}
		return emit(out), nil
	}
	return f.source()
}

// Filter returns a source of the products of src for which keep returns true. It neither counts nor estimates, because
// the number of these products is not known in advance. Errors of keep have the same effect as those of fn in [Map].
func Filter(
	src reindex.Source,
	keep func(ctx context.Context, tenant string, p reindex.Product) (bool, error),
) reindex.Source {
	f := &flow{src: src}
	f.change = func(ctx context.Context, s *flowSnapshot, p reindex.Product, emit emitter) (bool, error) {
		kept, err := keep(ctx, s.tenant, p)
		if err != nil {
			return true, err
		}
		return !kept || emit(p), nil
	}
	return f.source()
}

// emitter yields a product, and reports whether the consumer wants more.
type emitter func(reindex.Product) bool

// change turns one product into any number of products and passes each to emit. It returns false as soon as emit does,
// or an error.
type change func(ctx context.Context, s *flowSnapshot, p reindex.Product, emit emitter) (bool, error)

// flow is a source whose products are made from those of another one. It has no Unwrap, because it does not have all
// capabilities of the other source.
type flow struct {
	src reindex.Source
	// times is the number of products made from each product, or 0 if it is not known.
	times  int64
	change change
	// origins returns the ids of the products from which the product with the id can be made. If it is nil, this is only
	// the product with the same id.
	origins func(id string) []string
	// complete, if it is set, checks a snapshot that has been read to its end.
	complete func(*flowSnapshot) error
	renames  atomic.Bool // an id was changed, and there are no origins
}

// source returns the flow, with Find if the wrapped source has it.
func (f *flow) source() reindex.Source {
	if finder, ok := reindex.As[reindex.Finder](f.src); ok {
		return &findingFlow{f, finder}
	}
	return f
}

// originsOf returns the ids of the products from which the products with the ids can be made, each once.
func (f *flow) originsOf(ids []string) []string {
	if f.origins == nil {
		return ids
	}
	var all []string
	seen := map[string]bool{}
	for _, id := range ids {
		for _, origin := range f.origins(id) {
			if !seen[origin] {
				seen[origin] = true
				all = append(all, origin)
			}
		}
	}
	return all
}

// findingFlow is a flow from a source that finds products by id.
type findingFlow struct {
	*flow

	finder reindex.Finder
}

// errRenamed means that products cannot be found by the ids that fn has given them.
var errRenamed = errors.New(
	"source: the function given to Map changes ids, so products cannot be looked up by id: " +
		"pass their bodies to Engine.Update",
)

// Find yields the products made from those that the wrapped source finds.
func (f *findingFlow) Find(ctx context.Context, tenant string, ids ...string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		if f.renames.Load() {
			yield(reindex.Product{}, errRenamed)
			return
		}
		wanted := setOf(ids)
		s := &flowSnapshot{flow: f.flow, tenant: tenant}
		for p, err := range s.through(ctx, f.finder.Find(ctx, tenant, f.originsOf(ids)...)) {
			if err == nil && f.renames.Load() {
				err = errRenamed
			}
			if err == nil && !wanted[p.ID] {
				continue
			}
			delete(wanted, p.ID)
			if !yield(p, err) || err != nil && !isRecord(err) {
				return
			}
		}
	}
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
	read   tally
}

// Products yields the products made from those of the wrapped snapshot.
func (s *flowSnapshot) Products(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return s.checked(ctx, s.through(ctx, s.inner.Products(ctx)), func() bool { return true })
}

// checked ends a sequence with the error of complete if end reports that everything has been read.
func (s *flowSnapshot) checked(
	ctx context.Context, seq iter.Seq2[reindex.Product, error], end func() bool,
) iter.Seq2[reindex.Product, error] {
	if s.flow.complete == nil {
		return seq
	}
	return func(yield func(reindex.Product, error) bool) {
		for p, err := range seq {
			if !yield(p, err) || err != nil && !isRecord(err) {
				return
			}
		}
		if ctx.Err() != nil || !end() {
			return
		}
		if err := s.flow.complete(s); err != nil {
			yield(reindex.Product{}, err)
		}
	}
}

// Close closes the wrapped snapshot.
func (s *flowSnapshot) Close() error { return s.inner.Close() }

// uncounted returns the error of a count that is not known.
func (s *flowSnapshot) uncounted() error {
	return fmt.Errorf("source: the number of products made from %T is not known: %w", s.inner, errors.ErrUnsupported)
}

// Count returns the count of the wrapped snapshot times the number of products made from each.
func (s *flowSnapshot) Count(ctx context.Context) (int64, error) {
	if s.flow.times == 0 {
		return 0, s.uncounted()
	}
	n, err := count(ctx, s.inner)
	return n * s.flow.times, err
}

// Estimate returns the estimate of the wrapped snapshot times the number of products made from each.
func (s *flowSnapshot) Estimate(ctx context.Context) (int64, error) {
	if s.flow.times == 0 {
		return 0, s.uncounted()
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
	names, err := splitter.Split(ctx, n)
	s.read.expect(names)
	return names, err
}

// Part yields the products made from those of a part of the wrapped snapshot.
func (s *flowSnapshot) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	splitter, err := splitterOf(s.inner)
	if err != nil {
		return failing(err)
	}
	return s.checked(ctx, s.through(ctx, splitter.Part(ctx, name)), func() bool { return s.read.end(name) })
}

// Locate returns the places of the products from which the products with the ids are made.
func (s *flowSnapshot) Locate(ctx context.Context, ids ...string) (map[string]string, error) {
	if s.flow.origins == nil {
		return locate(ctx, s.inner, ids)
	}
	origins, err := locate(ctx, s.inner, s.flow.originsOf(ids))
	if err != nil {
		return nil, err
	}
	where := map[string]string{}
	for _, id := range ids {
		for _, origin := range s.flow.origins(id) {
			if place := origins[origin]; place != "" && where[id] == "" {
				where[id] = place
			}
		}
	}
	return where, nil
}

func (s *flowSnapshot) through(
	ctx context.Context,
	seq iter.Seq2[reindex.Product, error],
) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		emit := func(p reindex.Product) bool { return yield(p, nil) }
		for p, err := range seq {
			more := true
			if err == nil {
				if more, err = s.flow.change(ctx, s, p, emit); err != nil {
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

// changeError returns the error to yield if a product cannot be changed.
func changeError(tenant, id string, err error) error {
	record, ok := errors.AsType[*reindex.RecordError](err)
	if !ok {
		return fmt.Errorf("source: tenant %q: %w", tenant, public.Within(fmt.Sprintf("product %q", id), err))
	}
	if record.ID != "" {
		return record
	}
	return &reindex.RecordError{ID: id, Where: record.Where, Err: record.Err}
}

// isRecord reports whether err concerns only one record, so that the sequence continues.
func isRecord(err error) bool {
	_, ok := errors.AsType[*reindex.RecordError](err)
	return ok
}
