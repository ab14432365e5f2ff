package files

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"productindex/reindex"
	"productindex/source/internal/public"
)

const (
	// minPart is the smallest range that a file is split into, in bytes.
	minPart = 64 << 10

	// partsEach is the approximate number of ranges per part. Several ranges per part make the sizes of parts similar.
	partsEach = 4

	// inflation is the work of reading a byte of a compressed file, relative to a byte of a plain file.
	inflation = 6

	chunkBytes = 32 << 10
)

// Split implements [reindex.Splitter]. Plain files are split into ranges of whole records if the format allows it;
// others are read as a whole. Both are spread over the parts. The error matches [errors.ErrUnsupported] if there is
// only one file and it cannot be split.
func (s *Snapshot) Split(ctx context.Context, n int) ([]string, error) {
	n = max(n, 1)
	all := make([]weighed, len(s.files))
	var total int64
	for i, f := range s.files {
		var err error
		if all[i], err = s.weigh(ctx, Range{File: f}); err != nil {
			return nil, err
		}
		total += all[i].weight
	}
	if len(all) == 1 && !all[0].ranges {
		return nil, fmt.Errorf("%s: %s cannot be split: %w", s.src.folder.Name, s.files[0].Name, errors.ErrUnsupported)
	}
	var parts []weighed
	for _, f := range all {
		ranges, err := s.split(ctx, f, max(minPart, total/int64(n*partsEach)))
		if err != nil {
			return nil, err
		}
		parts = append(parts, ranges...)
	}
	var names []string
	for _, ranges := range spread(parts, n) {
		name, err := partName(ranges)
		if err != nil {
			return nil, s.src.wrap(err)
		}
		names = append(names, name)
	}
	return names, nil
}

// Part implements [reindex.Splitter].
func (s *Snapshot) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		ranges, err := s.part(name)
		if err != nil {
			yield(reindex.Product{}, s.src.wrap(err))
			return
		}
		s.products(ctx, ranges)(yield)
	}
}

// weighed is a range and the work of reading it.
type weighed struct {
	Range

	weight int64
	ranges bool // whether the range can be split
}

// weigh estimates the work of reading a file, and determines whether it can be split.
func (s *Snapshot) weigh(ctx context.Context, r Range) (weighed, error) {
	in, err := s.open(ctx, r)
	if err != nil {
		return weighed{}, err
	}
	defer in.close()
	_, readsAt := in.file.(io.ReaderAt)
	w := weighed{Range: r, weight: r.Info.Size(), ranges: readsAt && in.Plain && s.src.format.Splits(in)}
	if !in.Plain {
		w.weight *= inflation
	}
	return w, nil
}

// split cuts a file between records into ranges of about size bytes, if that is possible.
func (s *Snapshot) split(ctx context.Context, w weighed, size int64) ([]weighed, error) {
	if !w.ranges || w.weight <= size {
		return []weighed{w}, nil
	}
	in, err := s.open(ctx, w.Range)
	if err != nil {
		return nil, err
	}
	defer in.close()
	count := (w.weight + size - 1) / size
	var offsets []int64
	for i := int64(1); i < count; i++ {
		offsets = append(offsets, w.weight/count*i)
	}
	ends, err := s.src.format.Starts(ctx, in, offsets)
	if err != nil {
		return nil, s.src.wrap(public.Within(w.Name, Reason(err)))
	}
	var out []weighed
	var start int64
	for _, end := range append(ends, w.weight) {
		if end > start {
			out = append(out, weighed{Range: Range{w.File, start, end}, weight: end - start})
			start = end
		}
	}
	return out, nil
}

// LineStarts returns, for each offset, the start of the first line at or after it, or the size of the file.
func (in *Input) LineStarts(ctx context.Context, offsets []int64) (starts []int64, err error) {
	at, ok := in.file.(io.ReaderAt)
	if !ok {
		return nil, errNoRanges
	}
	for _, offset := range offsets {
		start, err := lineStart(ctx, at, offset, in.Info.Size())
		if err != nil {
			return nil, err
		}
		starts = append(starts, start)
	}
	return starts, nil
}

// lineStart returns the start of the first line at or after offset, or size.
func lineStart(ctx context.Context, at io.ReaderAt, offset, size int64) (int64, error) {
	offset-- // a line begins at offset if another one ends right before it
	r := io.NewSectionReader(at, offset, size-offset)
	buf := make([]byte, chunkBytes)
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := r.Read(buf)
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			return offset + int64(i) + 1, nil
		}
		offset += int64(n)
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// spread distributes ranges over at most n parts of similar weights. In each part the ranges keep their order. No part
// is empty, unless there is nothing to distribute.
func spread(ranges []weighed, n int) [][]Range {
	byWeight := make([]int, len(ranges))
	for i := range byWeight {
		byWeight[i] = i
	}
	slices.SortStableFunc(byWeight, func(a, b int) int { return cmp.Compare(ranges[b].weight, ranges[a].weight) })
	loads := make([]int64, min(n, len(ranges)))
	members := make([][]int, len(loads))
	for _, i := range byWeight {
		least := 0
		for j, load := range loads {
			if load < loads[least] {
				least = j
			}
		}
		loads[least] += max(1, ranges[i].weight)
		members[least] = append(members[least], i)
	}
	out := make([][]Range, len(loads))
	for j, indexes := range members {
		slices.Sort(indexes)
		for _, i := range indexes {
			out[j] = append(out[j], ranges[i].Range)
		}
	}
	return out
}

// named is a range in the name of a part. The size and the time of the file show whether it has changed.
type named struct {
	File     string `json:"file"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // nanoseconds since 1970
	Start    int64  `json:"start,omitempty"`
	End      int64  `json:"end,omitempty"`
}

func name(r Range) named {
	return named{r.Name, r.Info.Size(), r.Info.ModTime().UnixNano(), r.Start, r.End}
}

// partName returns the name of a part.
func partName(ranges []Range) (string, error) {
	list := make([]named, len(ranges))
	for i, r := range ranges {
		list[i] = name(r)
	}
	text, err := json.Marshal(list)
	return string(text), err
}

// part returns the ranges of the part with a name.
func (s *Snapshot) part(text string) ([]Range, error) {
	var list []named
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) == 0 {
		return nil, fmt.Errorf("%.100q is not the name of a part", text)
	}
	byName := make(map[string]File, len(s.files))
	for _, f := range s.files {
		byName[f.Name] = f
	}
	ranges := make([]Range, len(list))
	for i, n := range list {
		file, ok := byName[n.File]
		if !ok {
			return nil, public.Errorf("%.100q: %w: it is not among the tenant's files", n.File, ErrChanged)
		}
		r := Range{file, n.Start, n.End}
		if now := name(r); now != n {
			return nil, public.Errorf("%s: %w: it had %d bytes when it was split, and now has %d",
				n.File, ErrChanged, n.Size, now.Size)
		}
		if n.Start < 0 || n.End < 0 || n.End > n.Size || (n.Start != 0 || n.End != 0) && n.Start >= n.End {
			return nil, fmt.Errorf("%s has no bytes %d to %d", n.File, n.Start, n.End)
		}
		ranges[i] = r
	}
	return ranges, nil
}
