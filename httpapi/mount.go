package httpapi

import (
	"errors"
	"fmt"
	"net/http"
)

// Mux is a mux for [Mount], such as an http.ServeMux or a router of chi. [MuxFunc] turns a function into one, for
// methods that return something, as Handle of gorilla/mux does. Frameworks whose routes are not patterns such as
// /indexing/{tenant}/reindex (gin, echo and fiber) serve the handler of [NewHandler] for all paths under /indexing
// instead. The package's test module has an example of each.
type Mux interface {
	Handle(pattern string, handler http.Handler)
}

// MuxFunc is a function that is a [Mux].
type MuxFunc func(pattern string, handler http.Handler)

// Handle calls f.
func (f MuxFunc) Handle(pattern string, handler http.Handler) { f(pattern, handler) }

// Mount registers the handler of [NewHandler] on mux for the pattern of each route, below Config.Prefix. A router that
// puts its own prefix in front of its patterns, as Route of chi does, needs no Config.Prefix, whether or not it removes
// the prefix from the requests.
//
// On an http.ServeMux each method is registered separately. Patterns of the host with wildcards, such as "GET /" or
// "GET /{shop}/{page}", can therefore be registered before and after. Requests with other methods, and for other paths
// under /indexing, get this package's answers unless such a pattern matches them. The mux redirects paths with empty or
// dot segments before any handler sees them; see Config.Fallback.
//
// Mount returns an error if cfg is not valid, and if the mux panics because a pattern is taken.
func Mount(mux Mux, e Engine, cfg Config) error {
	if f, ok := mux.(MuxFunc); mux == nil || ok && f == nil {
		return errors.New("httpapi: the mux is nil")
	}
	if isNil(e) {
		return errNoEngine
	}
	h, err := newHandler(e, cfg)
	if err != nil {
		return err
	}
	if standard, ok := mux.(*http.ServeMux); ok {
		return h.mountByMethod(standard)
	}
	for i := range h.routes {
		if err := handle(mux, cfg.Prefix+h.routes[i].pattern, h.at(&h.routes[i])); err != nil {
			return err
		}
	}
	for _, pattern := range []string{"", "/"} {
		_ = handle(mux, cfg.Prefix+"/"+base+pattern, h) // taken by the host
	}
	return nil
}

// methods holds the methods that net/http names, except CONNECT, whose requests have no paths.
var methods = []string{
	http.MethodGet,
	http.MethodHead,
	http.MethodPost,
	http.MethodPut,
	http.MethodPatch,
	http.MethodDelete,
	http.MethodOptions,
	http.MethodTrace,
}

// deepest is the greatest number of segments below /indexing that a route has.
const deepest = 4

// mountByMethod mounts the routes. All other requests below /indexing must also get documented answers, so it then
// mounts patterns for them, unless the host has taken these. A single pattern for everything below /indexing would
// conflict with every pattern of the host that has a wildcard in that place, so there is one pattern per number of
// segments.
func (h *handler) mountByMethod(mux *http.ServeMux) error {
	for i := range h.routes {
		rt := &h.routes[i]
		for _, op := range rt.operations {
			if err := handle(mux, op.method+" "+h.cfg.Prefix+rt.pattern, h.at(rt)); err != nil {
				return err
			}
		}
	}
	pattern := h.cfg.Prefix + "/" + base
	for i := range deepest {
		handleRest(mux, pattern, h)
		handleRest(mux, pattern+"/{$}", h)
		pattern += fmt.Sprintf("/{s%d}", i)
	}
	handleRest(mux, pattern, h)
	handleRest(mux, pattern+"/{rest...}", h)
	return nil
}

// handle registers a pattern. A mux refuses one by a panic.
func handle(mux Mux, pattern string, handler http.Handler) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("httpapi: the mux refused the pattern %q: %v", pattern, v)
		}
	}()
	mux.Handle(pattern, handler)
	return nil
}

// handleRest registers a pattern for each method that has none.
func handleRest(mux *http.ServeMux, pattern string, handler http.Handler) {
	for _, method := range methods {
		_ = handle(mux, method+" "+pattern, handler) // taken by another route, or by the host
	}
}

// mounted answers requests that a mux has matched with one route.
type mounted struct {
	handler *handler
	route   *route
}

// at returns the handler for one route. The mux may have put a prefix before its pattern.
func (h *handler) at(rt *route) http.Handler { return mounted{h, rt} }

// ServeHTTP answers a request.
func (m mounted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	prefix, params, ok := m.route.matchEnd(r.URL.EscapedPath())
	if !ok {
		m.handler.ServeHTTP(w, r)
		return
	}
	c := &call{w: w, r: r, route: m.route, params: params, prefix: prefix}
	m.handler.serve(c) //nolint:contextcheck // the call has the request, and so its context
}
