package source

import (
	"context"
	"errors"
	"iter"
	"slices"

	"productindex/reindex"
)

// Concat returns a source of the products of all the sources, one source after the other. A tenant must be known to each of them, and
// an id must be in one of them only. It counts where all of them do.
func Concat(sources ...reindex.Source) reindex.Source {
	return concat(slices.Clone(sources))
}

type concat []reindex.Source

// Products yields the products of one source after the other.
func (c concat) Products(ctx context.Context, tenant string) iter.Seq2[reindex.Product, error] {
	seqs := make([]iter.Seq2[reindex.Product, error], len(c))
	for i, src := range c {
		seqs[i] = src.Products(ctx, tenant)
	}
	return chain(seqs)
}

// Count adds up what the sources announce.
func (c concat) Count(ctx context.Context, tenant string) (int64, error) {
	var sum int64
	for _, src := range c {
		n, err := count(ctx, src, tenant)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// Partitions splits each source, and reads those that can not be split beside each other.
func (c concat) Partitions(ctx context.Context, tenant string, n int) ([]iter.Seq2[reindex.Product, error], error) {
	var all []iter.Seq2[reindex.Product, error]
	for _, src := range c {
		p, ok := reindex.As[reindex.Partitioner](src)
		if !ok {
			all = append(all, src.Products(ctx, tenant))
			continue
		}
		seqs, err := p.Partitions(ctx, tenant, n)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			seqs = []iter.Seq2[reindex.Product, error]{src.Products(ctx, tenant)}
		case err != nil:
			return nil, err
		}
		all = append(all, seqs...)
	}
	// Neighbours, which come from one source, go to different groups.
	groups := make([][]iter.Seq2[reindex.Product, error], max(1, min(n, len(all))))
	for i, seq := range all {
		groups[i%len(groups)] = append(groups[i%len(groups)], seq)
	}
	out := make([]iter.Seq2[reindex.Product, error], len(groups))
	for i, group := range groups {
		out[i] = chain(group)
	}
	return out, nil
}

// chain joins sequences. It ends with the first error.
func chain(seqs []iter.Seq2[reindex.Product, error]) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		for _, seq := range seqs {
			for p, err := range seq {
				if !yield(p, err) || err != nil {
					return
				}
			}
		}
	}
}
