package fleet

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"productindex/reindex"
)

const (
	// named is how many products that came in two parts are named.
	named = 10
	// sliceIDs is about how many ids of all parts are compared at the same time.
	sliceIDs = 2_000_000
)

// Explain implements [reindex.Loader]: it finds products that came in more than one part. It compares the hashes of the
// ids a range at a time, so that it never holds all of them.
func (l *loader) Explain(ctx context.Context, load reindex.Load) string {
	found, err := l.twice(ctx, load.Job.ID, (load.Job.Report.Indexed+sliceIDs)/sliceIDs)
	if err == nil && found.count == 0 {
		return ""
	}
	if err == nil {
		err = found.name(ctx, load.Snapshot)
	}
	if err != nil {
		l.fleet.log.WarnContext(ctx, "looking for products that came in two parts failed", "tenant", load.Job.Tenant, "job", load.Job.ID, "error", err)
	}
	if found.count == 0 {
		return ""
	}
	text := fmt.Sprintf("%d of them came in more than one part of the source", found.count)
	if len(found.ids) > 0 {
		text += ": " + strings.Join(found.ids, ", ")
	}
	return text + "; no part comes before another one, so that each product has to be in one alone"
}

// overlap is what came in more than one part.
type overlap struct {
	count int
	parts map[uint64]string // by the hashes of some of the products, the name of the last part that has it
	ids   []string          // of those
}

// twice finds hashes that more than one part has, in so many ranges of them.
func (l *loader) twice(ctx context.Context, job string, ranges int64) (overlap, error) {
	found := overlap{parts: map[uint64]string{}}
	width := ^uint64(0)/uint64(max(1, ranges)) + 1
	for first := uint64(0); ; first += width {
		last := first + width - 1
		if width == 0 || last < first {
			last = ^uint64(0)
		}
		if err := l.compare(ctx, job, first, last, &found); err != nil {
			return found, err
		}
		if last == ^uint64(0) {
			return found, nil
		}
	}
}

// compare finds hashes of one range that more than one part has.
func (l *loader) compare(ctx context.Context, job string, first, last uint64, found *overlap) error {
	rows, err := l.fleet.pool.Query(ctx, "SELECT name, ids FROM reindex_fleet_parts WHERE job = $1 AND ids IS NOT NULL", job)
	if err != nil {
		return err
	}
	seen := map[uint64]struct{}{}
	var (
		name string
		ids  []byte
	)
	_, err = pgx.ForEachRow(rows, []any{&name, &ids}, func() error {
		for rest := ids; len(rest) >= 8; rest = rest[8:] {
			hash := binary.BigEndian.Uint64(rest)
			if hash < first || hash > last {
				continue
			}
			if _, twice := seen[hash]; !twice {
				seen[hash] = struct{}{}
				continue
			}
			found.count++
			if len(found.parts) < named {
				found.parts[hash] = name
			}
		}
		return nil
	})
	return err
}

// name reads the parts that have products which came twice, and finds out their ids.
func (o *overlap) name(ctx context.Context, snap reindex.Snapshot) error {
	splitter, ok := reindex.As[reindex.Splitter](snap)
	if !ok {
		return nil
	}
	for _, part := range slices.Compact(slices.Sorted(maps.Values(o.parts))) {
		for product, err := range splitter.Part(ctx, part) {
			if err != nil {
				return err
			}
			if in, ok := o.parts[reindex.HashID(product.ID)]; ok && in == part {
				o.ids = append(o.ids, fmt.Sprintf("%q", product.ID))
			}
		}
	}
	slices.Sort(o.ids)
	o.ids = slices.Compact(o.ids)
	return ctx.Err()
}
