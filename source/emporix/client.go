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
	"productindex/source/internal/rawjson"
)

// span is a page of the catalogue: which one, of what size.
type span struct{ number, size int }

func (s span) start() int { return (s.number - 1) * s.size }
func (s span) end() int   { return s.number * s.size }

// page is what the service answered for a span.
type page struct {
	span

	products []reindex.Product
	total    int // of all products, when the page was made
}

// fetch requests a page until it comes whole.
func (s *Source) fetch(ctx context.Context, tenant string, sp span) (page, error) {
	p, err := try(ctx, s.cfg.Retry, func() (page, error) {
		attempt, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
		defer cancel()
		p, token, err := s.request(attempt, tenant, sp, "")
		var unauthorized *unauthorizedError
		if errors.As(err, &unauthorized) {
			p, _, err = s.request(attempt, tenant, sp, token)
		}
		if errors.As(err, &unauthorized) {
			err = permanent(err)
		}
		if attempt.Err() != nil && ctx.Err() == nil && err != nil {
			err = fmt.Errorf("no answer within %v", s.cfg.Timeout) // not a deadline of the caller's
		}
		return p, err
	})
	if err != nil {
		return page{}, fmt.Errorf("page %d of %d products: %w", sp.number, sp.size, err)
	}
	return p, nil
}

// unauthorizedError: the service does not take the token.
type unauthorizedError struct{ err error }

func (e *unauthorizedError) Error() string { return e.err.Error() }
func (e *unauthorizedError) Unwrap() error { return e.err }

// request makes one request for a page, with another token than the refused one, and returns the token that it used.
func (s *Source) request(ctx context.Context, tenant string, sp span, refused string) (p page, token string, err error) {
	token, err = s.tokens.get(ctx, tenant, refused)
	if err != nil {
		return page{}, "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.pageURL(tenant, sp), nil)
	if err != nil {
		return page{}, token, permanent(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Total-Count", "true")
	resp, err := s.cfg.Client.Do(req)
	if err != nil {
		if broken, ok := errors.AsType[*url.Error](err); ok {
			err = broken.Err // without the URL, whose parameters can be anything
		}
		return page{}, token, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return page{}, token, s.refusal(tenant, resp)
	}
	p, err = s.read(resp, sp)
	return p, token, err
}

// pageURL is the address of a page.
func (s *Source) pageURL(tenant string, sp span) string {
	query := url.Values{}
	maps.Copy(query, s.cfg.Params)
	query.Set("pageNumber", strconv.Itoa(sp.number))
	query.Set("pageSize", strconv.Itoa(sp.size))
	query.Set("sort", "id:asc")
	return strings.TrimRight(s.cfg.BaseURL, "/") + "/product/" + url.PathEscape(tenant) + "/products?" + query.Encode()
}

// refusal describes an answer other than 200.
func (s *Source) refusal(tenant string, resp *http.Response) error {
	switch err := statusError("asking for products", resp); resp.StatusCode {
	case http.StatusUnauthorized:
		return &unauthorizedError{fmt.Errorf("%w: the token is not accepted", err)}
	case http.StatusForbidden:
		return permanent(fmt.Errorf("%w: the credentials need the scope product.product_read", err))
	case http.StatusNotFound:
		return permanent(fmt.Errorf("%w: %w %q", err, ErrUnknownTenant, tenant))
	default:
		return err
	}
}

// read reads and checks a page.
func (s *Source) read(resp *http.Response, sp span) (page, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, s.cfg.MaxPageBytes+1))
	if err != nil {
		return page{}, fmt.Errorf("the answer broke off after %d bytes: %w", len(body), err)
	}
	if int64(len(body)) > s.cfg.MaxPageBytes {
		return page{}, permanent(fmt.Errorf("the answer is larger than Config.MaxPageBytes, %d: ask for fewer products a page", s.cfg.MaxPageBytes))
	}
	total, err := strconv.Atoi(resp.Header.Get("X-Total-Count"))
	if err != nil || total < 0 {
		return page{}, permanent(errors.New("the answer's header X-Total-Count holds no number: the end of the catalogue can not be told"))
	}
	p := page{span: sp, total: total}
	if !json.Valid(body) || bytes.TrimSpace(body)[0] != '[' {
		return page{}, errors.New("the answer is no JSON array")
	}
	previous := ""
	for product := range rawjson.Elements(body) {
		id, err := idOf(product)
		if err != nil {
			return page{}, permanent(fmt.Errorf("product %d of the page: %w", len(p.products)+1, err))
		}
		if len(p.products) > 0 && id <= previous {
			return page{}, permanent(fmt.Errorf("product %q comes after product %q: the service does not sort by id", id, previous))
		}
		p.products = append(p.products, reindex.Product{ID: id, Body: product})
		previous = id
	}
	if len(p.products) > sp.size {
		return page{}, permanent(fmt.Errorf("the page holds %d products", len(p.products)))
	}
	return p, nil
}

// idOf returns a product's id.
func idOf(product []byte) (string, error) {
	id := rawjson.Get(product, "id")
	if len(id) <= 2 || id[0] != '"' {
		return "", errors.New("it has no id")
	}
	return rawjson.Text(id), nil
}
