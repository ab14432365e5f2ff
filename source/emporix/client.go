package emporix

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"productindex/reindex"
	"productindex/source/internal/public"
	"productindex/source/internal/rawjson"
)

// span identifies a page of the catalogue by its number and size.
type span struct{ number, size int }

func (s span) start() int { return (s.number - 1) * s.size }
func (s span) end() int   { return s.number * s.size }

// page is the answer of the service to a request.
type page struct {
	span

	products []entry
	total    int    // of all products at that time; not known for a page that was reached by a cursor
	next     string // the cursor that leads to the page after it, if the service has cursors
}

// entry is a product of a page, or its error.
type entry struct {
	reindex.Product

	bad error
}

// query is the subject of a request: a page of the catalogue, the page after a cursor, or the products with some ids.
type query struct {
	span

	cursor string
	ids    []string
}

// String describes the query, for errors.
func (q query) String() string {
	switch {
	case q.cursor != "":
		return fmt.Sprintf("the next page of %d products", q.size)
	case len(q.ids) > 0:
		return fmt.Sprintf("looking for %d products", len(q.ids))
	}
	return fmt.Sprintf("page %d (%d products per page)", q.number, q.size)
}

// fetch requests a page until it arrives whole.
func (s *Source) fetch(ctx context.Context, tenant string, q query) (page, error) {
	var p page
	err := s.retry(ctx, tenant, s.listURL(tenant, q), func(resp *http.Response) (err error) {
		p, err = s.read(resp, q)
		return err
	})
	if err != nil {
		return page{}, fmt.Errorf("%v: %w", q, err)
	}
	return p, nil
}

// retry repeats a request until its answer has been read.
func (s *Source) retry(ctx context.Context, tenant, address string, read func(*http.Response) error) error {
	return try(ctx, s.cfg.Retry, func() error {
		attempt, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
		defer cancel()
		token, err := s.request(attempt, tenant, address, "", read)
		var unauthorized *unauthorizedError
		if errors.As(err, &unauthorized) {
			_, err = s.request(attempt, tenant, address, token, read)
		}
		if errors.As(err, &unauthorized) {
			err = permanent(err)
		}
		if attempt.Err() != nil && ctx.Err() == nil && err != nil {
			err = public.Errorf("no answer within %v", s.cfg.Timeout) // it was not a deadline of the caller
		}
		return err
	})
}

// unauthorizedError means that the service does not accept the token.
type unauthorizedError struct{ err error }

func (e *unauthorizedError) Error() string { return e.err.Error() }
func (e *unauthorizedError) Unwrap() error { return e.err }

// request makes one request, with a token other than the refused one, and returns the token that it used.
func (s *Source) request(
	ctx context.Context,
	tenant, address, refused string,
	read func(*http.Response) error,
) (token string, err error) {
	token, err = s.tokens.get(ctx, tenant, refused)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return token, permanent(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Total-Count", "true")
	resp, err := s.cfg.Client.Do(req)
	if err != nil {
		if broken, ok := errors.AsType[*url.Error](err); ok {
			err = broken.Err // without the URL, whose parameters can be anything
		}
		return token, unreachable(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return token, s.refusal(tenant, resp)
	}
	return token, read(resp)
}

// unreachable adds a public text to the error of a connection, whose own text names hosts.
func unreachable(err error) error {
	return reindex.Public(err, "the product service cannot be reached")
}

// productsURL returns the address of a tenant's products.
func (s *Source) productsURL(tenant string) string {
	return strings.TrimRight(s.cfg.BaseURL, "/") + "/product/" + url.PathEscape(tenant) + "/products"
}

// listURL returns the address of a query.
func (s *Source) listURL(tenant string, q query) string {
	values := url.Values{}
	maps.Copy(values, s.cfg.Params)
	values.Set("pageSize", strconv.Itoa(q.size))
	values.Set("sort", "id:asc")
	if q.cursor != "" {
		values.Set("next", q.cursor)
	} else {
		values.Set("pageNumber", strconv.Itoa(q.number))
	}
	if len(q.ids) > 0 {
		values.Set("q", strings.TrimSpace(s.cfg.Params.Get("q")+" id:("+strings.Join(q.ids, ",")+")"))
	}
	return s.productsURL(tenant) + "?" + values.Encode()
}

// refusal describes an answer other than 200.
func (s *Source) refusal(tenant string, resp *http.Response) error {
	switch err := statusError("asking for products", resp); resp.StatusCode {
	case http.StatusUnauthorized:
		return &unauthorizedError{public.Errorf("%w: the token is not accepted", err)}
	case http.StatusForbidden:
		return permanent(public.Errorf("%w: the credentials need the scope product.product_read", err))
	case http.StatusNotFound:
		return permanent(public.Errorf("%w: %w %q", err, ErrUnknownTenant, tenant))
	default:
		return err
	}
}

// body reads the body of an answer.
func (s *Source) body(resp *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, s.cfg.MaxPageBytes+1))
	if err != nil {
		return nil, reindex.Public(
			fmt.Errorf("the answer broke off after %d bytes: %w", len(body), err),
			"the answer of the product service broke off",
		)
	}
	if int64(len(body)) > s.cfg.MaxPageBytes {
		return nil, permanent(
			public.Errorf(
				"the answer is larger than Config.MaxPageBytes, %d: ask for fewer products per page",
				s.cfg.MaxPageBytes,
			),
		)
	}
	return body, nil
}

// read reads and checks a page.
func (s *Source) read(resp *http.Response, q query) (page, error) {
	body, err := s.body(resp)
	if err != nil {
		return page{}, err
	}
	p := page{span: q.span, next: resp.Header.Get("X-Next-Cursor")}
	if q.cursor == "" {
		p.total, err = strconv.Atoi(resp.Header.Get("X-Total-Count"))
		if err != nil || p.total < 0 {
			return page{}, permanent(
				public.Errorf("the answer's header X-Total-Count is not a number, so the end of the catalogue is not known"),
			)
		}
	}
	if !json.Valid(body) || bytes.TrimSpace(body)[0] != '[' {
		return page{}, public.Own(errors.New("the answer is not a JSON array"))
	}
	previous, first := "", true
	for product := range rawjson.Elements(body) {
		id, err := idOf(product)
		if err != nil {
			where := fmt.Sprintf("product %d of %v", len(p.products)+1, q)
			p.products = append(p.products, entry{bad: &reindex.RecordError{Where: where, Err: err}})
			continue
		}
		if !first && id <= previous {
			return page{}, permanent(
				public.Errorf("product %q comes after product %q: the service does not sort by id", id, previous),
			)
		}
		p.products = append(p.products, entry{Product: reindex.Product{ID: id, Body: product}})
		previous, first = id, false
	}
	if len(p.products) > q.size {
		return page{}, permanent(
			public.Errorf("the page holds %d products, more than the %d that were requested", len(p.products), q.size),
		)
	}
	return p, nil
}

// idOf returns the id of a product.
func idOf(product []byte) (string, error) {
	id := rawjson.Get(product, "id")
	if len(id) <= 2 || id[0] != '"' {
		return "", errors.New("the product has no id")
	}
	return rawjson.Text(id), nil
}
