package oauth_test

import (
	"context"
	"errors"
	"testing"

	"productindex/httpapi"
	"productindex/httpapi/oauth"
)

// The error names the claim that is missing or empty.
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
		{claims: object{"tenant": "globex"}, want: `the token is for another tenant` + missing},
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
			t.Errorf("%v: got %v, want %s", tc.claims, err, tc.want)
		}
	}
}
