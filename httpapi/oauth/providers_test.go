package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"productindex/httpapi"
	"productindex/httpapi/oauth"
)

type object = map[string]any

// provider is an authorization server in the form of its access tokens, and a config that fits them. The tokens are
// written after those that the servers' documentation shows.
type provider struct {
	name           string
	header, claims object // of a token that may manage acme; nil removes what sign adds
	configure      func(*oauth.JWTConfig)
	refused        []object // changes of the claims with which the token may not
	invalid        []object // and with which it is not one
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

// The access tokens of real servers, signed and introspected, grant what they say, and nothing once a claim is another
// one.
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
				t.Errorf("%s with %v: %v, want %s", p.name, changes, err, want)
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
				t.Errorf("%s, introspected with %v: %v, want %s", p.name, changes, err, want)
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

// The host's log says which claim is missing or has nothing in it. The response says the same for all.
func TestMissingClaims(t *testing.T) {
	const missing = ": missing required scopes: " + httpapi.ScopeManage
	server := newAuthServer(t)
	for _, tc := range []struct {
		claims    object
		configure func(*oauth.JWTConfig)
		want      string
	}{
		{claims: object{"tenant": nil}, want: `the token has no claim "tenant"` + missing},
		{claims: object{"tenant": object{"acme": true}}, want: `the token's claim "tenant" has no string` + missing},
		{claims: object{"tenant": "globex"}, want: `the token is of another tenant` + missing},
		{claims: object{"scope": nil}, want: `no scope is in the token's claims "scope", "scp"` + missing},
		{claims: object{"scope": "s3cr3t"}, want: missing[2:]},
		{
			claims:    object{"org": object{"name": 1}},
			configure: func(c *oauth.JWTConfig) { c.Claims.Tenant = "/org/id" },
			want:      `the token has no claim "/org/id"` + missing,
		},
		{
			configure: func(c *oauth.JWTConfig) { c.Claims.Scopes = []string{"roles", "/realm_access/roles"} },
			want:      `no scope is in the token's claims "roles", "/realm_access/roles"` + missing,
		},
		{
			configure: func(c *oauth.JWTConfig) {
				c.Claims = oauth.Claims{
					Grant: func(context.Context, map[string]any, oauth.Grant) (oauth.Grant, error) { return oauth.Grant{}, nil },
				}
			},
			want: "Claims.Grant named no tenant" + missing,
		},
		{
			configure: func(c *oauth.JWTConfig) {
				c.Claims = oauth.Claims{Grant: func(context.Context, map[string]any, oauth.Grant) (oauth.Grant, error) {
					return oauth.Grant{AllTenants: true}, nil
				}}
			},
			want: "Claims.Grant named no scope" + missing,
		},
		{
			configure: func(c *oauth.JWTConfig) {
				c.Claims.Grant = func(context.Context, map[string]any, oauth.Grant) (oauth.Grant, error) {
					return oauth.Grant{}, errors.New("the database is down")
				}
			},
			want: "reading the claims with the host's Claims.Grant: the database is down",
		},
		{claims: object{"exp": nil}, want: "invalid access token: token is missing required claim: exp"},
		{
			claims: object{"iss": nil},
			want:   `invalid access token: token has invalid issuer: its claim "iss" is not "https://auth.test"`,
		},
		{
			claims: object{"iss": "s3cr3t"},
			want:   `invalid access token: token has invalid issuer: its claim "iss" is not "https://auth.test"`,
		},
		{
			claims: object{"aud": nil},
			want:   `invalid access token: token is missing required claim: the token has no claim "aud"`,
		},
		{
			claims: object{"aud": "s3cr3t"},
			want:   `invalid access token: token has invalid audience: its claim "aud" has none of the accepted names`,
		},
		{
			configure: func(c *oauth.JWTConfig) { c.AudienceClaim = "/client/id" },
			want:      `invalid access token: token is missing required claim: the token has no claim "/client/id"`,
		},
	} {
		cfg := server.jwtConfig(server.direct())
		if tc.configure != nil {
			tc.configure(&cfg)
		}
		err := ask(newJWT(t, cfg), server.sign(t, nil, tc.claims))
		if err == nil || err.Error() != tc.want {
			t.Errorf("%v: %v, want %s", tc.claims, err, tc.want)
		}
	}
}

// The verdict of a host's function on an introspected token is remembered as the answer is, and is not a failure of
// the server.
func TestGrantOfIntrospection(t *testing.T) {
	server := newAuthServer(t, &oauthClient{id: "shop", opaque: true, tenant: "acme"})
	client := server.direct()
	token := server.token(t, client, "shop")
	var fails error
	asked := 0
	cfg := server.introspectionConfig(client)
	cfg.Claims.Grant = func(_ context.Context, claims map[string]any, read oauth.Grant) (oauth.Grant, error) {
		asked++
		if claims["active"] != true || !slices.Equal(read.Tenants, []string{"acme"}) {
			t.Errorf("claims %v, read %v", claims, read)
		}
		return read, fails
	}
	authorize := newIntrospection(t, cfg)
	fails = errors.New("the database is down")
	for range 10 { // more often than the server may fail
		if err := ask(authorize, token); kindOf(err) != "undecided" || !strings.Contains(err.Error(), fails.Error()) {
			t.Errorf("while the function fails: %v", err)
		}
	}
	fails = nil
	for range 2 {
		if err := ask(authorize, token); err != nil {
			t.Error(err)
		}
	}
	if n := server.called(introspectPath); asked != 11 || n != 11 {
		t.Errorf("the function was called %d times, the server %d times", asked, n)
	}
	for _, refusal := range []error{httpapi.ErrInvalidToken, httpapi.ErrExpiredToken, &httpapi.ScopeError{}} {
		fails = refusal
		fresh := server.token(t, client, "shop")
		for range 2 {
			if err := ask(authorize, fresh); !errors.Is(err, refusal) {
				t.Errorf("%v, want %v", err, refusal)
			}
		}
	}
	if asked != 14 {
		t.Errorf("the function was called %d times: refusals are not remembered", asked)
	}
}

// A failing function of a JWT's claims gets the documented 403, and what it may not show stays out.
func TestGrantFails(t *testing.T) {
	server := newAuthServer(t)
	cfg := server.jwtConfig(server.direct())
	cfg.Claims.Grant = func(context.Context, map[string]any, oauth.Grant) (oauth.Grant, error) { panic("no such shop") }
	s := serve(t, newJWT(t, cfg))
	status, body, _ := s.post(t, "acme", server.sign(t, nil, nil))
	if status != http.StatusForbidden || !strings.Contains(body, httpapi.MessageNotAuthorized) ||
		strings.Contains(body, "shop") ||
		!strings.Contains(s.logged(), "no such shop") {
		t.Errorf("%d %s; log %s", status, body, s.logged())
	}
}
