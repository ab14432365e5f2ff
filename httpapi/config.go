package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Config adjusts a handler. Authorizer is required; the zero value of every other field means its default.
type Config struct {
	// Authorizer decides whether a request may use the tenant. [AllowAll] lets everybody in.
	Authorizer Authorizer

	// MaxBodyBytes is the length of the longest request body that is read, in bytes. Default 64 KiB.
	MaxBodyBytes int64
	// ReadTimeout is how long a request's body may take to arrive. A request that is refused before its body was read waits for the
	// body no longer than this, too. Default 10 s. Middleware that wraps the http.ResponseWriter must have an Unwrap method for this to
	// work, as http.ResponseController says.
	ReadTimeout time.Duration
	// EngineTimeout limits each call of the engine, which waits for nothing but its job store. Default 30 s.
	EngineTimeout time.Duration

	// Fallback serves what lies outside of /indexing. Default: 404 with an errorMessage. A host that makes this package's handler the
	// outermost one, with its own mux as the Fallback, keeps http.ServeMux from redirecting unclean paths under /indexing.
	Fallback http.Handler

	// Logger receives a line for every request (method, route, tenant, status, duration, request id, bytes), and the reasons of failures that the
	// responses do not tell. It never receives a token, a query, or a path outside of the routes. Nil discards it.
	Logger *slog.Logger
}

const (
	defaultMaxBodyBytes  = 64 << 10
	defaultReadTimeout   = 10 * time.Second
	defaultEngineTimeout = 30 * time.Second
)

// withDefaults returns c with its defaults in place of fields that are not set.
func (c Config) withDefaults() Config {
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = defaultMaxBodyBytes
	}
	if c.ReadTimeout == 0 {
		c.ReadTimeout = defaultReadTimeout
	}
	if c.EngineTimeout == 0 {
		c.EngineTimeout = defaultEngineTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// validate reports every setting of a config with defaults that makes no sense.
func (c Config) validate() error {
	var errs []error
	if c.Authorizer == nil {
		errs = append(errs, errors.New("Authorizer is not set; AllowAll lets everybody in"))
	}
	if c.MaxBodyBytes < 0 {
		errs = append(errs, fmt.Errorf("MaxBodyBytes is %d, it must be positive", c.MaxBodyBytes))
	}
	if c.ReadTimeout < 0 {
		errs = append(errs, fmt.Errorf("ReadTimeout is %v, it must be positive", c.ReadTimeout))
	}
	if c.EngineTimeout < 0 {
		errs = append(errs, fmt.Errorf("EngineTimeout is %v, it must be positive", c.EngineTimeout))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("httpapi: invalid config: %w", err)
	}
	return nil
}
