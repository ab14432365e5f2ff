package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

var errNoEngine = errors.New("httpapi: the engine is nil")

// NewHandler returns a handler for everything under /indexing, or under Config.Prefix and /indexing, safe for
// concurrent use. The first engine may reindex any entity type, and so may those of Config.Engines. The error names
// every setting of cfg that is not valid. The host still owns the engines, and shuts them down after it has shut down
// its server.
func NewHandler(e Engine, cfg Config) (http.Handler, error) {
	if isNil(e) {
		return nil, errNoEngine
	}
	return newHandler(e, cfg)
}

type handler struct {
	engines  engines
	cfg      Config
	triggers *limiters // by tenant
	streams  *streamSlots
	feeds    *feeds
	routes   []route
	document []byte
	changes  chan struct{} // holds one for each request with changes
}

func newHandler(e Engine, cfg Config) (*handler, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	all, err := newEngines(e, &cfg)
	if err != nil {
		return nil, fmt.Errorf("httpapi: invalid config: %w", err)
	}
	triggers, err := newLimiters(cfg.TriggerRate)
	if err != nil {
		return nil, err
	}
	streams := newStreamSlots(cfg.MaxStreams)
	h := &handler{
		engines:  all,
		cfg:      cfg,
		triggers: triggers,
		streams:  streams,
		feeds:    newFeeds(all.shown, func() time.Duration { return streams.spread(cfg.StreamInterval) }),
		routes:   routes,
		document: document,
		changes:  make(chan struct{}, maxChangeCalls),
	}
	for _, part := range []struct {
		on       bool
		routes   []route
		document []byte
	}{
		{cfg.Changes != nil, changeRoutes, changesDocument},
		{cfg.Throttle != nil, throttleRoutes, throttleDocument},
		{cfg.Schedule != nil, scheduleRoutes, scheduleDocument},
		{cfg.Rollbacks != nil, rollbackRoutes, rollbackDocument},
	} {
		if !part.on {
			continue
		}
		h.routes = slices.Concat(h.routes, part.routes)
		if h.document, err = withPart(h.document, part.document); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// call is one request that is being served.
type call struct {
	w      http.ResponseWriter // for limits on reading; written to by response.write alone
	r      *http.Request
	id     string
	route  *route
	params map[string]string
	prefix string // of the path, in front of the route, as received
	tenant string // empty until it was checked
	read   int    // bytes of the body
	attrs  []slog.Attr
}

// ServeHTTP answers a request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // http.StripPrefix("/api/", …) takes the slash as well
	}
	path, ok := strings.CutPrefix(path, h.cfg.Prefix)
	if h.cfg.Fallback != nil && (!ok || !underBase(path)) {
		h.cfg.Fallback.ServeHTTP(w, r)
		return
	}
	c := &call{w: w, r: r, prefix: h.cfg.Prefix}
	if ok {
		c.route, c.params = match(h.routes, path)
	}
	h.serve(c) //nolint:contextcheck // the call has the request, and so its context
}

// serve answers a request whose route is known.
func (h *handler) serve(c *call) {
	begin := time.Now()
	c.id = requestID(c.r.Header)
	h.limitBody(c)
	h.finish(c, h.respond(c), begin)
}

// finish sends the answer to a request that came at begin, and logs it.
func (h *handler) finish(c *call, res response, begin time.Time) {
	sent, err := res.write(c.w, c.r.Method, c.id)
	if err != nil {
		c.attrs = append(c.attrs, slog.String("write_error", err.Error()))
	}
	h.logAccess(c, res.status, sent, time.Since(begin))
}

// underBase reports whether the path begins with the segment that every route has.
func underBase(escapedPath string) bool {
	got := segments(escapedPath)
	return len(got) > 1 && got[0] == "" && got[1] == base
}

// respond returns the answer, which is always one of the documented ones: a panic is handled like an error.
func (h *handler) respond(c *call) (res response) {
	defer func() {
		if v := recover(); v != nil {
			h.logFailure(c.r.Context(), c, "panic", redact(fmt.Sprintf("%v\n%s", v, debug.Stack()), c.r))
			res = toWire(fmt.Errorf("panic: %v", v), c.id)
		}
	}()
	res, err := h.dispatch(c)
	if err != nil {
		return toWire(err, c.id)
	}
	return res
}

// dispatch makes the checks that all operations have in common, and then serves the operation.
func (h *handler) dispatch(c *call) (response, error) {
	if c.route == nil {
		return response{}, notFound("There is nothing at this path")
	}
	op, err := c.route.operation(c.r.Method)
	if err != nil {
		return response{}, err
	}
	if tenant, ok := c.params["tenant"]; ok {
		if err := checkTenant(tenant); err != nil {
			return response{}, err
		}
		c.tenant = tenant
	}
	if op.scope != "" && !op.authorizes {
		if err := h.authorize(c, op.scope); err != nil {
			return response{}, err
		}
	}
	return op.serve(h, c)
}
