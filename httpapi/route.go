package httpapi

import (
	"net/http"
	"net/url"
	"strings"
)

// The longest and the shortest tenant of the contract, in bytes.
const (
	minTenantBytes = 3
	maxTenantBytes = 16
)

// route is a path of the served document with its operations.
type route struct {
	pattern    string // as in the document
	operations []operation
}

// operation serves one method of a route.
type operation struct {
	method string
	scope  string // empty: without authorization
	serve  func(*handler, *call) (response, error)

	authorizes bool // by itself, since it is about more than one tenant
}

// base is the first segment of every route.
const base = "indexing"

// routes are the routes that are always served.
var routes = []route{
	{"/indexing/openapi.json", []operation{
		{method: http.MethodGet, serve: (*handler).openAPI},
	}},
	{"/indexing/reindex-tenants", []operation{
		{method: http.MethodGet, scope: ScopeView, serve: (*handler).listTenants, authorizes: true},
	}},
	{"/indexing/{tenant}/reindex", []operation{
		{method: http.MethodPost, scope: ScopeManage, serve: (*handler).reindex},
	}},
	{"/indexing/{tenant}/reindex-jobs", []operation{
		{method: http.MethodGet, scope: ScopeView, serve: (*handler).listJobs},
		{method: http.MethodPost, scope: ScopeManage, serve: (*handler).createJob},
	}},
	{"/indexing/{tenant}/reindex-jobs/{id}", []operation{
		{method: http.MethodGet, scope: ScopeView, serve: (*handler).getJob},
		{method: http.MethodDelete, scope: ScopeManage, serve: (*handler).cancelJob},
	}},
	{"/indexing/{tenant}/reindex-jobs/{id}/failures", []operation{
		{method: http.MethodGet, scope: ScopeView, serve: (*handler).listFailures},
	}},
	{"/indexing/{tenant}/reindex-jobs/{id}/difference", []operation{
		{method: http.MethodGet, scope: ScopeView, serve: (*handler).jobDifference},
	}},
	{"/indexing/{tenant}/reindex-jobs/{id}/events", []operation{
		{method: http.MethodGet, scope: ScopeView, serve: (*handler).jobEvents},
	}},
}

// match finds the route for an escaped path, and the values of the parameters in its pattern. The path is split before
// its segments are decoded, so that an encoded slash does not separate segments.
func match(routes []route, escapedPath string) (*route, map[string]string) {
	got := segments(escapedPath)
	for i := range routes {
		if params, ok := matchSegments(strings.Split(routes[i].pattern, "/"), got); ok {
			return &routes[i], params
		}
	}
	return nil, nil
}

// matchEnd finds the values of the parameters of the route's pattern in the last segments of an escaped path, and the
// part in front of them.
func (rt *route) matchEnd(escapedPath string) (prefix string, params map[string]string, ok bool) {
	pattern := strings.Split(rt.pattern, "/")
	end := len(escapedPath)
	for range len(pattern) - 1 { // the pattern begins with a slash
		if end = strings.LastIndexByte(escapedPath[:end], '/'); end < 0 {
			return "", nil, false
		}
	}
	params, ok = matchSegments(pattern, segments(escapedPath[end:]))
	return escapedPath[:end], params, ok
}

func matchSegments(pattern, got []string) (map[string]string, bool) {
	if len(pattern) != len(got) {
		return nil, false
	}
	params := map[string]string{}
	for i, want := range pattern {
		if name, ok := strings.CutPrefix(want, "{"); ok {
			params[strings.TrimSuffix(name, "}")] = got[i]
		} else if want != got[i] {
			return nil, false
		}
	}
	return params, true
}

// segments splits an escaped path and decodes each part.
func segments(escapedPath string) []string {
	parts := strings.Split(escapedPath, "/")
	for i, p := range parts {
		if decoded, err := url.PathUnescape(p); err == nil {
			parts[i] = decoded
		}
	}
	return parts
}

// operation returns the operation for the method. A route that answers GET answers HEAD.
func (rt *route) operation(method string) (operation, error) {
	var allow []string
	for _, op := range rt.operations {
		if op.method == method || op.method == http.MethodGet && method == http.MethodHead {
			return op, nil
		}
		allow = append(allow, op.method)
		if op.method == http.MethodGet {
			allow = append(allow, http.MethodHead)
		}
	}
	allowed := strings.Join(allow, ", ")
	return operation{}, &problem{
		status:  http.StatusMethodNotAllowed,
		message: "Method not allowed",
		details: []string{"Allowed methods: " + allowed},
		allow:   allowed,
	}
}

// checkTenant checks a decoded tenant against the contract's grammar.
func checkTenant(tenant string) error {
	if isTenant(tenant) {
		return nil
	}
	return invalid(
		"Invalid tenant",
		"A tenant has 3 to 16 characters: lower case letters and digits, the first one a letter",
	)
}

func isTenant(s string) bool {
	if len(s) < minTenantBytes || len(s) > maxTenantBytes {
		return false
	}
	for i := range len(s) {
		letter, digit := s[i] >= 'a' && s[i] <= 'z', s[i] >= '0' && s[i] <= '9'
		if !letter && (i == 0 || !digit) {
			return false
		}
	}
	return true
}
