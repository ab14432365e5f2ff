package reindex

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// compare stores in the report how the sealed generation differs from the live index, if the run or the gate asks for
// it.
func (r *run) compare(ctx context.Context, gen Generation, feed *feed, sealed Sealed) error {
	job := r.record.now()
	back := job.Options.Rollback
	if !job.Options.Difference && (back || !r.cfg.compares()) {
		return nil
	}
	live, canLive := As[LiveScanner](r.ix)
	scanner, canSealed := As[Scanner](gen)
	if !canLive || !canSealed {
		return fmt.Errorf("comparing the new index with the live one: %w: this index cannot read back what it holds",
			errors.ErrUnsupported)
	}
	since, err := feed.current(ctx)
	if err != nil {
		return err
	}
	d := &differ{
		live:   func(ctx context.Context) iter.Seq2[Product, error] { return live.ScanLive(ctx, r.tenant) },
		sealed: scanner.Scan,
		edited: func(ctx context.Context) (map[string]struct{}, error) { return feed.edited(ctx, since, r.sizes) },
		retry:  r.cfg.Retry,
		items:  r.cfg.ReportItems,
	}
	difference, err := d.compare(ctx, sealed.Live)
	if err != nil {
		return fmt.Errorf("comparing the new index with the live one: %w", err)
	}
	r.record.change(func(j *Job) { j.Report.Difference = difference })
	if back {
		return nil // a rollback may change any number of products
	}
	return r.cfg.checkDifference(difference)
}

// current returns a position up to which both the live index and the source have the changes of the tenant.
func (f *feed) current(ctx context.Context) (position int64, err error) {
	state, err := f.state(ctx)
	return min(f.from, state.Applied), err
}

// edited returns the ids of the products that were changed after a position.
func (f *feed) edited(ctx context.Context, position int64, sizes sizes) (map[string]struct{}, error) {
	ids := map[string]struct{}{}
	for {
		entries, left, err := f.after(ctx, position, sizes)
		if err != nil {
			return nil, lostChanges(err)
		}
		for _, e := range entries {
			ids[e.Change.ID] = struct{}{}
			position = e.Position
		}
		if left == 0 || len(entries) == 0 {
			return ids, nil
		}
	}
}
