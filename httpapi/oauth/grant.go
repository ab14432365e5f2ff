package oauth

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"productindex/httpapi"
)

// grant has the tenants and scopes of a valid token, and the reasons why it has none.
type grant struct {
	Grant

	noTenant, noScope string // the reasons, for the host's log
}

// check returns nil if the grant has the tenant and the scope. Its errors differ only in their texts, which are not a
// part of any response.
func (g grant) check(tenant, scope string) error {
	missing := &httpapi.ScopeError{Missing: []string{scope}}
	switch {
	case !g.AllTenants && len(g.Tenants) == 0:
		return fmt.Errorf("%s: %w", cmp.Or(g.noTenant, "the token has no tenant"), missing)
	case !g.AllTenants && !slices.Contains(g.Tenants, tenant):
		return fmt.Errorf("the token is for another tenant: %w", missing)
	case len(g.Scopes) == 0 && g.noScope != "":
		return fmt.Errorf("%s: %w", g.noScope, missing)
	case !slices.Contains(g.Scopes, scope):
		return missing
	}
	return nil
}

// errBound means that the token is valid only with a proof, which this package does not check.
var errBound = errors.New("the token is bound to its sender (cnf)")
