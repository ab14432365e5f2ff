package oauth

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"productindex/httpapi"
)

// grant is what a valid token allows.
type grant struct {
	tenants []string
	scopes  []string
}

// check returns nil where the grant has the tenant and the scope. Its errors differ in their text alone, which no response holds.
func (g grant) check(tenant, scope string) error {
	if !slices.Contains(g.tenants, tenant) {
		return fmt.Errorf("the token is of another tenant: %w", &httpapi.ScopeError{Missing: []string{scope}})
	}
	if !slices.Contains(g.scopes, scope) {
		return &httpapi.ScopeError{Missing: []string{scope}}
	}
	return nil
}

// errBound: the token is worth nothing without a proof that nobody asks for here.
var errBound = errors.New("the token is bound to its sender (cnf)")

// grantOf reads what the claims of a valid token allow: the tenants from tenantClaim, a string or an array of strings; the scopes from
// scope or, where there is none, scp, each a string of words or an array of strings.
func grantOf(claims map[string]any, tenantClaim string) (grant, error) {
	if _, bound := claims["cnf"]; bound {
		return grant{}, invalid(errBound)
	}
	scopes, ok := claims["scope"]
	if !ok {
		scopes = claims["scp"]
	}
	g := grant{tenants: list(claims[tenantClaim])}
	for _, words := range list(scopes) {
		g.scopes = append(g.scopes, strings.Fields(words)...)
	}
	return g, nil
}

// list returns a string, or the strings in an array, and nothing of any other value.
func list(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				all = append(all, s)
			}
		}
		return all
	default:
		return nil
	}
}
