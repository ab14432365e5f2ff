package oauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"productindex/httpapi"
	"productindex/httpapi/oauth"
)

// Tokens of the deployment's own, and signed ones of everybody else; a client that fails 20 times in a row is let alone, then has one
// try each 10 seconds.
func Example() {
	deployment, err := oauth.Static(oauth.StaticToken{
		SHA256:  "2f7ed4b1f9ec42ed79f4276b14b2cf3ba0ab4f5b7e40e9cf8b6b3a9a3a0e7d2b", // printf %s "$TOKEN" | sha256sum
		Tenants: []string{oauth.AnyTenant},
		Scopes:  []string{httpapi.ScopeView, httpapi.ScopeManage},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	signed, err := oauth.JWT(oauth.JWTConfig{
		Issuer:      "https://auth.example",
		Audience:    []string{"https://indexing.example"},
		JWKS:        "https://auth.example/keys",
		TenantClaim: "tenant",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	authorize, err := httpapi.LimitFailures(oauth.First(deployment, signed), httpapi.Rate{Every: 10 * time.Second, Burst: 20}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	// httpapi.Mount(mux, engine, httpapi.Config{Authorizer: authorize})
	r := httptest.NewRequest(http.MethodPost, "/indexing/acme/reindex", nil)
	r.Header.Set("Authorization", "Bearer guessed")
	fmt.Println(authorize(r, "acme", httpapi.ScopeManage))
	// Output: invalid access token: token is malformed
}

// Opaque tokens, about which the authorization server is asked.
func ExampleIntrospection() {
	authorize, err := oauth.Introspection(oauth.IntrospectionConfig{
		URL:          "https://auth.example/oauth/introspect",
		ClientID:     "indexing",
		ClientSecret: "from the host's secrets",
		TenantClaim:  "tenant",
		MaxAge:       10 * time.Second, // a token that was revoked is accepted for as long
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest(http.MethodPost, "/indexing/acme/reindex?access_token=abc", nil)
	fmt.Println(authorize(r, "acme", httpapi.ScopeManage))
	// Output: invalid access token: there is no Authorization header
}

// A token for development.
func ExampleStatic() {
	authorize, err := oauth.Static(oauth.StaticToken{Token: "dev-token", Tenants: []string{"acme"}, Scopes: []string{httpapi.ScopeView}})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest(http.MethodGet, "/indexing/acme/reindex-jobs", nil)
	r.Header.Set("Authorization", "Bearer dev-token")
	fmt.Println(authorize(r, "acme", httpapi.ScopeView))
	fmt.Println(authorize(r, "acme", httpapi.ScopeManage))
	// Output:
	// <nil>
	// missing required scopes: indexing.search_manage
}
