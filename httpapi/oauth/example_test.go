package oauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"productindex/httpapi"
	"productindex/httpapi/oauth"
)

// A host accepts a token of its own and signed tokens of others. A client that fails 20 times in a row is refused, and
// then has one attempt every 10 seconds.
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
		Issuer:   "https://auth.example",
		Audience: []string{"https://indexing.example"},
		JWKS:     "https://auth.example/keys",
		Claims:   oauth.Claims{Tenant: "tenant"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	authorize, err := httpapi.LimitFailures(
		oauth.First(deployment, signed),
		httpapi.Rate{Every: 10 * time.Second, Burst: 20},
		nil,
	)
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

// A host asks the authorization server about opaque tokens.
func ExampleIntrospection() {
	authorize, err := oauth.Introspection(oauth.IntrospectionConfig{
		URL:          "https://auth.example/oauth/introspect",
		ClientID:     "indexing",
		ClientSecret: "from the host's secrets",
		Claims:       oauth.Claims{Tenant: "tenant"},
		MaxAge:       10 * time.Second, // a revoked token is accepted for up to 10 s
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest(http.MethodPost, "/indexing/acme/reindex?access_token=abc", nil)
	fmt.Println(authorize(r, "acme", httpapi.ScopeManage))
	// Output: invalid access token: there is no Authorization header
}

// The claims of Keycloak's tokens: the realm has an organization per tenant, and roles for those who may view and
// reindex.
func ExampleClaims() {
	authorize, err := oauth.JWT(oauth.JWTConfig{
		Issuer:     "https://keycloak.example/realms/shops", // its metadata has the URL of its keys
		Audience:   []string{"indexing"},
		TokenTypes: []string{"JWT"},
		Claims: oauth.Claims{
			Tenant: "/organization/*",
			Scopes: []string{"/realm_access/roles"},
			ScopeNames: map[string][]string{
				httpapi.ScopeView:   {"catalog-viewer", "catalog-admin"},
				httpapi.ScopeManage: {"catalog-admin"},
			},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest(http.MethodPost, "/indexing/acme/reindex", nil)
	r.Header.Set("Authorization", "Bearer e30.e30.e30")
	fmt.Println(authorize(r, "acme", httpapi.ScopeManage))
	// Output: invalid access token: the token's algorithm (alg) is not one of Algorithms
}

// The function Grant turns the id of a directory into a tenant.
func ExampleClaims_grant() {
	shops := map[string]string{"72f988bf-86f1-41af-91ab-2d7cd011db47": "acme"} // the host's own table
	claims := oauth.Claims{
		Tenant: "tid",
		Scopes: []string{"roles"},
		Grant: func(_ context.Context, _ map[string]any, read oauth.Grant) (oauth.Grant, error) {
			for i, directory := range read.Tenants {
				read.Tenants[i] = shops[directory]
			}
			return read, nil
		},
	}
	_, err := oauth.JWT(oauth.JWTConfig{
		Issuer:     "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
		Audience:   []string{"6e74172b-be56-4843-9ff4-e66a39bb12e3"},
		TokenTypes: []string{"JWT"},
		Claims:     claims,
	})
	fmt.Println(err)
	// Output: <nil>
}

// A fixed token for development.
func ExampleStatic() {
	authorize, err := oauth.Static(
		oauth.StaticToken{Token: "dev-token", Tenants: []string{"acme"}, Scopes: []string{httpapi.ScopeView}},
	)
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

// A host accepts tokens that its authorization server signs.
func ExampleJWT() {
	authorize, err := oauth.JWT(oauth.JWTConfig{
		Issuer:   "https://auth.example",
		Audience: []string{"https://indexing.example"},
		Claims:   oauth.Claims{Tenant: "tenant"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest(http.MethodPost, "/indexing/acme/reindex", nil)
	fmt.Println(authorize(r, "acme", httpapi.ScopeManage))
	// Output: invalid access token: there is no Authorization header
}

// A host replaces a static token: it accepts the old and the new one for a while.
func ExampleFirst() {
	var accepted []httpapi.Authorizer
	for _, token := range []string{"old-token", "new-token"} {
		authorize, err := oauth.Static(oauth.StaticToken{
			Token: token, Tenants: []string{oauth.AnyTenant}, Scopes: []string{httpapi.ScopeManage},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		accepted = append(accepted, authorize)
	}
	authorize := oauth.First(accepted...)
	for _, token := range []string{"old-token", "new-token", "guess"} {
		r := httptest.NewRequest(http.MethodPost, "/indexing/acme/reindex", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		fmt.Println(authorize(r, "acme", httpapi.ScopeManage))
	}
	// Output:
	// <nil>
	// <nil>
	// invalid access token: the token is not known
}
