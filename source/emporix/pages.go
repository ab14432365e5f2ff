package emporix

import (
	"context"
	"fmt"
	"sync"

	"productindex/reindex"
	"productindex/source/internal/public"
)

// maxSetbacks is the number of times in a row that the source goes back, or asks again for the end, without yielding a
// product.
const maxSetbacks = 10

// readAll yields the products. The caller yields the error that it returns.
//
// Its invariant is that every product which exists during the whole read and whose id is not after last has been
// yielded. A page is a part of the sorted catalogue without gaps. If it begins at the start or holds an id that is not
// after last, yielding its products after last keeps the invariant.
func (s *Source) readAll(ctx context.Context, tenant string, yield func(reindex.Product, error) bool) error {
	f := newFetcher(ctx, s, tenant)
	defer f.stop()
	out, setbacks := output{yield: yield}, 0
	for first := true; ; first = false {
		p, err := f.next() //nolint:contextcheck // the requests under way share one context
		if err != nil {
			return err
		}
		if first && p.next != "" {
			return s.readCursor(ctx, tenant, p, &out)
		}
		if out.last != "" && !p.reaches(out.last) {
			// Products before this page were removed. Look for last nearer to the start, in larger and larger steps.
			if setbacks++; setbacks > maxSetbacks {
				return public.Errorf("%w: product %q can no longer be found", ErrShifting, out.last)
			}
			f.restart(p.start() - (p.size<<setbacks)/4)
			continue
		}
		more, news, err := out.page(ctx, p)
		if err != nil || !more {
			return err
		}
		if news {
			setbacks = 0
		}
		if len(p.products) == p.size {
			continue
		}
		if p.start()+len(p.products) >= p.total {
			return nil
		}
		// The page is not full although more products come after it. Either the catalogue has just changed, or the service
		// returns fewer products than requested.
		if setbacks++; setbacks > maxSetbacks {
			return public.Errorf(
				"page %d holds %d products of a total of %d, but %d were requested: "+
					"Config.PageSize may be more than the service allows",
				p.number,
				len(p.products),
				p.total,
				p.size,
			)
		}
		f.restart(p.start() + len(p.products))
	}
}

// output yields products in the order of their ids.
type output struct {
	yield func(reindex.Product, error) bool
	last  string // the id of the last product
	bad   int    // bad entries yielded since then
}

// page yields the new products of a page. It reports whether the consumer wants more, and whether there was a product
// after last.
func (o *output) page(ctx context.Context, p page) (more, news bool, err error) {
	from := 0
	for i, e := range p.products {
		if e.bad == nil && e.ID <= o.last {
			from = i + 1
		}
	}
	bad := 0 // a page that overlaps can begin with a bad product of the page before
	for _, e := range p.products[from:] {
		if err := ctx.Err(); err != nil {
			return false, news, err
		}
		if e.bad == nil {
			o.last, o.bad, bad, news = e.ID, 0, 0, true
		} else if bad++; bad <= o.bad {
			continue
		} else {
			o.bad++
		}
		if !o.yield(e.Product, e.bad) {
			return false, news, nil
		}
	}
	return true, news, nil
}

// readCursor reads the pages after the first one by following the cursor of each page. A cursor stands for a place in
// the order of the ids, which does not move if products are added or removed.
func (s *Source) readCursor(ctx context.Context, tenant string, p page, out *output) error {
	for empty := 0; ; {
		more, news, err := out.page(ctx, p)
		switch {
		case err != nil || !more || p.next == "":
			return err
		case news:
			empty = 0
		default:
			if empty++; empty > maxSetbacks {
				return public.Errorf("%d cursors in a row led to no product after %q", empty, out.last)
			}
		}
		if p, err = s.fetch(ctx, tenant, query{span: span{size: s.cfg.PageSize}, cursor: p.next}); err != nil {
			return fmt.Errorf("after product %q: %w", out.last, err)
		}
		if first, ok := p.first(); ok && first <= out.last {
			return public.Errorf("the service's cursor led from product %q back to product %q", out.last, first)
		}
	}
}

// first returns the first id of a page.
func (p page) first() (string, bool) {
	for _, e := range p.products {
		if e.bad == nil {
			return e.ID, true
		}
	}
	return "", false
}

// reaches reports whether the page begins at the start of the catalogue, or holds an id that is not after last.
func (p page) reaches(last string) bool {
	first, ok := p.first()
	return p.start() == 0 || ok && first <= last
}

// following returns the page, of at most size products, that holds the product before offset and as many products from
// offset on as possible. Pages of one size never overlap, but pages of smaller sizes do.
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

// fetcher requests pages ahead and returns them in order.
type fetcher struct {
	parent context.Context //nolint:containedctx // a fetcher does not outlive the read that it serves
	src    *Source
	tenant string

	ctx     context.Context //nolint:containedctx // of the requests under way
	cancel  context.CancelFunc
	running sync.WaitGroup
	queue   []<-chan answer
	offset  int // the start of the next request
	total   int // of products, as far as it is known
}

// answer is the result of a request.
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
	// The first page is requested alone, since it has the number of products.
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
		p, err := f.src.fetch(ctx, f.tenant, query{span: sp})
		result <- answer{page: p, err: err}
	})
	return result
}

// restart drops the requests under way and goes on at an offset.
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
