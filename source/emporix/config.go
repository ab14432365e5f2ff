package emporix

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"productindex/reindex"
)

// The defaults of [Config].
const (
	DefaultPageSize     = 500
	DefaultConcurrency  = 4
	DefaultMaxPageBytes = 64 << 20
	DefaultTimeout      = time.Minute
)

// minPageSize leaves room to make pages overlap.
const minPageSize = 30

// Config configures a [Source]. BaseURL and Credentials are required.
type Config struct {
	// BaseURL is the address of the API, such as https://api.emporix.io.
	BaseURL string

	// Credentials returns the client id and secret for a tenant; see [Static] for one pair. The client needs the scope
	// product.product_read, and also product.product_read_unpublished if unpublished products are to be read. The
	// function is called for each new token, and can be called concurrently.
	Credentials func(ctx context.Context, tenant string) (clientID, clientSecret string, err error)

	// Scopes are the scopes to ask for. If it is empty, tokens have all scopes of the credentials.
	Scopes []string

	// TokenURL is the address of the token endpoint. Default BaseURL + /oauth/token.
	TokenURL string

	// Params are further query parameters of each request for products, such as a filter. The source itself sets the
	// parameters of paging and sorting.
	Params url.Values

	// PageSize is the number of products per page, at least 30. Default [DefaultPageSize].
	PageSize int
	// Concurrency is the number of pages that are requested at the same time. Default [DefaultConcurrency].
	Concurrency int
	// MaxPageBytes is the size of the largest page that is accepted, in bytes. Default [DefaultMaxPageBytes]. Concurrency
	// pages are held in memory.
	MaxPageBytes int64

	// Timeout limits each request, including the reading of its answer. Default [DefaultTimeout].
	Timeout time.Duration
	// Retry determines how often, and after which waits, a failed request is repeated. Fields that are not set have the
	// defaults of [reindex.Retry].
	Retry reindex.Retry

	// Client makes the requests, but does not follow redirects. Default: a client with net/http's default transport.
	Client *http.Client
}

// Static returns the same credentials for every tenant.
func Static(clientID, clientSecret string) func(context.Context, string) (string, string, error) {
	return func(context.Context, string) (string, string, error) { return clientID, clientSecret, nil }
}

// withDefaults returns a copy of c in which every field that is not set has its default.
func (c Config) withDefaults() Config {
	setDefault(&c.PageSize, DefaultPageSize)
	setDefault(&c.Concurrency, DefaultConcurrency)
	setDefault(&c.MaxPageBytes, DefaultMaxPageBytes)
	setDefault(&c.Timeout, DefaultTimeout)
	client := http.Client{}
	if c.Client != nil {
		client = *c.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Client = &client
	return c
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// validate returns an error for each setting that is not valid. The defaults must be set.
func (c Config) validate() error {
	var errs []error
	atLeast := func(name string, v, least int64) {
		if v < least {
			errs = append(errs, fmt.Errorf("%s is %d; it must be at least %d", name, v, least))
		}
	}
	checkURL := func(name, s string) {
		// The error does not quote the URL, which could hold a password.
		if u, err := url.Parse(s); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			errs = append(errs, fmt.Errorf("%s is not an absolute http or https URL", name))
		}
	}
	checkURL("BaseURL", c.BaseURL)
	if c.TokenURL != "" {
		checkURL("TokenURL", c.TokenURL)
	}
	if c.Credentials == nil {
		errs = append(errs, errors.New("Credentials is not set")) //nolint:staticcheck // the name of the field
	}
	atLeast("PageSize", int64(c.PageSize), minPageSize)
	atLeast("Concurrency", int64(c.Concurrency), 1)
	atLeast("MaxPageBytes", c.MaxPageBytes, 1)
	atLeast("Timeout", int64(c.Timeout), 1)
	atLeast("Retry.Attempts", int64(c.Retry.Attempts), 0)
	atLeast("Retry.MinDelay", int64(c.Retry.MinDelay), 0)
	if c.Retry.MaxDelay != 0 {
		atLeast("Retry.MaxDelay", int64(c.Retry.MaxDelay), int64(c.Retry.MinDelay))
	}
	atLeast("Retry.MaxRetryAfter", int64(c.Retry.MaxRetryAfter), 0)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("emporix: invalid config: %w", err)
	}
	return nil
}
