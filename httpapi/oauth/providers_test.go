package oauth_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"testing"

	"productindex/httpapi"
	"productindex/httpapi/oauth"
)

type object = map[string]any

// provider describes the access tokens of an authorization server, as its documentation does, and configures them.
type provider struct {
	name           string
	header, claims object // of a token that may manage acme; a nil value removes a member that sign adds
	configure      func(*oauth.JWTConfig)
	refused        []object // changes of the claims with which the token may not manage acme
	invalid        []object // changes of the claims with which the token is invalid
}

var manageNames = map[string][]string{
	httpapi.ScopeManage: {"Catalog.ReadWrite.All", "catalog-admin", "indexing/manage"},
}

var providers = []provider{
	{
		name:   "Microsoft Entra ID, an application",
		header: object{"typ": "JWT", "x5t": "nOo3ZDrODXEK1jKWhXslHR_KXEg"},
		claims: object{
			"tenant":    nil,
			"scope":     nil,
			"aud":       "6e74172b-be56-4843-9ff4-e66a39bb12e3",
			"ver":       "2.0",
			"tid":       "72f988bf-86f1-41af-91ab-2d7cd011db47",
			"azp":       "1a2b",
			"idtyp":     "app",
			"extn.shop": []string{"acme"},
			"roles":     []string{"Catalog.ReadWrite.All"},
		},
		configure: func(c *oauth.JWTConfig) {
			c.Audience, c.TokenTypes = []string{"6e74172b-be56-4843-9ff4-e66a39bb12e3"}, []string{"JWT"}
			c.Claims = oauth.Claims{Tenant: "extn.shop", Scopes: []string{"roles", "scp"}, ScopeNames: manageNames}
		},
		refused: []object{
			{
				"roles": nil,
			},
			{"roles": []string{"Catalog.Read.All"}},
			{"roles": "Catalog.ReadWrite.All.Not"},
			{"roles": []any{1, true}},
			{
				"extn.shop": "globex",
			},
			{"extn.shop": nil, "extn": object{"shop": "acme"}},
			{"roles": nil, "scp": httpapi.ScopeManage},
		},
		invalid: []object{{"aud": "00000003-0000-0000-c000-000000000000"}},
	},
	{
		name:   "Microsoft Entra ID, a user",
		header: object{"typ": "JWT"},
		claims: object{"tenant": nil, "scope": nil, "tid": "72f988bf", "scp": "openid Catalog.ReadWrite.All"},
		configure: func(c *oauth.JWTConfig) {
			c.TokenTypes = []string{"JWT"}
			c.Claims = oauth.Claims{
				Tenant: "tid", ScopeNames: manageNames,
				Grant: func(_ context.Context, _ map[string]any, read oauth.Grant) (oauth.Grant, error) {
					for i, directory := range read.Tenants {
						read.Tenants[i] = map[string]string{"72f988bf": "acme", "0af1": "globex"}[directory]
					}
					return read, nil
				},
			}
		},
		refused: []object{{"tid": "0af1"}, {"tid": "acme"}, {"tid": nil}, {"scp": "openid"}, {"scp": nil}},
	},
	{
		name:   "Auth0, permissions",
		header: object{"typ": "JWT"},
		claims: object{
			"tenant":                      nil,
			"scope":                       "openid profile",
			"https://shop.example/tenant": "acme",
			"gty":                         "client-credentials",
			"permissions": []string{
				"read:catalog",
				httpapi.ScopeManage,
			},
			"aud": []string{audience, "https://x.eu.auth0.com/userinfo"},
		},
		configure: func(c *oauth.JWTConfig) {
			c.TokenTypes = []string{"JWT"}
			c.Claims = oauth.Claims{Tenant: "https://shop.example/tenant", Scopes: []string{"permissions"}}
		},
		refused: []object{
			{
				"permissions": []string{"read:catalog"},
			},
			{"permissions": nil, "scope": httpapi.ScopeManage},
			{"permissions": []string{"x " + httpapi.ScopeManage}},
			{"https://shop.example/tenant": nil, "tenant": "acme"},
		},
	},
	{
		name:   "Auth0, the profile of RFC 9068 and organizations",
		claims: object{"tenant": nil, "org_id": "org_9ybsU1dN2dKfDkBi", "org_name": "acme", "scope": httpapi.ScopeManage},
		configure: func(c *oauth.JWTConfig) {
			c.Claims = oauth.Claims{Tenant: "org_name"}
		},
		refused: []object{{"org_name": "globex"}, {"org_name": nil}},
	},
	{
		name:   "Keycloak, roles and organizations in an object",
		header: object{"typ": "JWT"},
		claims: object{
			"tenant":       nil,
			"typ":          "Bearer",
			"scope":        "profile organization",
			"azp":          "till",
			"realm_access": object{"roles": []string{"offline_access"}},
			"resource_access": object{
				"https://indexing.example/a~b": object{"roles": []string{"catalog-admin"}},
				"account":                      object{"roles": []string{"view-profile"}},
			},
			"organization": object{"globex": object{"id": "a56bea03"}, "acme": object{"id": "0b5fa4c8"}},
		},
		configure: func(c *oauth.JWTConfig) {
			c.TokenTypes = []string{"JWT"}
			c.Claims = oauth.Claims{
				Tenant: "/organization/*", ScopeNames: manageNames,
				Scopes: []string{"/realm_access/roles", "/resource_access/https:~1~1indexing.example~1a~0b/roles"},
			}
		},
		refused: []object{
			{
				"organization": object{"globex": object{"acme": object{}}},
			},
			{"organization": []string{"globex"}},
			{"organization": object{}},
			{"organization": nil},
			{
				"resource_access": object{"other": object{"roles": []string{"catalog-admin"}}},
			},
			{"resource_access": "catalog-admin"},
			{"resource_access": object{"https://indexing.example/a~b": []string{"catalog-admin"}}},
			{"resource_access": nil},
		},
	},
	{
		name:   "Keycloak, organizations in an array",
		header: object{"typ": "JWT"},
		claims: object{
			"tenant":       nil,
			"organization": []string{"globex", "acme"},
			"realm_access": object{"roles": []string{"catalog-admin"}},
			"scope":        "profile",
		},
		configure: func(c *oauth.JWTConfig) {
			c.TokenTypes = []string{"JWT"}
			c.Claims = oauth.Claims{Tenant: "/organization/*", Scopes: []string{"/realm_access/roles"}, ScopeNames: manageNames}
		},
		refused: []object{
			{"organization": []string{"globex"}},
			{"realm_access": nil},
			{"realm_access": object{"roles": object{"catalog-admin": true}}},
		},
	},
	{
		name:   "Okta",
		header: object{"typ": nil},
		claims: object{
			"tenant": nil,
			"scope":  nil,
			"ver":    1,
			"cid":    "0oa1",
			"scp":    []string{"email", httpapi.ScopeManage},
			"shop":   "acme",
		},
		configure: func(c *oauth.JWTConfig) {
			c.TokenTypes, c.Claims.Tenant = []string{""}, "shop"
		},
		refused: []object{{"scp": []string{"email"}}, {"shop": nil}},
		invalid: []object{{"aud": "0oa1"}},
	},
	{
		name:   "Amazon Cognito",
		header: object{"typ": nil},
		claims: object{
			"tenant":    nil,
			"aud":       nil,
			"token_use": "access",
			"client_id": "7example",
			"scope":     "indexing/manage indexing/view",
			"version":   2,
		},
		configure: func(c *oauth.JWTConfig) {
			c.TokenTypes, c.Audience, c.AudienceClaim = []string{""}, []string{"7example", "8example"}, "client_id"
			c.Claims = oauth.Claims{
				ScopeNames: manageNames,
				Grant: func(_ context.Context, claims map[string]any, read oauth.Grant) (oauth.Grant, error) {
					if claims["token_use"] != "access" {
						return oauth.Grant{}, httpapi.ErrInvalidToken
					}
					if claims["client_id"] == "7example" {
						read.Tenants = []string{"acme"}
					}
					return read, nil
				},
			}
		},
		refused: []object{{"client_id": "8example"}, {"scope": "indexing/view"}},
		invalid: []object{
			{"client_id": nil, "aud": "7example"},
			{"token_use": "id"},
			{"client_id": "9example"},
			{"client_id": 7},
		},
	},
	{
		name:   "Ory Hydra",
		header: object{"typ": "JWT"},
		claims: object{
			"tenant": nil,
			"scope":  nil,
			"scp":    []string{httpapi.ScopeManage},
			"ext":    object{"shop": object{"tenants": []string{"acme"}}},
		},
		configure: func(c *oauth.JWTConfig) {
			c.TokenTypes, c.Claims.Tenant = []string{"JWT"}, "/ext/shop/tenants"
		},
		refused: []object{
			{"ext": object{"shop": "acme"}},
			{"ext": nil},
			{"ext": object{"shop": object{"tenants": object{"acme": true}}}},
		},
	},
	{
		name: "Zitadel",
		claims: object{
			"scope":  nil,
			"tenant": nil,
			"urn:zitadel:iam:user:resourceowner:name": "acme",
			"urn:zitadel:iam:org:project:roles":       object{"catalog-admin": object{"1": "acme.example"}},
		},
		configure: func(c *oauth.JWTConfig) {
			c.Claims = oauth.Claims{
				Tenant:     "urn:zitadel:iam:user:resourceowner:name",
				Scopes:     []string{"/urn:zitadel:iam:org:project:roles/*"},
				ScopeNames: manageNames,
			}
		},
		refused: []object{
			{"urn:zitadel:iam:org:project:roles": object{}},
			{"urn:zitadel:iam:org:project:roles": object{"catalog": object{"catalog-admin": ""}}},
		},
	},
	{
		name:   "an operator's tokens, for all tenants",
		claims: object{"tenant": nil, "groups": []string{"catalog-admin", "operators"}, "scope": nil},
		configure: func(c *oauth.JWTConfig) {
			c.Claims = oauth.Claims{
				Tenant:     "tenant",
				Scopes:     []string{"groups"},
				ScopeNames: manageNames,
				Grant: func(_ context.Context, _ map[string]any, read oauth.Grant) (oauth.Grant, error) {
					read.AllTenants = slices.Contains(read.Scopes, "operators")
					return read, nil
				},
			}
		},
		refused: []object{
			{"groups": []string{"catalog-admin"}},
			{"groups": []string{"operators"}},
			{"groups": []string{"catalog-admin"}, "tenant": "*"},
		},
	},
}

// The access tokens of each server, signed and introspected, grant their tenant and scopes. With changed claims, they
// do not.
func TestProviders(t *testing.T) {
	for _, p := range providers {
		server := newAuthServer(t)
		cfg := server.jwtConfig(server.direct())
		cfg.TokenTypes = nil
		p.configure(&cfg)
		authorize := newJWT(t, cfg)
		expect := func(changes object, want string) {
			t.Helper()
			claims := maps.Clone(p.claims)
			maps.Copy(claims, changes)
			if err := ask(authorize, server.sign(t, p.header, claims)); kindOf(err) != want {
				t.Errorf("%s with %v: got %v, want %s", p.name, changes, err, want)
			}
			if cfg.AudienceClaim != "" {
				return
			}
			said := server.claims(claims)
			said["active"] = true
			body, err := json.Marshal(said)
			if err != nil {
				t.Fatal(err)
			}
			server.breakBy(answer(introspectPath, http.StatusOK, string(body)))
			opaque := server.introspectionConfig(server.direct())
			opaque.Claims, opaque.Audience = cfg.Claims, cfg.Audience
			if err := ask(newIntrospection(t, opaque), "opaque"); kindOf(err) != want {
				t.Errorf("%s, introspected with %v: got %v, want %s", p.name, changes, err, want)
			}
		}
		expect(nil, "allowed")
		for _, changes := range p.refused {
			expect(changes, "scope")
		}
		for _, changes := range p.invalid {
			expect(changes, "invalid")
		}
	}
}
