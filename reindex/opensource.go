package reindex

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// open opens the source, counts its products and splits it into parts; it returns no parts if the source is to be read
// as a whole. The snapshot may be non-nil beside an error.
func (r *run) open(ctx context.Context, resumed bool) (snap Snapshot, parts []string, err error) {
	err = r.phase(ctx, PhaseOpen, func(ctx context.Context) (err error) {
		if snap, err = r.src.Open(ctx, r.tenant); err != nil {
			return err
		}
		if err := r.count(ctx, snap); err != nil {
			return err
		}
		if parts, err = r.split(ctx, snap); err == nil && r.cfg.Loader != nil && (resumed || len(parts) == 0) {
			r.record.unannounce()
		}
		return err
	})
	return snap, parts, err
}

// count asks the snapshot for the number of products to expect or, if it announces none, the index for the number it
// holds.
func (r *run) count(ctx context.Context, snap Snapshot) error {
	if known, err := announced(ctx, snap, r.record); known || err != nil {
		return err
	}
	estimated := func(n int64) {
		r.record.change(func(j *Job) { j.Expected, j.Estimated = n, true })
	}
	if estimator, ok := As[Estimator](snap); ok {
		n, err := estimator.Estimate(ctx)
		if err == nil {
			estimated(n)
			return nil
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return fmt.Errorf("estimating the number of the source's products: %w", err)
		}
	}
	if live, ok := As[DocCounter](r.ix); ok {
		if n, err := live.DocCount(ctx, r.tenant); err == nil {
			estimated(n)
		}
	}
	return nil
}

// announced records the number of products that the snapshot announces, and reports whether it announces one.
func announced(ctx context.Context, snap Snapshot, to *record) (known bool, err error) {
	counter, ok := As[Counter](snap)
	if !ok {
		return false, nil
	}
	n, err := counter.Count(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("counting the source's products: %w", err)
	}
	to.change(func(j *Job) { j.Expected, j.Report.Expected = n, n })
	return true, nil
}

// split returns the parts to read at the same time; none if the source is to be read as a whole.
func (r *run) split(ctx context.Context, snap Snapshot) ([]string, error) {
	splitter, ok := As[Splitter](snap)
	n := r.cfg.Readers
	if r.cfg.Loader != nil {
		n = r.cfg.Loader.Split(r.record.now().Expected)
	}
	if !ok || n <= 1 {
		return nil, nil
	}
	parts, err := splitter.Split(ctx, n)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("splitting the source: %w", err)
	}
	return parts, nil
}

// leaveSource looks up the places of the rejected products, and closes the snapshot.
func (r *run) leaveSource(ctx context.Context, snap Snapshot) {
	r.enter(PhaseAbort)
	r.locate(ctx, snap)
	if err := contain(snap.Close); err != nil {
		r.record.log.WarnContext(ctx, "closing the source failed", "error", err)
	}
}

// locate adds the places in the source to the listed rejections.
func (r *run) locate(ctx context.Context, snap Snapshot) {
	listed := slices.Clone(r.record.now().Report.Rejections)
	var ids []string
	for _, rejection := range listed {
		if rejection.Where == "" && rejection.ID != "" {
			ids = append(ids, rejection.ID)
		}
	}
	locator, ok := As[Locator](snap)
	if !ok || len(ids) == 0 || ctx.Err() != nil {
		return
	}
	var where map[string]string
	err := contain(func() (err error) {
		where, err = locator.Locate(ctx, ids...)
		return err
	})
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		r.record.log.WarnContext(ctx, "locating the rejected products failed", "error", err)
	}
	if err != nil {
		return
	}
	for i := range listed {
		if listed[i].Where == "" {
			listed[i].Where = where[listed[i].ID]
		}
	}
	r.record.change(func(j *Job) { j.Report.Rejections = listed })
}
