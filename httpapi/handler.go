package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"productindex/reindex"
)

// Mux is what [Mount] needs of a mux: http.ServeMux and most others have it.
type Mux interface {
	Handle(pattern string, handler http.Handler)
}

// NewHandler returns a handler for everything under /indexing, safe for concurrent use. The error names every setting of cfg that is
// invalid. The host keeps the engines, and shuts them down after its server.
func NewHandler(e *reindex.Engine, cfg Config) (http.Handler, error) {
	if e == nil {
		return nil, errors.New("httpapi: the engine is nil")
	}
	return newHandler(e, cfg)
}

// Mount makes [NewHandler]'s handler answer the routes on mux, with patterns such as /indexing/{tenant}/reindex that http.ServeMux
// and others understand; and, where a pattern that ends with a slash means everything below it, all else under /indexing. It returns
// an error, too, where the mux panics because a pattern is taken.
//
// An http.ServeMux redirects paths with empty or dot segments before any handler sees them; see Config.Fallback.
func Mount(mux Mux, e *reindex.Engine, cfg Config) (err error) {
	if mux == nil {
		return errors.New("httpapi: the mux is nil")
	}
	h, err := NewHandler(e, cfg)
	if err != nil {
		return err
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("httpapi: the mux refused a pattern: %v", v)
		}
	}()
	for _, rt := range routes {
		mux.Handle(rt.pattern, h)
	}
	mux.Handle("/"+base, h) // or http.ServeMux would redirect it
	mux.Handle("/"+base+"/", h)
	return nil
}

type handler struct {
	engines  engines
	cfg      Config
	triggers *limiters // by tenant
	streams  *streamSlots
}

func newHandler(e engine, cfg Config) (*handler, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	all := engines{e}
	for _, further := range cfg.Engines {
		all = append(all, further)
	}
	if err := all.check(); err != nil {
		return nil, fmt.Errorf("httpapi: invalid config: %w", err)
	}
	triggers, err := newLimiters(cfg.TriggerRate)
	if err != nil {
		return nil, err
	}
	return &handler{engines: all, cfg: cfg, triggers: triggers, streams: newStreamSlots(cfg.MaxStreams)}, nil
}

// call is one request on its way.
type call struct {
	w      http.ResponseWriter // for limits on reading; written to by response.write alone
	r      *http.Request
	id     string
	route  *route
	params map[string]string
	tenant string // empty until it was checked
	read   int    // bytes of the body
	attrs  []slog.Attr
}

// ServeHTTP answers a request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	path := r.URL.EscapedPath()
	if h.cfg.Fallback != nil && !underBase(path) {
		h.cfg.Fallback.ServeHTTP(w, r)
		return
	}
	rt, params := match(path)
	c := &call{w: w, r: r, id: requestID(r.Header), route: rt, params: params}
	h.limitBody(c)
	res := h.respond(c) //nolint:contextcheck // the call has the request, and so its context
	sent, err := res.write(w, r.Method, c.id)
	if err != nil {
		c.attrs = append(c.attrs, slog.String("write_error", err.Error()))
	}
	h.logAccess(c, res.status, sent, time.Since(begin)) //nolint:contextcheck // as above
}

// underBase reports whether the path begins with the segment that every route has.
func underBase(escapedPath string) bool {
	got := segments(escapedPath)
	return len(got) > 1 && got[0] == "" && got[1] == base
}

// respond finds the answer. It is documented whatever happens: a panic is an error like others.
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

// dispatch checks what every operation needs, then serves it.
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
	if op.scope != "" {
		if err := h.authorize(c, op.scope); err != nil {
			return response{}, err
		}
	}
	return op.serve(h, c)
}
