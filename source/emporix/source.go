package emporix

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"

	"productindex/reindex"
)

var (
	// ErrUnknownTenant: the service knows no such tenant, or the tenant's name can not be one.
	ErrUnknownTenant = errors.New("unknown tenant")

	// ErrShifting: products are added and removed so fast that no two pages overlap. Try again when it is quieter.
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
	_ reindex.Source  = (*Source)(nil)
	_ reindex.Counter = (*Source)(nil)
)

// New returns a source. The error names every setting that is invalid. It makes no request.
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

// Count returns how many products the service has now.
func (s *Source) Count(ctx context.Context, tenant string) (int64, error) {
	if err := checkTenant(tenant); err != nil {
		return 0, err
	}
	p, err := s.fetch(ctx, tenant, span{number: 1, size: 1})
	if err != nil {
		return 0, fmt.Errorf("emporix: counting the products of tenant %q: %w", tenant, err)
	}
	return int64(p.total), nil
}

// Products yields every product in the order of the ids. See the package's documentation for what that means while products are
// added and removed.
func (s *Source) Products(ctx context.Context, tenant string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		err := checkTenant(tenant)
		if err == nil {
			err = s.readAll(ctx, tenant, yield)
		}
		if err != nil {
			yield(reindex.Product{}, fmt.Errorf("emporix: reading the products of tenant %q: %w", tenant, err))
		}
	}
}

func checkTenant(tenant string) error {
	if !tenantName.MatchString(tenant) {
		return fmt.Errorf("%w %q: %w, it must match %s", ErrUnknownTenant, tenant, reindex.ErrTenant, tenantName)
	}
	return nil
}
