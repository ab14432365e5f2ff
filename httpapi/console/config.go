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
	// API is what the endpoints have in front of /indexing: a path on the console's own server, such as "/api", or one
	// that is relative to the console's address. Default: "..", which is right if console and endpoints are beside each
	// other, as /console/ and /indexing are.
	API string
	// Title is the name of the page. Default: "Reindexing".
	Title string

	// Search looks for products in a tenant's live index, for the search box of the page. Nil: there is none. It is called
	// concurrently, with a text that is not empty, and only if the Authorizer lets the caller view the tenant. An error
	// that matches reindex.ErrNoLiveIndex says that nothing was indexed yet. Others are logged, and the page says only
	// that there was one.
	Search func(ctx context.Context, tenant, text string) (Found, error)
	// Authorizer decides who may search. It is needed for Search, and used for nothing else.
	Authorizer httpapi.Authorizer
	// Logger receives the reasons of failed searches, and a line for each search that is refused. Nil discards them.
	Logger *slog.Logger
}

// Found is what a search has found.
type Found struct {
	// Total is how many products were found.
	Total int64 `json:"total"`
	// Hits are the best of them; the page shows up to 20.
	Hits []Hit `json:"hits"`
}

// Hit is a product that was found.
type Hit struct {
	// ID is the product's id.
	ID string `json:"id"`
	// Name is what people call the product. Empty: there is no name.
	Name string `json:"name,omitempty"`
	// Product is all of the product. Empty: the index does not have it.
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

// validate reports every setting of a config with defaults that makes no sense.
func (c Config) validate() error {
	var errs []error
	u, err := url.Parse(c.API)
	if err != nil || u.Scheme != "" || u.Host != "" || strings.ContainsAny(c.API, `?#\`) {
		errs = append(errs, fmt.Errorf("API is %q, it must be a path on the console's own server", c.API))
	}
	if c.Search != nil && c.Authorizer == nil {
		errs = append(errs, errors.New("a Search needs an Authorizer; httpapi.AllowAll lets everybody search"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("console: invalid config: %w", err)
	}
	return nil
}
