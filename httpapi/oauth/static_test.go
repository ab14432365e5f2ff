package oauth_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"productindex/httpapi"
	"productindex/httpapi/oauth"
)

func TestStatic(t *testing.T) {
	hash := sha256.Sum256([]byte("hashed-token"))
	both := []string{httpapi.ScopeView, httpapi.ScopeManage}
	authorize, err := oauth.Static(
		oauth.StaticToken{Token: "one-tenant", Tenants: []string{"acme"}, Scopes: both},
		oauth.StaticToken{Token: "viewer", Tenants: []string{"globex", "acme"}, Scopes: both[:1]},
		oauth.StaticToken{
			SHA256:  strings.ToUpper(hex.EncodeToString(hash[:])),
			Tenants: []string{oauth.AnyTenant},
			Scopes:  both,
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ token, tenant, scope, want string }{
		{"one-tenant", "acme", httpapi.ScopeManage, "allowed"},
		{"one-tenant", "acme", httpapi.ScopeView, "allowed"},
		{"one-tenant", "globex", httpapi.ScopeView, "scope"},
		{"viewer", "acme", httpapi.ScopeView, "allowed"},
		{"viewer", "globex", httpapi.ScopeView, "allowed"},
		{"viewer", "acme", httpapi.ScopeManage, "scope"},
		{"hashed-token", "acme", httpapi.ScopeManage, "allowed"},
		{"hashed-token", "any", httpapi.ScopeView, "allowed"},
		{"hashed-token", "any", "another", "scope"},
		{hex.EncodeToString(hash[:]), "acme", httpapi.ScopeManage, "invalid"},
		{"one-tenan", "acme", httpapi.ScopeManage, "invalid"},
		{"one-tenant=", "acme", httpapi.ScopeManage, "invalid"},
		{"ONE-TENANT", "acme", httpapi.ScopeManage, "invalid"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Authorization", "Bearer "+tc.token)
		if err := authorize(r, tc.tenant, tc.scope); kindOf(err) != tc.want {
			t.Errorf("%+v: got %v, want %s", tc, err, tc.want)
		}
	}
}

func TestFirst(t *testing.T) {
	server := newAuthServer(t, &oauthClient{id: "till", opaque: true, tenant: "acme"})
	static, err := oauth.Static(
		oauth.StaticToken{Token: "deployment", Tenants: []string{"acme"}, Scopes: []string{httpapi.ScopeManage}},
		oauth.StaticToken{Token: "rival", Tenants: []string{"globex"}, Scopes: []string{httpapi.ScopeManage}},
	)
	if err != nil {
		t.Fatal(err)
	}
	client := server.direct()
	authorize := oauth.First(
		static,
		newJWT(t, server.jwtConfig(client)),
		newIntrospection(t, server.introspectionConfig(client)),
	)
	for _, tc := range []struct {
		token, want    string
		introspections int
	}{
		{"deployment", "allowed", 0},
		{"rival", "scope", 0},
		{server.sign(t, nil, nil), "allowed", 0},
		{server.sign(t, nil, map[string]any{"exp": 1}), "expired", 0},
		{server.sign(t, nil, map[string]any{"tenant": "globex"}), "scope", 0},
		{server.token(t, client, "till"), "allowed", 1},
		{"unknown", "invalid", 1},
	} {
		if err := ask(authorize, tc.token); kindOf(err) != tc.want || server.called(introspectPath) != tc.introspections {
			t.Errorf("%s: got %v, want %s", tc.token, err, tc.want)
		}
	}
	if err := ask(oauth.First(), "any"); kindOf(err) != "invalid" {
		t.Errorf("First without Authorizers: got %v, want an invalid token", err)
	}
}
