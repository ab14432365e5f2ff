package jsonl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"

	"productindex/reindex"
	"productindex/source/internal/files"
)

const (
	// minPart is the smallest range that a file is split into, in bytes.
	minPart = 64 << 10

	// partsEach is how many ranges a partition is made of, about, so that they add up to partitions of like sizes.
	partsEach = 4

	// inflation is how much more there is to do for a byte of a compressed file than for one of a plain file.
	inflation = 6
)

// Partitions implements [reindex.Partitioner]. Plain files are split into ranges of whole lines, compressed ones are read whole; both
// are spread over the partitions. The error matches [errors.ErrUnsupported] where all there is to read is one file that cannot be split.
// No file is open before a sequence is read. A file that has changed by then ends the sequence with an error that matches ErrChanged.
func (s *Source) Partitions(ctx context.Context, tenant string, n int) ([]iter.Seq2[reindex.Product, error], error) {
	fsys, names, done, err := s.find(tenant)
	if err != nil {
		return nil, err
	}
	defer done()
	all := make([]weighed, len(names))
	var total int64
	for i, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if all[i], err = weigh(fsys, name); err != nil {
			return nil, err
		}
		total += all[i].weight
	}
	if len(all) == 1 && all[0].info == nil {
		return nil, fmt.Errorf("jsonl: %s is one compressed file, it cannot be split: %w", names[0], errors.ErrUnsupported)
	}
	var parts []weighed
	for _, f := range all {
		parts = append(parts, f.split(max(minPart, total/int64(max(n, 1)*partsEach)))...)
	}
	var seqs []iter.Seq2[reindex.Product, error]
	for _, parts := range spread(parts, max(n, 1)) {
		seqs = append(seqs, s.partition(ctx, parts))
	}
	return seqs, nil
}

// partition yields the products of some parts.
func (s *Source) partition(ctx context.Context, parts []part) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		fsys, done, err := s.open()
		if err != nil {
			yield(reindex.Product{}, fmt.Errorf("jsonl: %w", err))
			return
		}
		defer done()
		for _, p := range parts {
			if !s.products(ctx, fsys, p, yield) {
				return
			}
		}
	}
}

// weighed is a part, and how much work it is to read it.
type weighed struct {
	part

	weight int64
}

// weigh looks at a file. Only one that can be split has its info set.
func weigh(fsys fs.FS, name string) (weighed, error) {
	file, info, err := files.OpenRegular(fsys, name)
	if err != nil {
		return weighed{}, fmt.Errorf("jsonl: %w", err)
	}
	defer func() { _ = file.Close() }()
	kind, _, err := detect(file, name)
	if err != nil {
		return weighed{}, err
	}
	w := weighed{part: whole(name), weight: info.Size()}
	if _, ok := file.(io.ReaderAt); ok && kind == files.Plain {
		w.info = info
	} else if kind != files.Plain {
		w.weight *= inflation
	}
	return w, nil
}

// split cuts a file into ranges of about size bytes, where that can be done.
func (w weighed) split(size int64) []weighed {
	if w.info == nil || w.weight <= size {
		return []weighed{w}
	}
	count := (w.weight + size - 1) / size
	out := make([]weighed, count)
	for i := range count {
		p := w.part
		p.start = w.weight / count * i
		p.end = w.weight / count * (i + 1)
		if i == count-1 {
			p.end = 0
		}
		out[i] = weighed{part: p, weight: w.weight / count}
	}
	return out
}

// spread distributes parts over at most n partitions of like weights, in each of which they keep their order. None is empty, unless
// there is nothing to distribute.
func spread(parts []weighed, n int) [][]part {
	byWeight := make([]int, len(parts))
	for i := range byWeight {
		byWeight[i] = i
	}
	slices.SortStableFunc(byWeight, func(a, b int) int { return cmp.Compare(parts[b].weight, parts[a].weight) })
	loads := make([]int64, min(n, len(parts)))
	members := make([][]int, len(loads))
	for _, i := range byWeight {
		least := 0
		for j, load := range loads {
			if load < loads[least] {
				least = j
			}
		}
		loads[least] += max(1, parts[i].weight)
		members[least] = append(members[least], i)
	}
	out := make([][]part, len(loads))
	for j, indexes := range members {
		slices.Sort(indexes)
		for _, i := range indexes {
			out[j] = append(out[j], parts[i].part)
		}
	}
	return out
}
