package fleet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/jackc/pgx/v5"

	"productindex/reindex"
)

const (
	// sliceIDs is the approximate number of ids of all parts that are compared at the same time.
	sliceIDs = 2_000_000
	// maxOverlap is the largest number of products in more than one part that are compared.
	maxOverlap = 1_000_000
)

// Overlap implements [reindex.Loader]. It compares the hashes of the ids one range at a time, so that it never holds
// all of them. It then reads the parts that have products in common, to compare the bodies.
func (l *loader) Overlap(ctx context.Context, load reindex.Load) (reindex.Overlap, error) {
	o := &overlap{
		times: map[uint64]int{}, parts: map[string]bool{}, bodies: map[uint64]uint64{}, seed: maphash.MakeSeed(),
		listed: l.fleet.reportItems(),
	}
	err := l.fleet.cfg.Engine.Retry.Do(ctx, func() error {
		return l.overlapping(ctx, load.Job.ID, load.Job.Report.Indexed/sliceIDs+1, o)
	})
	if err != nil || len(o.times) == 0 {
		return reindex.Overlap{}, err
	}
	if splitter, ok := reindex.As[reindex.Splitter](load.Snapshot); ok {
		for name := range o.parts {
			if err := o.read(splitter.Part(ctx, name)); err != nil {
				return reindex.Overlap{}, fmt.Errorf("part %q: %w", name, err)
			}
		}
	}
	found := reindex.Overlap{IDs: o.ids}
	for _, times := range o.times {
		found.Duplicates += int64(times - 1)
	}
	found.Conflicts = found.Duplicates - o.same
	slices.Sort(found.IDs)
	return found, nil
}

// overlap holds the products that are in more than one part, by the hashes of their ids.
type overlap struct {
	times map[uint64]int  // the number of parts that have the product
	parts map[string]bool // the names of these parts

	seed   maphash.Seed
	bodies map[uint64]uint64 // the hash of the body that was read first
	same   int64             // the number of further bodies that equal the first
	ids    []string
	listed int // the largest number of ids
}

// overlapping finds the hashes that are in more than one part. It divides the hashes into ranges and compares one range
// at a time.
func (l *loader) overlapping(ctx context.Context, job string, ranges int64, o *overlap) error {
	width := ^uint64(0)/uint64(max(1, ranges)) + 1
	for first := uint64(0); ; first += width {
		last := first + width - 1
		if width == 0 || last < first {
			last = ^uint64(0)
		}
		if err := l.compare(ctx, job, first, last, o); err != nil || last == ^uint64(0) {
			return err
		}
	}
}

// errOverlap reports that too many products are in more than one part to compare them.
var errOverlap = fmt.Errorf("more than %d products are in more than one part of the source", maxOverlap)

// compare finds the hashes of one range that are in more than one part.
func (l *loader) compare(ctx context.Context, job string, first, last uint64, o *overlap) error {
	seen := map[uint64]string{} // the first part that has the hash
	err := l.hashes(ctx, job, func(part string, hashes hashes) error {
		for i := hashes.search(first); i < hashes.len() && hashes.at(i) <= last; i++ {
			hash := hashes.at(i)
			before, twice := seen[hash]
			if !twice {
				seen[hash] = part
				continue
			}
			o.parts[before], o.parts[part] = true, true
			o.times[hash] = max(o.times[hash], 1) + 1
		}
		if len(o.times) > maxOverlap {
			return errOverlap
		}
		return nil
	})
	if errors.Is(err, errOverlap) {
		return err
	}
	return reindex.Temporary(err)
}

// read compares the bodies of a part with the bodies of the parts that were read before it.
func (o *overlap) read(products func(yield func(reindex.Product, error) bool)) error {
	here := map[uint64]bool{}
	for product, err := range products {
		if _, bad := errors.AsType[*reindex.RecordError](err); bad {
			continue
		}
		if err != nil {
			return err
		}
		hash := reindex.HashID(product.ID)
		if o.times[hash] == 0 || here[hash] {
			continue
		}
		here[hash] = true
		body := maphash.Bytes(o.seed, product.Body)
		before, again := o.bodies[hash]
		switch {
		case !again:
			o.bodies[hash] = body
			if len(o.ids) < o.listed {
				o.ids = append(o.ids, product.ID)
			}
		case before == body:
			o.same++
		}
	}
	return nil
}

// Holds implements [reindex.Loader].
func (l *loader) Holds(ctx context.Context, load reindex.Load, ids []string) (map[string]bool, error) {
	held := map[string]bool{}
	err := l.fleet.cfg.Engine.Retry.Do(ctx, func() error {
		return reindex.Temporary(l.hashes(ctx, load.Job.ID, func(_ string, hashes hashes) error {
			for _, id := range ids {
				hash := reindex.HashID(id)
				if i := hashes.search(hash); i < hashes.len() && hashes.at(i) == hash {
					held[id] = true
				}
			}
			return nil
		}))
	})
	return held, err
}

// hashes is the stored form of the hashes of a part's ids: 8 bytes each, in ascending order.
type hashes []byte

func (h hashes) len() int        { return len(h) / 8 }                       //nolint:mnd // bytes of a hash
func (h hashes) at(i int) uint64 { return binary.BigEndian.Uint64(h[8*i:]) } //nolint:mnd // as above

// search returns the index of the first element that is not smaller than hash.
func (h hashes) search(hash uint64) int {
	low, high := 0, h.len()
	for low < high {
		if middle := (low + high) / 2; h.at(middle) < hash { //nolint:mnd // a half
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// hashes calls visit with the hashes of each part of a run. They are valid only during the call.
func (l *loader) hashes(ctx context.Context, job string, visit func(part string, hashes hashes) error) error {
	const query = "SELECT name, ids FROM reindex_fleet_parts WHERE job = $1 AND ids IS NOT NULL"
	rows, err := l.fleet.pool.Query(ctx, query, job)
	if err != nil {
		return err
	}
	var (
		name string
		ids  []byte
	)
	_, err = pgx.ForEachRow(rows, []any{&name, &ids}, func() error { return visit(name, ids) })
	return err
}
