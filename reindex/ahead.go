package reindex

import "context"

const (
	// aheadPages is the number of pages, each as large as a batch, that changes read ahead may fill.
	aheadPages = 4
	// maxAheadPages is the largest number of pages of the log that one call reads.
	maxAheadPages = 32
)

// ahead reads the changes after a position until there are aheadPages full of different products, and returns the last
// change of each product. It skips changes that later ones replace, so that a run catches up with many changes of few
// products however fast they come. It holds at most aheadPages pages of changes in memory, and one more.
func (f *feed) ahead(ctx context.Context, position int64) (entries []ChangeEntry, end, left int64, err error) {
	sizes := f.streams.sizes
	for range maxAheadPages {
		page, more, err := f.after(ctx, position, sizes)
		if err != nil {
			return nil, 0, 0, err
		}
		if len(page) == 0 {
			return entries, position, 0, nil
		}
		position, left = page[len(page)-1].Position, more
		entries = lastOfEach(append(entries, page...))
		if left == 0 || len(entries) >= aheadPages*sizes.docs || bytesOfEntries(entries) >= aheadPages*sizes.bytes {
			break
		}
	}
	return entries, position, left, nil
}

// pages divides entries into the calls that send them.
func pages(entries []ChangeEntry, sizes sizes) (all [][]ChangeEntry) {
	start, sum := 0, 0
	for i, e := range entries {
		size := e.Change.Size()
		if i > start && (i-start == sizes.docs || sum+size > sizes.bytes) {
			all = append(all, entries[start:i])
			start, sum = i, 0
		}
		sum += size
	}
	if start < len(entries) {
		all = append(all, entries[start:])
	}
	return all
}

func bytesOfEntries(entries []ChangeEntry) (sum int) {
	for _, e := range entries {
		sum += e.Change.Size()
	}
	return sum
}
