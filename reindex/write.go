package reindex

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// write sends products until each of them has been accepted or rejected, in batches as large as the index takes now. It resends what
// failed and can succeed, and splits what is too large or refused as a whole, down to the one product that is to blame. It returns how
// many single products were too large.
func (p *pump) write(ctx context.Context, products []Product) (tooLarge int, err error) {
	attempt, resent := 1, 0 // the number of the next try of the first products, as many as were sent before
	for len(products) > 0 {
		t, err := p.pace.enter(ctx)
		if err != nil {
			return tooLarge, err
		}
		n := fit(products, t.bytes)
		o, err := p.try(ctx, t, products[:n], attempt)
		if err != nil {
			return tooLarge, err
		}
		tooLarge += o.tooLarge
		if len(o.again) < n {
			attempt = 1 // the index moves on; only tries without progress count
		}
		if len(o.again) > 0 {
			p.record.log.WarnContext(ctx, "write failed, trying again", "attempt", attempt, "products", len(o.again), "error", o.failure)
			if err := p.cfg.Retry.pause(ctx, attempt, o.wait, o.failure); err != nil {
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

// outcome is what became of one batch.
type outcome struct {
	again    []Product // to be sent again, in the batch's own slice
	wait     time.Duration
	failure  error // why
	tooLarge int   // how many single products were
}

// try sends a batch once and settles what became of it, all of it where nothing is to be sent again.
func (p *pump) try(ctx context.Context, t ticket, products []Product, attempt int) (outcome, error) {
	err := p.writeOnce(ctx, t, products, attempt)
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
		again, defect := p.settle(products, failed)
		return outcome{again: again, wait: failed.RetryAfter, failure: err}, defect
	case errors.Is(err, ErrTooLarge), errors.Is(err, ErrRefused):
		tooLarge, err := p.split(ctx, products, err)
		return outcome{again: products[:0], tooLarge: tooLarge}, err
	case errors.As(err, &temporary):
		return outcome{again: products, wait: temporary.RetryAfter, failure: err}, nil
	}
	return outcome{}, ofBatch(products, err)
}

func ofBatch(products []Product, err error) error {
	return fmt.Errorf("batch of %d products, the first one %q: %w", len(products), products[0].ID, err)
}

// split sends the halves of a batch that was refused as a whole, and rejects a single product. A batch of which no part is too large was
// itself too large: that is worth knowing for the next ones. With a product to blame it is not.
func (p *pump) split(ctx context.Context, products []Product, reason error) (tooLarge int, err error) {
	size := errors.Is(reason, ErrTooLarge)
	if len(products) == 1 {
		if size {
			tooLarge = 1
		}
		return tooLarge, p.reject(Rejection{ID: products[0].ID, Reason: rejectionReason(reason)})
	}
	bytes := productBytes(products)
	half := len(products) / 2
	for _, part := range [][]Product{products[:half], products[half:]} {
		n, err := p.write(ctx, part)
		if err != nil {
			return 0, err
		}
		tooLarge += n
	}
	if size && tooLarge == 0 {
		p.pace.tooLarge(bytes)
	}
	return tooLarge, nil
}

// writeOnce calls Write, and counts and traces the call. Products accepted by a call that returns nil are counted here.
func (p *pump) writeOnce(ctx context.Context, t ticket, products []Product, attempt int) error {
	w := BatchWrite{Docs: len(products), Bytes: productBytes(products), Attempt: attempt}
	trace, info := p.cfg.Trace, p.info
	if start := trace.WriteStarted; start != nil {
		outer := ctx
		ctx = p.cfg.starts(ctx, func() context.Context { return start(outer, info, w) })
	}
	start := time.Now()
	w.Err = sound(p.gen.Write(ctx, products))
	w.Duration = time.Since(start)
	w.InFlight, w.MaxBytes = p.pace.leave(t, w.Duration, w.Err)
	p.record.change(func(j *Job) {
		j.Report.Batches++
		if attempt > 1 {
			j.Report.Retries++
		}
		if w.Err == nil {
			j.Report.Indexed += int64(len(products))
		}
	})
	if end := trace.WriteEnded; end != nil {
		p.cfg.traced(func() { end(ctx, info, w) })
	}
	return w.Err
}

// settle counts the outcome of a batch of which some products failed, and returns those to send again, in the same slice.
func (p *pump) settle(products []Product, failed *BatchError) (again []Product, err error) {
	reasons := make(map[string]ItemError, len(failed.Items))
	for _, item := range failed.Items {
		reasons[item.ID] = item
	}
	var (
		rejections []Rejection
		accepted   int64
		sent       = len(products)
	)
	again = products[:0]
	for _, product := range products {
		item, bad := reasons[product.ID]
		switch {
		case !bad:
			accepted++
		case item.Retryable:
			again = append(again, product)
		default:
			rejections = append(rejections, Rejection{ID: product.ID, Reason: reason(item.Err)})
		}
	}
	if found := len(again) + len(rejections); found == 0 || found != len(failed.Items) {
		return nil, fmt.Errorf("the index reported %d failed products of a batch of %d, of which %d were in it: a defect of the Indexer",
			len(failed.Items), sent, found)
	}
	p.record.change(func(j *Job) { j.Report.Indexed += accepted })
	return again, p.reject(rejections...)
}

func productBytes(products []Product) int {
	n := 0
	for _, p := range products {
		n += len(p.ID) + len(p.Body)
	}
	return n
}
