package emporix

import (
	"context"
	"fmt"
	"sync"

	"productindex/reindex"
)

// maxSetbacks is how often in a row the source goes back, or asks again for the end, without having yielded a product.
const maxSetbacks = 10

// readAll yields the products. It returns an error that is not yielded yet.
//
// The invariant: every product that exists during the whole read and whose id is not after last has been yielded. A page is a part of
// the sorted catalogue without gaps, so if it begins at the start or holds an id that is not after last, yielding those that are
// after last keeps the invariant.
func (s *Source) readAll(ctx context.Context, tenant string, yield func(reindex.Product, error) bool) error {
	f := newFetcher(ctx, s, tenant)
	defer f.stop()
	last, setbacks := "", 0
	for {
		p, err := f.next() //nolint:contextcheck // the requests under way share one context
		if err != nil {
			return err
		}
		if last != "" && !p.reaches(last) {
			// Products before this page were removed: look for last further ahead, in larger and larger steps.
			if setbacks++; setbacks > maxSetbacks {
				return fmt.Errorf("%w: product %q is not found any more", ErrShifting, last)
			}
			f.restart(p.start() - (p.size<<setbacks)/4)
			continue
		}
		for _, product := range p.products {
			if product.ID <= last {
				continue
			}
			last, setbacks = product.ID, 0
			if !yield(product, nil) {
				return nil
			}
		}
		if len(p.products) == p.size {
			continue
		}
		if p.start()+len(p.products) >= p.total {
			return nil
		}
		// A page that is not full, and more products after it: a moment between two changes, or a service that gives less than asked for.
		if setbacks++; setbacks > maxSetbacks {
			return fmt.Errorf("page %d holds %d products of a total of %d where %d were asked for: Config.PageSize may be more than the service gives",
				p.number, len(p.products), p.total, p.size)
		}
		f.restart(p.start() + len(p.products))
	}
}

// reaches reports whether the page begins at the start of the catalogue, or holds an id that is not after last.
func (p page) reaches(last string) bool {
	return p.start() == 0 || len(p.products) > 0 && p.products[0].ID <= last
}

// following returns the page that holds the product before offset and as many of those from offset on as it can, of at most size.
// Pages of one size never overlap: pages of the sizes below it do.
func following(offset, size int) span {
	if offset <= 0 {
		return span{number: 1, size: size}
	}
	best := span{}
	for n := size; n >= size/2; n-- {
		sp := span{number: (offset-1)/n + 1, size: n}
		if sp.end() > best.end() {
			best = sp
		}
		if best.end() >= offset+size*7/8 {
			break
		}
	}
	return best
}

// fetcher requests pages ahead and hands them out in order.
type fetcher struct {
	parent context.Context //nolint:containedctx // a fetcher lives no longer than the read that was given it
	src    *Source
	tenant string

	ctx     context.Context //nolint:containedctx // of the requests under way
	cancel  context.CancelFunc
	running sync.WaitGroup
	queue   []<-chan answer
	offset  int // where the next request begins
	total   int // of products, as far as it is known
}

// answer is what became of a request.
type answer struct {
	page page
	err  error
}

func newFetcher(ctx context.Context, s *Source, tenant string) *fetcher {
	f := &fetcher{parent: ctx, src: s, tenant: tenant}
	f.ctx, f.cancel = context.WithCancel(ctx)
	return f
}

// next returns the next page.
func (f *fetcher) next() (page, error) {
	// The first page comes alone: it tells how many there are.
	for len(f.queue) == 0 || len(f.queue) < f.src.cfg.Concurrency && f.offset < f.total {
		sp := following(f.offset, f.src.cfg.PageSize)
		f.offset = sp.end()
		f.queue = append(f.queue, f.request(sp))
	}
	select {
	case a := <-f.queue[0]:
		f.queue = f.queue[1:]
		f.total = a.page.total
		return a.page, a.err
	case <-f.parent.Done():
		return page{}, f.parent.Err()
	}
}

// request begins to fetch a page.
func (f *fetcher) request(sp span) <-chan answer {
	result := make(chan answer, 1)
	ctx := f.ctx
	f.running.Go(func() {
		p, err := f.src.fetch(ctx, f.tenant, sp)
		result <- answer{page: p, err: err}
	})
	return result
}

// restart forgets the requests under way and goes on at an offset.
func (f *fetcher) restart(offset int) {
	f.stop()
	f.ctx, f.cancel = context.WithCancel(f.parent)
	f.queue, f.offset = nil, offset
}

// stop ends the requests under way.
func (f *fetcher) stop() {
	f.cancel()
	f.running.Wait()
}
