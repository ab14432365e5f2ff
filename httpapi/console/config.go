package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"productindex/httpapi"
)

// Config adjusts a console. The zero value of every field means its default.
type Config struct {
	// API is the path before /indexing of the endpoints. It is a path on the console's own server, such as "/api", or
	// relative to the console's address. Default: "..", which is right for a console at /console/ and endpoints at
	// /indexing.
	API string
	// Title is the title of the page. Default: "Reindexing".
	Title string

	// Search searches a tenant's live index for the search box of the page. If it is nil, the page has no search box. It
	// is called concurrently, with a text that is not empty, and only if the Authorizer lets the caller view the tenant.
	// An error that matches reindex.ErrNoLiveIndex means that the tenant has not been indexed yet. Other errors are
	// logged, and the page does not show their texts.
	Search func(ctx context.Context, tenant, text string) (Found, error)
	// Authorizer decides who may search. It is required if Search is set, and is not used otherwise.
	Authorizer httpapi.Authorizer
	// Logger receives the errors of Search, and a line for each refused search. If it is nil, they are discarded.
	Logger *slog.Logger
}

// Found is the result of a search.
type Found struct {
	// Total is the number of products that match.
	Total int64 `json:"total"`
	// Hits are the best matches. The page shows the first 20.
	Hits []Hit `json:"hits"`
}

// Hit is a product that matches a search.
type Hit struct {
	// ID is the product's id.
	ID string `json:"id"`
	// Name is the product's name. If it is empty, the page shows the id.
	Name string `json:"name,omitempty"`
	// Product is the whole product, as JSON. It is empty if the index does not store it.
	Product json.RawMessage `json:"product,omitempty"`
}

const (
	defaultAPI   = ".."
	defaultTitle = "Reindexing"
)

// withDefaults returns c with its defaults in place of fields that are not set.
func (c Config) withDefaults() Config {
	c.API = strings.TrimSuffix(cmp.Or(c.API, defaultAPI), "/")
	c.Title = cmp.Or(c.Title, defaultTitle)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// validate reports every setting of a config with defaults that is not valid.
func (c Config) validate() error {
	var errs []error
	u, err := url.Parse(c.API)
	if err != nil || u.Scheme != "" || u.Host != "" || strings.ContainsAny(c.API, `?#\`) {
		errs = append(errs, fmt.Errorf("API is %q; it must be a path on the console's own server", c.API))
	}
	if c.Search != nil && c.Authorizer == nil {
		errs = append(errs, errors.New("a Search needs an Authorizer; httpapi.AllowAll lets everybody search"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("console: invalid config: %w", err)
	}
	return nil
}
