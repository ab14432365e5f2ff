package reindex

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// writer sends products to one generation, at the pace that its index allows.
type writer struct {
	cfg   *Config
	info  JobInfo
	tally *tally
	gen   Writer
	pace  *pace
	share *share
}

func newWriter(cfg *Config, sizes sizes, share *share, t *tally, gen Writer) *writer {
	return &writer{cfg: cfg, info: t.record.info(), tally: t, gen: gen, pace: newPace(sizes), share: share}
}

// write sends products until each of them has been accepted or rejected, in batches of the size that the pace allows.
// It resends products that failed and can succeed. A batch that is too large or refused as a whole is split, down to
// the single product that causes it. It returns the number of single products that were too large.
func (w *writer) write(ctx context.Context, products []Product) (tooLarge int, err error) {
	attempt, resent := 1, 0 // the number of the next try, and how many products it resends
	for len(products) > 0 {
		t, err := w.pace.enter(ctx)
		if err != nil {
			return tooLarge, err
		}
		n := fit(products, t.bytes)
		o, err := w.try(ctx, t, products[:n], attempt)
		if err != nil {
			return tooLarge, err
		}
		tooLarge += o.tooLarge
		if len(o.again) < n {
			attempt = 1 // the index makes progress; only tries without progress count
		}
		if len(o.again) > 0 {
			w.tally.record.log.WarnContext(ctx, "writing failed; it will be tried again",
				"attempt", attempt, "products", len(o.again), "error", o.failure)
			if err := w.cfg.Retry.pause(ctx, attempt, o.wait, o.failure); err != nil {
				return tooLarge, ofBatch(o.again, err)
			}
		}
		resent = len(o.again) + max(0, resent-n)
		products = append(o.again, products[n:]...)
		if resent > 0 {
			attempt++
		}
	}
	return tooLarge, nil
}

// outcome is the result of one batch.
type outcome struct {
	again    []Product // to be sent again, in the batch's own slice
	wait     time.Duration
	failure  error // the reason for sending again
	tooLarge int   // the number of single products that are too large
}

// try sends a batch once and counts the outcome of its products, except for those to send again.
func (w *writer) try(ctx context.Context, t ticket, products []Product, attempt int) (outcome, error) {
	err := w.writeOnce(ctx, t, products, attempt)
	var (
		failed    *BatchError
		temporary *TemporaryError
	)
	switch {
	case err == nil:
		return outcome{again: products[:0]}, nil
	case ctx.Err() != nil:
		return outcome{}, ctx.Err()
	case errors.As(err, &failed):
		again, defect := w.settle(products, failed)
		return outcome{again: again, wait: failed.RetryAfter, failure: err}, defect
	case errors.Is(err, ErrTooLarge), errors.Is(err, ErrRefused):
		tooLarge, err := w.split(ctx, products, err)
		return outcome{again: products[:0], tooLarge: tooLarge}, err
	case errors.As(err, &temporary):
		return outcome{again: products, wait: temporary.RetryAfter, failure: err}, nil
	}
	return outcome{}, ofBatch(products, err)
}

func ofBatch(products []Product, err error) error {
	return fmt.Errorf("batch of %s, the first one %q: %w", counted(len(products), "product"), products[0].ID, err)
}

// split sends the halves of a batch that was refused as a whole, and rejects a single product. If no single product is
// too large, the size of the batch was the cause, and the next batches are made smaller.
func (w *writer) split(ctx context.Context, products []Product, reason error) (tooLarge int, err error) {
	size := errors.Is(reason, ErrTooLarge)
	if len(products) == 1 {
		if size {
			tooLarge = 1
		}
		return tooLarge, w.tally.reject(Rejection{ID: products[0].ID, Reason: rejectionReason(reason)})
	}
	bytes := productBytes(products)
	half := len(products) / 2
	for _, part := range [][]Product{products[:half], products[half:]} {
		n, err := w.write(ctx, part)
		if err != nil {
			return 0, err
		}
		tooLarge += n
	}
	if size && tooLarge == 0 {
		w.pace.tooLarge(bytes)
	}
	return tooLarge, nil
}

// writeOnce calls Write, and counts and traces the call. Products accepted by a call that returns nil are counted here.
func (w *writer) writeOnce(ctx context.Context, t ticket, products []Product, attempt int) error {
	if err := w.share.batch(ctx); err != nil {
		w.pace.leave(t, 0, err)
		return err
	}
	defer w.share.batchEnded()
	call := BatchWrite{Docs: len(products), Bytes: productBytes(products), Attempt: attempt}
	trace, info := w.cfg.Trace, w.info
	if start := trace.WriteStarted; start != nil {
		outer := ctx
		ctx = w.cfg.starts(ctx, func() context.Context { return start(outer, info, call) })
	}
	start := time.Now()
	call.Err = sound(w.gen.Write(ctx, products))
	call.Duration = time.Since(start)
	call.InFlight, call.MaxBytes = w.pace.leave(t, call.Duration, call.Err)
	w.tally.record.change(func(j *Job) {
		j.InFlight, j.BatchBytes = int64(call.InFlight), int64(call.MaxBytes)
		j.Report.Batches++
		if attempt > 1 {
			j.Report.Retries++
		}
		if call.Err == nil {
			j.Report.Indexed += int64(len(products))
		}
	})
	if end := trace.WriteEnded; end != nil {
		w.cfg.traced(func() { end(ctx, info, call) })
	}
	return call.Err
}

// settle counts the outcome of a batch of which some products failed, and returns those to send again, in the same
// slice.
func (w *writer) settle(products []Product, failed *BatchError) (again []Product, err error) {
	again, bad, err := settle(products, func(p Product) string { return p.ID }, failed)
	if err != nil {
		return nil, err
	}
	accepted := int64(len(products) - len(again) - len(bad))
	w.tally.record.change(func(j *Job) { j.Report.Indexed += accepted })
	rejections := make([]Rejection, len(bad))
	for i, b := range bad {
		rejections[i] = Rejection{ID: b.member.ID, Reason: reason(b.item.Err)}
	}
	return again, w.tally.reject(rejections...)
}
