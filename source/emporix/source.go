package emporix

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"

	"productindex/reindex"
	"productindex/source/internal/public"
)

var (
	// ErrUnknownTenant means that the service does not know the tenant, or that the name is not valid for a tenant.
	ErrUnknownTenant = errors.New("unknown tenant")

	// ErrShifting means that products are added and removed so fast that no two pages overlap. Try again at a quieter
	// time.
	ErrShifting = errors.New("the catalogue changes faster than it can be read")
)

// tenantName is the grammar of tenants, which have 3 to 16 characters.
var tenantName = regexp.MustCompile(`^[a-z][a-z0-9]{2,15}$`)

// Source reads a tenant's products from the API. It is safe for concurrent use.
type Source struct {
	cfg    Config
	tokens *tokens
}

var (
	_ reindex.Source    = (*Source)(nil)
	_ reindex.Finder    = (*Source)(nil)
	_ reindex.Estimator = (*snapshot)(nil)
)

// New returns a source. The error names every setting that is not valid. New makes no request.
func New(cfg Config) (*Source, error) {
	c := cfg.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	tokenURL := c.TokenURL
	if tokenURL == "" {
		tokenURL = strings.TrimRight(c.BaseURL, "/") + "/oauth/token"
	}
	return &Source{cfg: c, tokens: &tokens{cfg: c, url: tokenURL, tenants: map[string]*tenantToken{}}}, nil
}

// Open returns a snapshot of the tenant's products. It makes no request and holds no resources. The package
// documentation states its promises while products are added and removed.
func (s *Source) Open(_ context.Context, tenant string) (reindex.Snapshot, error) {
	if err := checkTenant(tenant); err != nil {
		return nil, fmt.Errorf("emporix: reading the products of tenant %q: %w", tenant, err)
	}
	return &snapshot{src: s, tenant: tenant}, nil
}

// snapshot is one read of a tenant's products.
type snapshot struct {
	src    *Source
	tenant string
}

// Products yields every product in the order of the ids.
func (s *snapshot) Products(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		if err := s.src.readAll(ctx, s.tenant, yield); err != nil {
			yield(reindex.Product{}, fmt.Errorf("emporix: reading the products of tenant %q: %w", s.tenant, err))
		}
	}
}

// Estimate returns the current number of products. Some can be added or removed before they are read.
func (s *snapshot) Estimate(ctx context.Context) (int64, error) {
	p, err := s.src.fetch(ctx, s.tenant, query{span: span{number: 1, size: 1}})
	if err != nil {
		return 0, fmt.Errorf("emporix: counting the products of tenant %q: %w", s.tenant, err)
	}
	return int64(p.total), nil
}

// Close does nothing.
func (s *snapshot) Close() error { return nil }

func checkTenant(tenant string) error {
	if !tenantName.MatchString(tenant) {
		return public.Errorf("%w %q: %w; it must match %s", ErrUnknownTenant, tenant, reindex.ErrTenant, tenantName)
	}
	return nil
}
