package reindex

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"sort"
	"strings"
)

// differ compares the live index with a sealed generation. It holds 12 bytes for each product that is live.
type differ struct {
	live   func(ctx context.Context) iter.Seq2[Product, error]
	sealed func(ctx context.Context) iter.Seq2[Product, error]
	// edited returns the ids of products whose edits may be in only one of the two.
	edited func(ctx context.Context) (map[string]struct{}, error)
	retry  Retry
	items  int

	hash   hasher
	ids    []uint64 // hashes, sorted
	bodies []uint32 // hashes, of the same products; the bit met is set once the generation also has the product

	out     Difference
	changed map[string]map[string]uint64 // by id, some changed products: the hashes of their fields in the generation
}

const met = 1 << 31

func (d *differ) Len() int           { return len(d.ids) }
func (d *differ) Less(i, j int) bool { return d.ids[i] < d.ids[j] }
func (d *differ) Swap(i, j int) {
	d.ids[i], d.ids[j] = d.ids[j], d.ids[i]
	d.bodies[i], d.bodies[j] = d.bodies[j], d.bodies[i]
}

// compare returns the difference. about is roughly the number of products that are live.
func (d *differ) compare(ctx context.Context, about int64) (*Difference, error) {
	attempt := func(f func() error) error { return d.retry.Do(ctx, func() error { return contain(f) }) }
	d.hash.seed = maphash.MakeSeed()
	d.ids, d.bodies = make([]uint64, 0, max(0, about)), make([]uint32, 0, max(0, about))
	if err := attempt(func() error { return d.readLive(ctx) }); err != nil {
		return nil, fmt.Errorf("reading the live index: %w", err)
	}
	edited, err := d.edited(ctx)
	if err != nil {
		return nil, err
	}
	if err := attempt(func() error { return d.readSealed(ctx, edited) }); err != nil {
		return nil, fmt.Errorf("reading the new index: %w", err)
	}
	if err := attempt(func() error { return d.describe(ctx) }); err != nil {
		return nil, fmt.Errorf("reading the live index again: %w", err)
	}
	for id, fields := range d.changed {
		d.out.ChangedProducts = append(d.out.ChangedProducts, ChangedProduct{id, slices.Sorted(maps.Keys(fields))})
	}
	slices.SortFunc(d.out.ChangedProducts, func(a, b ChangedProduct) int { return strings.Compare(a.ID, b.ID) })
	slices.Sort(d.out.AddedIDs)
	slices.Sort(d.out.RemovedIDs)
	return &d.out, nil
}

// readLive notes the products that are live.
func (d *differ) readLive(ctx context.Context) error {
	d.ids, d.bodies = d.ids[:0], d.bodies[:0]
	for p, err := range d.live(ctx) {
		if errors.Is(err, ErrNoLiveIndex) {
			break
		}
		if err != nil {
			return sound(err)
		}
		body, err := d.hash.body(p)
		if err != nil {
			return err
		}
		d.ids, d.bodies = append(d.ids, maphash.String(d.hash.seed, p.ID)), append(d.bodies, body)
	}
	sort.Sort(d)
	d.dropRepeated()
	return ctx.Err()
}

// dropRepeated removes the repetitions of products that the scan yielded more than once.
func (d *differ) dropRepeated() {
	kept := 0
	for i, id := range d.ids {
		if i == 0 || id != d.ids[kept-1] {
			d.ids[kept], d.bodies[kept] = id, d.bodies[i]
			kept++
		}
	}
	d.ids, d.bodies = d.ids[:kept], d.bodies[:kept]
}

// readSealed compares the generation with the live index. It leaves out products that were edited.
func (d *differ) readSealed(ctx context.Context, edited map[string]struct{}) error {
	d.out, d.changed = Difference{Edited: int64(len(edited))}, map[string]map[string]uint64{}
	for i := range d.bodies {
		d.bodies[i] &^= met
	}
	left := int64(len(d.ids))
	for id := range edited {
		if i, found := d.find(id); found {
			d.bodies[i] |= met
			left--
		}
	}
	for p, err := range d.sealed(ctx) {
		if err != nil {
			return sound(err)
		}
		if _, skip := edited[p.ID]; skip {
			continue
		}
		i, found := d.find(p.ID)
		if !found {
			d.out.Added++
			d.list(&d.out.AddedIDs, p.ID)
			continue
		}
		body, err := d.hash.body(p)
		if err != nil {
			return err
		}
		left--
		if body == d.bodies[i] {
			d.out.Unchanged++
		} else if d.out.Changed++; len(d.changed) < d.items {
			if d.changed[strings.Clone(p.ID)], err = d.hash.fields(p); err != nil {
				return err
			}
		}
		d.bodies[i] |= met
	}
	d.out.Removed = left
	return ctx.Err()
}

// describe finds the ids of removed products and the fields of changed ones, until it has enough of them.
func (d *differ) describe(ctx context.Context) error {
	d.out.RemovedIDs = nil
	after := d.changed
	fields := make(map[string]map[string]uint64, len(after))
	for id := range after {
		fields[id] = nil
	}
	waiting, removed := len(after), int(min(d.out.Removed, int64(d.items)))
	if waiting == 0 && removed == 0 {
		return nil
	}
	for p, err := range d.live(ctx) {
		if errors.Is(err, ErrNoLiveIndex) {
			break
		}
		if err != nil {
			return sound(err)
		}
		i, found := d.find(p.ID)
		switch now, changed := after[p.ID]; {
		case !found: // it was added after the first reading
		case changed:
			if fields[p.ID] == nil {
				waiting--
			}
			if before, err := d.hash.fields(p); err != nil {
				return err
			} else if d.hash.sum(before)|met == d.bodies[i] {
				fields[p.ID] = differing(before, now)
			}
		case d.bodies[i]&met == 0 && !slices.Contains(d.out.RemovedIDs, p.ID):
			d.list(&d.out.RemovedIDs, p.ID)
		}
		if waiting <= 0 && len(d.out.RemovedIDs) == removed {
			break
		}
	}
	d.changed = fields
	return ctx.Err()
}

// find returns the place at which a live product was noted.
func (d *differ) find(id string) (int, bool) {
	return slices.BinarySearch(d.ids, maphash.String(d.hash.seed, id))
}

func (d *differ) list(ids *[]string, id string) {
	if len(*ids) < d.items {
		*ids = append(*ids, strings.Clone(id))
	}
}

// maxFields is the largest number of fields that are named for a changed product.
const maxFields = 20

// differing returns the fields that are not the same in before and after.
func differing(before, after map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for _, pair := range [][2]map[string]uint64{{before, after}, {after, before}} {
		for name, value := range pair[0] {
			if other, there := pair[1][name]; (!there || other != value) && len(out) < maxFields {
				out[name] = value
			}
		}
	}
	return out
}
