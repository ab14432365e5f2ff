package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Claims says where among a token's claims its tenants and scopes are, for [JWT] and [Introspection] alike. Tenant or
// Grant is required.
//
// A place is the literal name of a claim: "tenant", "https://shop.example/tenant". If the claim is inside another one,
// the place is a JSON Pointer through objects (RFC 6901), which begins with a slash: "/realm_access/roles",
// "/ext/tenant". In a pointer, ~1 stands for a slash in a name, and ~0 for a tilde. The value at a place is a string or
// an array of strings; other elements of the array do not count. A pointer that ends with "/*" also reads the names of
// an object's members, in which Keycloak lists organizations, and Zitadel roles: "/organization/*".
type Claims struct {
	// Tenant is the place of the tenant or the tenants. They are compared with the path's tenant as they are.
	Tenant string

	// Scopes are the places of the scopes, which may also be called roles, permissions or groups. The scopes of all places
	// count. A string at a place is a list of words. A string in an array is one word, including its spaces. Default:
	// scope or, if it is missing, scp.
	Scopes []string

	// ScopeNames are the authorization server's names of scopes, by scope:
	//
	//	map[string][]string{httpapi.ScopeManage: {"Catalog.ReadWrite.All", "catalog-admin"}}
	//
	// A scope that is a key has only the names in its list: its own name does not count unless it is in the list. Every
	// other scope has its own name.
	ScopeNames map[string][]string

	// Grant, if it is set, has the last word. It gets all claims, and the grant that the fields above have found in them,
	// and returns the grant of the token. It is called concurrently, and can call other services until ctx ends. Its
	// errors are answered as those of an [httpapi.Authorizer]. Their texts get into the host's log, so they must not hold
	// secrets of the claims.
	Grant func(ctx context.Context, claims map[string]any, read Grant) (Grant, error)
}

// Grant has the tenants and scopes of a token.
type Grant struct {
	// Tenants are the tenants that the token is for.
	Tenants []string
	// AllTenants means that the token is for every tenant, whatever Tenants has. Only [Claims].Grant can set it.
	AllTenants bool
	// Scopes are the token's scopes, such as [httpapi.ScopeManage]. No scope includes another one.
	Scopes []string
}

// validate reports every field that is not valid.
func (c Claims) validate() error {
	var errs []error
	if c.Tenant == "" && c.Grant == nil {
		errs = append(errs, errors.New("neither Claims.Tenant nor Claims.Grant is set"))
	}
	for _, text := range append([]string{c.Tenant}, c.Scopes...) {
		errs = append(errs, place(text).validate())
	}
	if slices.Contains(c.Scopes, "") {
		errs = append(errs, errors.New("Claims.Scopes has an empty place"))
	}
	for _, scope := range slices.Sorted(maps.Keys(c.ScopeNames)) {
		if names := c.ScopeNames[scope]; scope == "" || len(names) == 0 || slices.Contains(names, "") {
			errs = append(errs, fmt.Errorf("Claims.ScopeNames has no names for scope %q, or an empty one", scope))
		}
	}
	return errors.Join(errs...)
}

// read returns the grant of a valid token.
func (c Claims) read(ctx context.Context, claims map[string]any) (grant, error) {
	if _, bound := claims["cnf"]; bound {
		return grant{}, invalid(errBound)
	}
	var g grant
	if c.Tenant != "" {
		g.Tenants, g.noTenant = place(c.Tenant).strings(claims)
	}
	g.Scopes, g.noScope = c.scopes(claims)
	if c.Grant == nil {
		return g, nil
	}
	granted, err := c.Grant(ctx, claims, g.Grant)
	if err != nil {
		return grant{}, fmt.Errorf("reading the claims with the host's Claims.Grant: %w", err)
	}
	g.Grant = granted
	g.noTenant = cmp.Or(g.noTenant, "Claims.Grant named no tenant")
	g.noScope = cmp.Or(g.noScope, "Claims.Grant named no scope")
	return g, nil
}

// scopes returns the token's scopes, or the reason why it has none.
func (c Claims) scopes(claims map[string]any) (scopes []string, missing string) {
	places := c.Scopes
	if len(places) == 0 {
		places = []string{"scope"}
		if _, ok := claims["scope"]; !ok {
			places = []string{"scp"}
		}
	}
	var words []string
	for _, text := range places {
		found, _ := place(text).words(claims)
		words = append(words, found...)
	}
	if len(words) == 0 {
		if len(c.Scopes) == 0 {
			places = []string{"scope", "scp"}
		}
		return nil, "no scope is in the token's claims " + quoted(places)
	}
	for _, word := range words {
		if _, renamed := c.ScopeNames[word]; !renamed {
			scopes = append(scopes, word)
		}
	}
	for scope, names := range c.ScopeNames {
		if slices.ContainsFunc(names, func(name string) bool { return slices.Contains(words, name) }) {
			scopes = append(scopes, scope)
		}
	}
	return scopes, ""
}

// quoted lists names in quotes.
func quoted(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(all, ", ")
}
