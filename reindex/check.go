package reindex

import (
	"context"
	"errors"
	"fmt"
)

// work checks and writes batches until there are no more.
func (p *pump) work(ctx context.Context) error {
	for b := range p.batches {
		products, rejections, err := p.check(ctx, b.products)
		if err != nil {
			return err
		}
		if err := p.reject(rejections...); err != nil {
			return err
		}
		if _, err := p.write(ctx, products); err != nil {
			return err
		}
		p.recycle(b)
	}
	return nil
}

// check returns the products that can be indexed, in the same slice, and why the others cannot.
func (p *pump) check(ctx context.Context, products []Product) (good []Product, bad []Rejection, err error) {
	good = products[:0]
	for _, product := range products {
		product, err := p.checkProduct(ctx, product)
		if err == nil {
			good = append(good, product)
			continue
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		bad = append(bad, Rejection{ID: product.ID, Reason: reason(err)})
	}
	return good, bad, nil
}

func (p *pump) checkProduct(ctx context.Context, product Product) (Product, error) {
	if !printable(product.ID) {
		return product, errors.New("the id holds control characters or is not valid UTF-8")
	}
	body, err := checkBody(product.Body)
	if err != nil || p.cfg.Transform == nil {
		return Product{product.ID, body}, err
	}
	body, err = p.cfg.Transform(ctx, p.tenant, Product{product.ID, body})
	if err != nil {
		return product, fmt.Errorf("transform: %w", sound(err))
	}
	body, err = checkBody(body)
	if err != nil {
		return product, fmt.Errorf("after the transform: %w", err)
	}
	return Product{product.ID, body}, nil
}
