package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"productindex/reindex"
	"productindex/source/internal/public"
)

// Concat returns a source that yields the products of all the sources, one source after another. Each of them must know
// the tenant, and no two of them may have products with the same id. The source is a [reindex.Finder] if all of them
// are, and its snapshots count if those of all of them do. Places and errors name a source by its number, from 1.
func Concat(sources ...reindex.Source) reindex.Source {
	c := concat(slices.Clone(sources))
	finders := make([]reindex.Finder, len(c))
	for i, src := range c {
		finder, ok := reindex.As[reindex.Finder](src)
		if !ok {
			return c
		}
		finders[i] = finder
	}
	return findingConcat{c, finders}
}

// findingConcat concatenates sources that find products by id.
type findingConcat struct {
	concat

	finders []reindex.Finder
}

// Find implements [reindex.Finder]. It asks each source for the products that the ones before it do not have.
func (c findingConcat) Find(ctx context.Context, tenant string, ids ...string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		missing := setOf(ids)
		names := make(concatSnapshot, len(c.concat))
		for i, finder := range c.finders {
			ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !missing[id] })
			for p, err := range names.named(i, finder.Find(ctx, tenant, ids...)) {
				if !yield(p, err) || err != nil && !isRecord(err) {
					return
				}
				id := p.ID
				if record, ok := errors.AsType[*reindex.RecordError](err); ok {
					id = record.ID
				}
				delete(missing, id)
			}
		}
	}
}

type concat []reindex.Source

// Open opens all the sources, or none.
func (c concat) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	snap := make(concatSnapshot, 0, len(c))
	for i, src := range c {
		inner, err := src.Open(ctx, tenant)
		if err != nil {
			return nil, errors.Join(snap.name(i, err), snap.Close())
		}
		snap = append(snap, inner)
	}
	return snap, nil
}

type concatSnapshot []reindex.Snapshot

// Close closes all the snapshots.
func (c concatSnapshot) Close() error {
	var errs []error
	for i, snap := range c {
		if err := snap.Close(); err != nil {
			errs = append(errs, c.name(i, err))
		}
	}
	return errors.Join(errs...)
}

// Products yields the products of all the snapshots, one snapshot after another.
func (c concatSnapshot) Products(ctx context.Context) iter.Seq2[reindex.Product, error] {
	seqs := make([]iter.Seq2[reindex.Product, error], len(c))
	for i, snap := range c {
		seqs[i] = c.named(i, snap.Products(ctx))
	}
	return chain(seqs)
}

// Count adds up the counts of the snapshots.
func (c concatSnapshot) Count(ctx context.Context) (int64, error) {
	return c.sum(func(snap reindex.Snapshot) (int64, error) { return count(ctx, snap) })
}

// Estimate adds up the counts of the snapshots, or the estimates of those that do not count.
func (c concatSnapshot) Estimate(ctx context.Context) (int64, error) {
	return c.sum(func(snap reindex.Snapshot) (int64, error) {
		n, err := count(ctx, snap)
		if errors.Is(err, errors.ErrUnsupported) {
			return estimate(ctx, snap)
		}
		return n, err
	})
}

func (c concatSnapshot) sum(of func(reindex.Snapshot) (int64, error)) (int64, error) {
	var sum int64
	for i, snap := range c {
		n, err := of(snap)
		if err != nil {
			return 0, c.name(i, err)
		}
		sum += n
	}
	return sum, nil
}

// piece is a part of one of the sources, or a whole source that cannot be split.
type piece struct {
	Source int     `json:"source"` // the number of the source, from 1
	Part   *string `json:"part,omitempty"`
}

// Split splits each snapshot. A snapshot that cannot be split is a single piece. A part is a list of pieces.
func (c concatSnapshot) Split(ctx context.Context, n int) ([]string, error) {
	if n < 1 {
		return nil, fmt.Errorf("source: Split was called with n = %d; it must be positive", n)
	}
	var all []piece
	for i, snap := range c {
		pieces, err := split(ctx, snap, n)
		if err != nil {
			return nil, c.name(i, err)
		}
		for _, part := range pieces {
			all = append(all, piece{i + 1, part})
		}
	}
	// Successive pieces, which usually belong to one source, go to different groups.
	groups := make([][]piece, max(1, min(n, len(all))))
	for i, p := range all {
		groups[i%len(groups)] = append(groups[i%len(groups)], p)
	}
	names := make([]string, len(groups))
	for i, group := range groups {
		name, err := json.Marshal(group)
		if err != nil {
			return nil, fmt.Errorf("source: naming a part: %w", err)
		}
		names[i] = string(name)
	}
	return names, nil
}

// split returns the names of a snapshot's parts. For a snapshot that cannot be split it returns a single nil.
func split(ctx context.Context, snap reindex.Snapshot, n int) ([]*string, error) {
	splitter, ok := reindex.As[reindex.Splitter](snap)
	if !ok {
		return []*string{nil}, nil
	}
	names, err := splitter.Split(ctx, n)
	if errors.Is(err, errors.ErrUnsupported) {
		return []*string{nil}, nil
	}
	parts := make([]*string, len(names))
	for i := range names {
		parts[i] = &names[i]
	}
	return parts, err
}

// Part yields the products of the pieces of a part, one piece after another.
func (c concatSnapshot) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	var pieces []piece
	if err := json.Unmarshal([]byte(name), &pieces); err != nil || pieces == nil && len(c) > 0 {
		return failing(fmt.Errorf("source: %.200q is not the name of a part of joined sources", name))
	}
	seqs := make([]iter.Seq2[reindex.Product, error], len(pieces))
	for i, p := range pieces {
		if p.Source < 1 || p.Source > len(c) {
			return failing(fmt.Errorf("source: a part belongs to source %d, but there are only %d", p.Source, len(c)))
		}
		seq, err := c.piece(ctx, p)
		if err != nil {
			return failing(c.name(p.Source-1, err))
		}
		seqs[i] = c.named(p.Source-1, seq)
	}
	return chain(seqs)
}

func (c concatSnapshot) piece(ctx context.Context, p piece) (iter.Seq2[reindex.Product, error], error) {
	snap := c[p.Source-1]
	if p.Part == nil {
		return snap.Products(ctx), nil
	}
	splitter, err := splitterOf(snap)
	if err != nil {
		return nil, err
	}
	return splitter.Part(ctx, *p.Part), nil
}

// Locate asks the snapshots that are Locators.
func (c concatSnapshot) Locate(ctx context.Context, ids ...string) (map[string]string, error) {
	all, located := map[string]string{}, false
	for i, snap := range c {
		places, err := locate(ctx, snap, ids)
		if errors.Is(err, errors.ErrUnsupported) {
			continue
		}
		if err != nil {
			return nil, c.name(i, err)
		}
		located = true
		for id, place := range places {
			if _, taken := all[id]; !taken { // the engine indexes the product of the first source
				all[id] = c.where(i, place)
			}
		}
	}
	if !located {
		return nil, fmt.Errorf("source: none of the joined sources is a Locator: %w", errors.ErrUnsupported)
	}
	return all, nil
}

// where puts the number of the source before a place.
func (c concatSnapshot) where(i int, place string) string {
	if len(c) == 1 {
		return place
	}
	if place == "" {
		return fmt.Sprintf("source %d", i+1)
	}
	return fmt.Sprintf("source %d, %s", i+1, place)
}

// name puts the number of the source before an error.
func (c concatSnapshot) name(i int, err error) error {
	return public.Within(fmt.Sprintf("source %d", i+1), err)
}

// named puts the number of the source before the errors of a sequence.
func (c concatSnapshot) named(i int, seq iter.Seq2[reindex.Product, error]) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		for p, err := range seq {
			if record, ok := errors.AsType[*reindex.RecordError](err); ok {
				err = &reindex.RecordError{ID: record.ID, Where: c.where(i, record.Where), Err: record.Err}
			} else if err != nil {
				err = c.name(i, err)
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// chain yields one sequence after another. It ends after the first error that ends a sequence.
func chain(seqs []iter.Seq2[reindex.Product, error]) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		for _, seq := range seqs {
			for p, err := range seq {
				if !yield(p, err) || err != nil && !isRecord(err) {
					return
				}
			}
		}
	}
}
