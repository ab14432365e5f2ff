package emporix

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"slices"

	"productindex/reindex"
)

// idsPerRequest is the number of products that one request looks for.
const idsPerRequest = 50

// plainID matches the ids that the query language of the service can express.
var plainID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// Find yields the tenant's current products with these ids. It asks for many products in one request. An id that the
// query language of the service cannot express needs a request of its own. This is an error if Config.Params has a
// filter (q), which such a request cannot have.
func (s *Source) Find(ctx context.Context, tenant string, ids ...string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		if err := s.find(ctx, tenant, ids, yield); err != nil {
			yield(reindex.Product{}, fmt.Errorf("emporix: looking for products of tenant %q: %w", tenant, err))
		}
	}
}

// find yields the products. The caller yields the error that it returns.
func (s *Source) find(ctx context.Context, tenant string, ids []string, yield func(reindex.Product, error) bool) error {
	if err := checkTenant(tenant); err != nil {
		return err
	}
	var plain, others []string
	seen := map[string]bool{"": true}
	for _, id := range ids {
		switch {
		case seen[id]:
		case plainID.MatchString(id):
			plain = append(plain, id)
		default:
			others = append(others, id)
		}
		seen[id] = true
	}
	for chunk := range slices.Chunk(plain, idsPerRequest) {
		if more, err := s.findPlain(ctx, tenant, chunk, yield); err != nil || !more {
			return err
		}
	}
	if len(others) > 0 && len(plain) == 0 {
		// Check first that the tenant exists, since get takes any 404 to mean that the product does not exist.
		if _, err := s.fetch(ctx, tenant, query{span: span{number: 1, size: 1}}); err != nil {
			return err
		}
	}
	for _, id := range others {
		p, found, err := s.get(ctx, tenant, id)
		if err != nil {
			return fmt.Errorf("product %q: %w", id, err)
		}
		if found && !yield(p, nil) {
			return nil
		}
	}
	return ctx.Err()
}

// findPlain asks for several products at once.
func (s *Source) findPlain(
	ctx context.Context,
	tenant string,
	ids []string,
	yield func(reindex.Product, error) bool,
) (more bool, err error) {
	p, err := s.fetch(ctx, tenant, query{span: span{number: 1, size: len(ids)}, ids: ids})
	if err != nil {
		return false, err
	}
	if p.total > len(p.products) {
		return false, fmt.Errorf("the service has %d products for %d ids, but returned %d", p.total, len(ids),
			len(p.products))
	}
	for _, e := range p.products {
		if e.bad == nil && !slices.Contains(ids, e.ID) {
			return false, fmt.Errorf("the service returned product %q, which was not requested", e.ID)
		}
	}
	for _, e := range p.products {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if !yield(e.Product, e.bad) {
			return false, nil
		}
	}
	return true, nil
}

// get asks for one product.
func (s *Source) get(ctx context.Context, tenant, id string) (p reindex.Product, found bool, err error) {
	if s.cfg.Params.Has("q") {
		return p, false, errors.New("the id cannot be looked up together with the filter in Config.Params")
	}
	address := s.productsURL(tenant) + "/" + url.PathEscape(id)
	if query := s.cfg.Params.Encode(); query != "" {
		address += "?" + query
	}
	err = s.retry(ctx, tenant, address, func(resp *http.Response) error {
		body, err := s.body(resp)
		if err != nil {
			return err
		}
		if !json.Valid(body) || bytes.TrimSpace(body)[0] != '{' {
			return errors.New("the answer is not a JSON object")
		}
		got, err := idOf(body)
		if err == nil && got != id {
			err = fmt.Errorf("the service returned product %q", got)
		}
		if err != nil {
			return permanent(err)
		}
		p = reindex.Product{ID: id, Body: body}
		return nil
	})
	if errors.Is(err, ErrUnknownTenant) { // the tenant exists, so it has no such product
		return p, false, nil
	}
	return p, err == nil, err
}
