package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Protect returns a handler for a route of the host, such as a search. It passes a request on to next if the Authorizer
// of cfg grants the scope for the tenant. It answers and logs all other requests as the endpoints do, with 400, 401 or
// 403. The function tenant returns the tenant of a request, for example by [http.Request.PathValue]. A tenant
// outside of the contract's grammar is refused before the Authorizer is called. Of cfg, only the Authorizer and the
// Logger are used.
func Protect(next http.Handler, scope string, tenant func(*http.Request) string, cfg Config) (http.Handler, error) {
	if next == nil || tenant == nil {
		return nil, errors.New("httpapi: Protect needs a handler and a function that returns the tenant of a request")
	}
	if !isScope(scope) {
		return nil, fmt.Errorf("httpapi: Protect needs a scope, and %q is not valid", scope)
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	h := &handler{cfg: cfg}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		c := &call{w: w, r: r, id: requestID(r.Header), route: &route{pattern: r.Pattern}}
		name := tenant(r)
		err := checkTenant(name)
		if err == nil {
			c.tenant = name
			err = h.authorize(c, scope) //nolint:contextcheck // the call has the request, and so its context
		}
		if err == nil {
			next.ServeHTTP(w, r)
			return
		}
		h.finish(c, toWire(err, c.id), begin) //nolint:contextcheck // as above
	}), nil
}
