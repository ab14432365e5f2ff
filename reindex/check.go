package reindex

import (
	"context"
	"errors"
	"fmt"
)

// maxIDBytes is the length of the longest product id, in bytes.
const maxIDBytes = 4096

// shortID returns an id for a report, cut to the length of the longest one.
func shortID(id string) string { return id[:min(len(id), maxIDBytes)] }

func checkID(id string) error {
	if !printable(id) {
		return errors.New("the id holds control characters or is not valid UTF-8")
	}
	return nil
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
