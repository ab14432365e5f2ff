package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"
)

// Config configures a handler. Authorizer is required; the zero value of every other field means its default.
type Config struct {
	// Authorizer decides whether a request may use the tenant. [AllowAll] lets everybody in.
	Authorizer Authorizer

	// MaxBodyBytes is the length of the longest request body that is read, in bytes. Default 64 KiB.
	MaxBodyBytes int64
	// ReadTimeout is the time within which the body of a request must arrive, even if the request is refused before its
	// body is read. Default 10 s. Middleware that wraps the http.ResponseWriter must have an Unwrap method for this to
	// work, as the documentation of http.ResponseController requires.
	ReadTimeout time.Duration
	// EngineTimeout limits each call of the engine. Such a call waits only for the job store. Default 30 s.
	EngineTimeout time.Duration

	// Engines are further engines, each for another entity type (see reindex.Config.EntityType). A job is created by the
	// engine of its type. The jobs of all engines are looked up, listed, cancelled and followed in the same way. The
	// engines may share a job store or have their own.
	Engines []Engine
	// RAG is the engine that reindexes products for retrieval-augmented generation. It creates the jobs that the newer
	// endpoint receives with "rag": true. Its entity type must differ from that of the engine for products, such as
	// PRODUCT_RAG. Callers see its jobs as PRODUCT with rag. If it is nil, such jobs are refused, and the answer has the
	// reason.
	RAG Engine

	// Changes applies changes of single products. It is usually the engine for products. The endpoints PUT and DELETE
	// /indexing/{tenant}/products/{id} and POST /indexing/{tenant}/changes use it (see the package documentation). If it
	// is nil, they are neither served nor described.
	Changes Updater
	// MaxChangesBytes is the length of the longest body with changes that is read, in bytes. Default 8 MiB.
	MaxChangesBytes int64
	// MaxChangeBytes is the length of the longest line in such a body, and of the longest product, in bytes. Default 1
	// MiB.
	MaxChangeBytes int64

	// Throttle holds the limits of each tenant's runs. GET and PUT /indexing/{tenant}/throttle show and set them, also
	// during a run. If it is nil, these endpoints are not served.
	Throttle Throttle

	// Schedule holds the times at which each tenant is reindexed. GET /indexing/{tenant}/schedule shows them. If it is
	// nil, the endpoint is not served.
	Schedule Schedule

	// Rollbacks lists generations and goes back to them. It is usually the engine for products, on an index that is a
	// [reindex.Rollbacker]. The endpoints GET /indexing/{tenant}/generations and POST /indexing/{tenant}/rollback use it.
	// If it is nil, they are not served.
	Rollbacks Rollbacker

	// Prefix is the part of requests' paths in front of /indexing, such as "/api". It begins with a slash and does not end
	// with one. Default: empty. It is not needed if http.StripPrefix removes the prefix, or if the router that is passed
	// to [Mount] adds it.
	Prefix string
	// ServerURL is the server's URL in the served document, to which /indexing is appended: a URL, such as
	// "https://shop.example/api", or a path. Default: the prefix with which the document is requested, even if
	// http.StripPrefix has removed it. It is needed behind a proxy that changes paths.
	ServerURL string
	// TokenURL is the URL or path of the token endpoint in the served document. Clients send their secrets there. Default:
	// ServerURL followed by /oauth/token, which is on the host's own server.
	TokenURL string

	// MaxStreams is the number of event streams of all tenants that can be open at the same time. A request for one more
	// is answered with 400 and [MessageTooManyStreams]. One tenant may have all of the streams while no other tenant wants
	// one. When another tenant does, the first one loses its latest streams until both have the same number. Default 100.
	MaxStreams int
	// StreamInterval is the shortest time between two events of a stream. Beyond 99 open streams it grows with their
	// number, so that many streams do not slow a run down. Default 200 ms.
	StreamInterval time.Duration
	// StreamHeartbeat is the time between two comments on a stream, so that no proxy closes it as idle. Default 15 s.
	StreamHeartbeat time.Duration
	// StreamWriteTimeout is the time within which a client must accept an event. Otherwise its stream is closed. Default
	// 10 s.
	StreamWriteTimeout time.Duration
	// Stopping ends all streams when it is closed. A server should close it when it shuts down, since it would otherwise
	// wait for the streams; [StopOnShutdown] does so. If it is nil, streams end with their jobs and their requests.
	Stopping <-chan struct{}

	// TriggerRate limits how often a tenant's reindex may be triggered, through both endpoints together. A trigger that
	// joins the run in progress also counts. Beyond the limit, the answer is 400 with [MessageTooManyTriggers] and the
	// header Retry-After. Default: no limit.
	TriggerRate Rate

	// Tenants returns all tenants, in any order, for the list of the tenants that a caller may see. It is called for each
	// such request and should be quick. Default: the tenants that have jobs, if the job stores list their tenants.
	Tenants func(ctx context.Context) ([]string, error)

	// Fallback serves requests outside of /indexing. Default: 404 with an errorMessage. A host whose mux is an
	// http.ServeMux can make the handler of this package the outermost one and the mux its Fallback. The mux then does not
	// redirect unclean paths under /indexing.
	Fallback http.Handler

	// Logger receives a record per request (method, route, tenant, status, duration, request id, bytes), and the reasons
	// of failures, which responses do not show. It never receives a token, a query, or a path outside of the routes. Nil
	// discards the records.
	Logger *slog.Logger
}

const (
	defaultMaxBodyBytes  = 64 << 10
	defaultReadTimeout   = 10 * time.Second
	defaultEngineTimeout = 30 * time.Second

	defaultMaxChangesBytes = 8 << 20
	defaultMaxChangeBytes  = 1 << 20

	defaultMaxStreams         = 100
	defaultStreamInterval     = 200 * time.Millisecond
	defaultStreamHeartbeat    = 15 * time.Second
	defaultStreamWriteTimeout = 10 * time.Second
)

// withDefaults returns c with its defaults in place of fields that are not set.
func (c Config) withDefaults() Config {
	c.MaxBodyBytes = cmp.Or(c.MaxBodyBytes, defaultMaxBodyBytes)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, defaultReadTimeout)
	c.EngineTimeout = cmp.Or(c.EngineTimeout, defaultEngineTimeout)
	c.MaxChangesBytes = cmp.Or(c.MaxChangesBytes, defaultMaxChangesBytes)
	c.MaxChangeBytes = cmp.Or(c.MaxChangeBytes, defaultMaxChangeBytes)
	c.MaxStreams = cmp.Or(c.MaxStreams, defaultMaxStreams)
	c.StreamInterval = cmp.Or(c.StreamInterval, defaultStreamInterval)
	c.StreamHeartbeat = cmp.Or(c.StreamHeartbeat, defaultStreamHeartbeat)
	c.StreamWriteTimeout = cmp.Or(c.StreamWriteTimeout, defaultStreamWriteTimeout)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// validate returns an error for each setting that is not valid. The defaults must be set.
func (c Config) validate() error {
	var errs []error
	if c.Authorizer == nil {
		errs = append(errs, errors.New("Authorizer is not set; AllowAll lets everybody in"))
	}
	if slices.ContainsFunc(c.Engines, isNil) {
		errs = append(errs, errors.New("one of Engines is nil"))
	}
	if c.RAG != nil && isNil(c.RAG) {
		errs = append(errs, errors.New("RAG is a nil pointer; leave it unset"))
	}
	errs = append(errs, c.checkURLs()...)
	positive := func(name string, isPositive bool, value any) {
		if !isPositive {
			errs = append(errs, fmt.Errorf("%s is %v; it must be positive", name, value))
		}
	}
	positive("MaxBodyBytes", c.MaxBodyBytes > 0, c.MaxBodyBytes)
	positive("ReadTimeout", c.ReadTimeout > 0, c.ReadTimeout)
	positive("EngineTimeout", c.EngineTimeout > 0, c.EngineTimeout)
	positive("MaxChangesBytes", c.MaxChangesBytes > 0, c.MaxChangesBytes)
	positive("MaxChangeBytes", c.MaxChangeBytes > 0, c.MaxChangeBytes)
	positive("MaxStreams", c.MaxStreams > 0, c.MaxStreams)
	positive("StreamInterval", c.StreamInterval > 0, c.StreamInterval)
	positive("StreamHeartbeat", c.StreamHeartbeat > 0, c.StreamHeartbeat)
	positive("StreamWriteTimeout", c.StreamWriteTimeout > 0, c.StreamWriteTimeout)
	if err := c.TriggerRate.check("TriggerRate"); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("httpapi: invalid config: %w", err)
	}
	return nil
}
