package reindex

import (
	"context"
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
		product, err := p.cfg.checkProduct(ctx, p.tenant, product)
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

// checkProduct returns a product as it is to be indexed.
func (c *Config) checkProduct(ctx context.Context, tenant string, product Product) (Product, error) {
	if err := checkID(product.ID); err != nil {
		return product, err
	}
	body, err := checkBody(product.Body)
	if err != nil || c.Transform == nil {
		return Product{product.ID, body}, err
	}
	body, err = c.Transform(ctx, tenant, Product{product.ID, body})
	if err != nil {
		return product, fmt.Errorf("transform: %w", sound(err))
	}
	body, err = checkBody(body)
	if err != nil {
		return product, fmt.Errorf("after the transform: %w", err)
	}
	return Product{product.ID, body}, nil
}
