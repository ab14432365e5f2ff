package source

import (
	"context"
	"fmt"
	"iter"

	"productindex/reindex"
)

// Slice is a source with the same products for every tenant, for tests and for catalogues in memory. It is a
// [reindex.Finder], and its snapshots count, locate and split. A product may be in it twice. The slice must not be
// modified while it is read.
type Slice []reindex.Product

// Open returns a snapshot of s.
func (s Slice) Open(context.Context, string) (reindex.Snapshot, error) { return sliceSnapshot(s), nil }

// Find yields the first product with each of the ids.
func (s Slice) Find(ctx context.Context, _ string, ids ...string) iter.Seq2[reindex.Product, error] {
	wanted := setOf(ids)
	var found sliceSnapshot
	for _, p := range s {
		if wanted[p.ID] {
			delete(wanted, p.ID)
			found = append(found, p)
		}
	}
	return found.Products(ctx)
}

type sliceSnapshot []reindex.Product

// Products yields the elements in their order.
func (s sliceSnapshot) Products(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		for _, p := range s {
			if ctx.Err() != nil {
				yield(reindex.Product{}, ctx.Err())
				return
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// Count returns the number of different ids: a product that is in the slice twice counts once.
func (s sliceSnapshot) Count(context.Context) (int64, error) {
	ids := make(map[string]bool, len(s))
	for _, p := range s {
		ids[p.ID] = true
	}
	return int64(len(ids)), nil
}

// Split returns the names of ranges of about the same length.
func (s sliceSnapshot) Split(_ context.Context, n int) ([]string, error) {
	if n < 1 {
		return nil, fmt.Errorf("source: Split was called with n = %d; it must be positive", n)
	}
	n = max(1, min(n, len(s)))
	names := make([]string, n)
	for i := range names {
		names[i] = partName(len(s)*i/n, len(s)*(i+1)/n)
	}
	return names, nil
}

func partName(from, to int) string { return fmt.Sprintf("%d to %d", from, to) }

// Part yields the elements of a range.
func (s sliceSnapshot) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	var from, to int
	_, err := fmt.Sscanf(name, "%d to %d", &from, &to)
	if err != nil || name != partName(from, to) || from < 0 || to < from || to > len(s) {
		return failing(fmt.Errorf("source: %.200q is not the name of a part of %d products", name, len(s)))
	}
	return s[from:to].Products(ctx)
}

// Locate returns the positions of products, from 1.
func (s sliceSnapshot) Locate(_ context.Context, ids ...string) (map[string]string, error) {
	wanted := setOf(ids)
	where := map[string]string{}
	for i, p := range s {
		if wanted[p.ID] && where[p.ID] == "" {
			where[p.ID] = fmt.Sprintf("product %d of %d", i+1, len(s))
		}
	}
	return where, nil
}

// Close does nothing.
func (s sliceSnapshot) Close() error { return nil }
