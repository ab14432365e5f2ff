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

// Claims says where the claims of a valid token name what it allows. [JWT] and [Introspection] read them alike. Tenant
// or Grant is required.
//
// A place is the name of a claim, taken literally: "tenant", "https://shop.example/tenant". If the claim lies within
// another, the place is a JSON Pointer through objects (RFC 6901), which begins with a slash: "/realm_access/roles",
// "/ext/tenant". In a pointer, ~1 stands for a slash in a name, and ~0 for a tilde. At a place is a string, or an array
// of strings; what else is in the array does not count. A pointer that ends in "/*" also reads the names of an object's
// members, which is how Keycloak lists organizations, and Zitadel roles: "/organization/*".
type Claims struct {
	// Tenant is the place of the tenant or the tenants. They are compared with the path's tenant as they are.
	Tenant string

	// Scopes are the places of what the token's holder may do: scopes, roles, permissions, groups. What is at several of
	// them counts together. A string is a list of words; a string of an array is one word, spaces included. Default: scope
	// or, if there is none, scp.
	Scopes []string

	// ScopeNames are the authorization server's names of scopes, by scope:
	//
	//	map[string][]string{httpapi.ScopeManage: {"Catalog.ReadWrite.All", "catalog-admin"}}
	//
	// A scope that is a key here is known by these names alone, so that its own name does not count unless it is among
	// them. Every other scope goes by its own name.
	ScopeNames map[string][]string

	// Grant has the last word, if it is set: it gets all claims, and what the fields above have read of them, and returns
	// what the token allows. It is called concurrently, and may ask others within the time that ctx gives. Its errors are
	// answered as those of an [httpapi.Authorizer] are. Their texts get into the host's log, and what is secret in the
	// claims does not belong there.
	Grant func(ctx context.Context, claims map[string]any, read Grant) (Grant, error)
}

// Grant is what a token allows.
type Grant struct {
	// Tenants are those that the token is for.
	Tenants []string
	// AllTenants says that the token is for every tenant, whatever Tenants has. No claim sets it, [Claims].Grant can.
	AllTenants bool
	// Scopes are the token's, such as [httpapi.ScopeManage]. None includes another.
	Scopes []string
}

// validate reports everything that makes no sense.
func (c Claims) validate() error {
	errs := []error{isSet("Claims.Tenant", c.Tenant != "" || c.Grant != nil)}
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

// read returns what the claims of a valid token allow.
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
	g.noTenant, g.noScope = cmp.Or(g.noTenant, "Claims.Grant named no tenant"), cmp.Or(g.noScope, "Claims.Grant named no scope")
	return g, nil
}

// scopes returns the token's scopes, or why there are none.
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
