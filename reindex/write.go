package reindex

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// write sends products until each of them has been accepted or rejected. It resends what failed and can succeed, and splits what is
// too large or refused as a whole, down to the one product that is to blame.
func (p *pump) write(ctx context.Context, products []Product) error {
	if len(products) == 0 {
		return nil
	}
	if len(products) > 1 && bodyBytes(products) > p.sizes.bytes {
		return p.writeHalves(ctx, products) // a transform made them larger
	}
	for attempt := 1; ; attempt++ {
		err := p.writeOnce(ctx, products, attempt)
		var (
			failed    *BatchError
			temporary *TemporaryError
			wait      time.Duration
		)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &failed):
			again, err := p.settle(products, failed)
			if err != nil || len(again) == 0 {
				return err
			}
			if len(again) < len(products) {
				attempt = 1 // the index moves on; only tries without progress count
			}
			products, wait = again, failed.RetryAfter
		case errors.Is(err, ErrTooLarge), errors.Is(err, ErrRefused):
			if len(products) == 1 {
				return p.reject(1, Rejection{ID: products[0].ID, Reason: err.Error()})
			}
			return p.writeHalves(ctx, products)
		case errors.As(err, &temporary):
			wait = temporary.RetryAfter
		default:
			return fmt.Errorf("batch of %d products, the first one %q: %w", len(products), products[0].ID, err)
		}
		p.log.WarnContext(ctx, "write failed, trying again", "attempt", attempt, "products", len(products), "error", err)
		if err := p.cfg.Retry.pause(ctx, attempt, wait, err); err != nil {
			return fmt.Errorf("batch of %d products, the first one %q: %w", len(products), products[0].ID, err)
		}
	}
}

func (p *pump) writeHalves(ctx context.Context, products []Product) error {
	half := len(products) / 2
	if err := p.write(ctx, products[:half]); err != nil {
		return err
	}
	return p.write(ctx, products[half:])
}

// writeOnce calls Write, and counts and traces the call. Products accepted by a call that returns nil are counted here.
func (p *pump) writeOnce(ctx context.Context, products []Product, attempt int) error {
	start := time.Now()
	err := p.gen.Write(ctx, products)
	took := time.Since(start)
	p.change(func(j *Job) {
		j.Report.Batches++
		if attempt > 1 {
			j.Report.Retries++
		}
		if err == nil {
			j.Report.Indexed += int64(len(products))
		}
	})
	if f := p.cfg.Trace.BatchWritten; f != nil {
		p.traced(func() { f(p.tenant, BatchWrite{len(products), bodyBytes(products), attempt, took, err}) })
	}
	return err
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
			rejections = append(rejections, Rejection{ID: product.ID, Reason: item.Err.Error()})
		}
	}
	if found := len(again) + len(rejections); found == 0 || found != len(failed.Items) {
		return nil, fmt.Errorf("the index reported %d failed products of a batch of %d, of which %d were in it: a defect of the Indexer",
			len(failed.Items), sent, found)
	}
	p.change(func(j *Job) { j.Report.Indexed += accepted })
	return again, p.reject(int64(len(rejections)), rejections...)
}

func bodyBytes(products []Product) int {
	n := 0
	for _, p := range products {
		n += len(p.Body)
	}
	return n
}
