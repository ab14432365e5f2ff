package oauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"productindex/httpapi"
	"productindex/httpapi/oauth"
)

// ask returns the error of an Authorizer for a request that triggers a reindex of acme.
func ask(authorize httpapi.Authorizer, token string) error {
	return askWithin(context.Background(), authorize, token)
}

func askWithin(ctx context.Context, authorize httpapi.Authorizer, token string) error {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/indexing/acme/reindex", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return authorize(r, "acme", httpapi.ScopeManage)
}

// kindOf names the kind of an Authorizer's error.
func kindOf(err error) string {
	var scope *httpapi.ScopeError
	switch {
	case err == nil:
		return "allowed"
	case errors.Is(err, httpapi.ErrExpiredToken):
		return "expired"
	case errors.Is(err, httpapi.ErrInvalidToken):
		return "invalid"
	case errors.As(err, &scope):
		return "scope"
	default:
		return "undecided"
	}
}

func newJWT(t *testing.T, cfg oauth.JWTConfig) httpapi.Authorizer {
	t.Helper()
	authorize, err := oauth.JWT(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return authorize
}

// The outcome for a token that the server's key has signed follows from its header and claims.
func TestSignedTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAuthServer(t)
		cfg := server.jwtConfig(server.direct())
		cfg.TokenTypes = nil
		authorize := newJWT(t, cfg)
		now := time.Now().Unix()
		type object = map[string]any
		for _, tc := range []struct {
			name           string
			header, claims object
			want           string
		}{
			{name: "plain", want: "allowed"},
			{name: "media type", header: object{"typ": "Application/AT+JWT"}, want: "allowed"},
			{name: "one of several audiences", claims: object{"aud": []string{"orders", audience}}, want: "allowed"},
			{name: "within the leeway", claims: object{"exp": now - 29}, want: "allowed"},
			{name: "nbf within the leeway", claims: object{"nbf": now + 29}, want: "allowed"},
			{name: "one of several tenants", claims: object{"tenant": []any{"globex", 1, "acme"}}, want: "allowed"},
			{name: "one of several scopes", claims: object{"scope": "openid  indexing.search_manage"}, want: "allowed"},
			{name: "scp string", claims: object{"scope": nil, "scp": "a indexing.search_manage"}, want: "allowed"},
			{name: "scp array", claims: object{"scope": nil, "scp": []string{"a", "indexing.search_manage"}}, want: "allowed"},
			{name: "no kid", header: object{"kid": nil}, want: "allowed"},
			{
				name:   "its own keys",
				header: object{"jku": "https://evil.example", "x5u": "https://evil.example", "jwk": object{"kty": "oct"}},
				want:   "allowed",
			},

			{name: "scope before scp", claims: object{"scope": "a", "scp": "indexing.search_manage"}, want: "scope"},
			{name: "no scope", claims: object{"scope": nil}, want: "scope"},
			{name: "scope in upper case", claims: object{"scope": "INDEXING.SEARCH_MANAGE"}, want: "scope"},
			{name: "scope that is an object", claims: object{"scope": object{"indexing.search_manage": true}}, want: "scope"},
			{name: "view only", claims: object{"scope": httpapi.ScopeView}, want: "scope"},
			{name: "no tenant", claims: object{"tenant": nil}, want: "scope"},
			{name: "another tenant", claims: object{"tenant": "globex"}, want: "scope"},
			{name: "tenant in upper case", claims: object{"tenant": "ACME"}, want: "scope"},
			{name: "two tenants in a string", claims: object{"tenant": "globex acme"}, want: "scope"},
			{name: "any tenant", claims: object{"tenant": "*"}, want: "scope"},
			{name: "tenant that is true", claims: object{"tenant": true}, want: "scope"},

			{name: "beyond the leeway", claims: object{"exp": now - 30}, want: "expired"},
			{name: "expired, of another tenant", claims: object{"exp": now - 30, "tenant": "globex"}, want: "expired"},
			{name: "expired, of another audience", claims: object{"exp": now - 30, "aud": "orders"}, want: "invalid"},
			{name: "expired, not valid yet", claims: object{"exp": now - 30, "nbf": now + 60}, want: "invalid"},
			{name: "not valid yet", claims: object{"nbf": now + 31}, want: "invalid"},
			{name: "no exp", claims: object{"exp": nil}, want: "invalid"},
			{name: "exp that is a string", claims: object{"exp": fmt.Sprint(now + 60)}, want: "invalid"},
			{name: "no audience", claims: object{"aud": nil}, want: "invalid"},
			{name: "another audience", claims: object{"aud": "indexing2"}, want: "invalid"},
			{name: "audience that is a number", claims: object{"aud": 1}, want: "invalid"},
			{name: "no issuer", claims: object{"iss": nil}, want: "invalid"},
			{name: "another issuer", claims: object{"iss": server.issuer + "/"}, want: "invalid"},
			{name: "bound", claims: object{"cnf": object{"jkt": "x"}}, want: "invalid"},
			{name: "ID token", header: object{"typ": "JWT"}, want: "invalid"},
			{name: "no type", header: object{"typ": nil}, want: "invalid"},
			{name: "type that is a number", header: object{"typ": 1}, want: "invalid"},
			{name: "extension", header: object{"crit": []string{"b64"}, "b64": false}, want: "invalid"},
			{name: "kid that is a number", header: object{"kid": 1}, want: "invalid"},
			{name: "kid that is a path", header: object{"kid": "../../dev/null"}, want: "invalid"},
			{name: "no algorithm", header: object{"alg": nil}, want: "invalid"},
			{name: "unheard-of algorithm", header: object{"alg": "XS256"}, want: "invalid"},
			{name: "another curve", header: object{"alg": "ES384"}, want: "invalid"},
			{name: "another kind", header: object{"alg": "RS256"}, want: "invalid"},
		} {
			err := ask(authorize, server.sign(t, tc.header, tc.claims))
			if got := kindOf(err); got != tc.want {
				t.Errorf("%s: got %v, want %s", tc.name, err, tc.want)
			}
		}
	})
}

// Without a leeway, a token expires exactly at exp.
func TestNoLeeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAuthServer(t)
		cfg := server.jwtConfig(server.direct())
		cfg.Leeway = -time.Hour
		authorize := newJWT(t, cfg)
		token := server.sign(t, nil, map[string]any{"exp": time.Now().Add(time.Second).Unix()})
		if err := ask(authorize, token); err != nil {
			t.Error(err)
		}
		<-time.After(time.Second)
		if err := ask(authorize, token); kindOf(err) != "expired" {
			t.Error(err)
		}
	})
}

// Ed25519 is another name of EdDSA. A key that is published under one name verifies tokens of the other. A key of
// another kind does not.
func TestNamesOfEd25519(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	server := newAuthServer(t)
	newJWT(t, server.jwtConfig(server.direct())) // registers the name in the library that signs here
	for _, published := range []string{"EdDSA", "Ed25519", "ES256", ""} {
		for _, signed := range []string{"EdDSA", "Ed25519"} {
			server.keys = []*signingKey{{id: "k", alg: jose.SignatureAlgorithm(published), private: key}}
			token := jwt.NewWithClaims(jwt.GetSigningMethod(signed), server.claims(nil))
			token.Header["typ"], token.Header["kid"] = "at+jwt", "k"
			text, err := token.SignedString(key)
			if err != nil {
				t.Fatal(err)
			}
			want := "allowed"
			if published == "ES256" {
				want = "invalid"
			}
			if err := ask(newJWT(t, server.jwtConfig(server.direct())), text); kindOf(err) != want {
				t.Errorf("%s by a key for %q: got %v, want %s", signed, published, err, want)
			}
			cfg := server.jwtConfig(server.direct())
			cfg.Algorithms = []string{"EdDSA", "ES256"}
			if err := ask(newJWT(t, cfg), text); signed == "Ed25519" && kindOf(err) != "invalid" {
				t.Errorf("Ed25519 if it is not in Algorithms: got %v, want an invalid token", err)
			}
		}
	}
	server.rotate(t) // to a key of another kind
	if err := ask(newJWT(t, server.jwtConfig(server.direct())),
		server.sign(t, map[string]any{"alg": "Ed25519"}, nil)); kindOf(err) != "invalid" {
		t.Errorf("a key of another kind: got error %v, want an invalid token", err)
	}
}

// If TokenTypes has only the empty type, only tokens without a type are accepted.
func TestNoType(t *testing.T) {
	server := newAuthServer(t)
	for _, tc := range []struct {
		types []string
		typ   any
		want  string
	}{
		{[]string{""}, nil, "allowed"},
		{[]string{""}, "", "allowed"},
		{[]string{""}, 1, "invalid"},
		{[]string{""}, []string{}, "invalid"},
		{[]string{""}, "JWT", "invalid"},
		{[]string{""}, "application/", "allowed"},
		{[]string{"at+jwt", ""}, "at+jwt", "allowed"},
		{[]string{"at+jwt"}, nil, "invalid"},
		{[]string{"JWT"}, "", "invalid"},
		{nil, nil, "invalid"},
	} {
		cfg := server.jwtConfig(server.direct())
		cfg.TokenTypes = tc.types
		if err := ask(newJWT(t, cfg), server.sign(t, map[string]any{"typ": tc.typ}, nil)); kindOf(err) != tc.want {
			t.Errorf("type %v if %q are accepted: got %v, want %s", tc.typ, tc.types, err, tc.want)
		}
	}
}

// Every algorithm that a host configures works with its keys.
func TestAlgorithms(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec := func(c elliptic.Curve) *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	server := newAuthServer(t)
	byDefault := newJWT(t, server.jwtConfig(server.direct()))
	for _, tc := range []struct {
		alg       string
		key       any
		isDefault bool
	}{
		{"RS256", rsaKey, true},
		{"RS384", rsaKey, false},
		{"RS512", rsaKey, false},
		{"PS256", rsaKey, true},
		{"PS384", rsaKey, false},
		{"PS512", rsaKey, false},
		{"ES256", ec(elliptic.P256()), true},
		{"ES384", ec(elliptic.P384()), false},
		{"ES512", ec(elliptic.P521()), false},
		{"EdDSA", edKey, true},
		{"Ed25519", edKey, true},
	} {
		server.keys = []*signingKey{
			{id: "of " + tc.alg, alg: jose.SignatureAlgorithm(tc.alg), private: tc.key.(crypto.Signer)},
		}
		cfg := server.jwtConfig(server.direct())
		cfg.Algorithms = []string{tc.alg}
		token := jwt.NewWithClaims(jwt.GetSigningMethod(tc.alg), jwt.MapClaims{
			"iss":    server.issuer,
			"aud":    audience,
			"exp":    time.Now().Add(time.Hour).Unix(),
			"tenant": "acme",
			"scope":  httpapi.ScopeManage,
		})
		token.Header["typ"], token.Header["kid"] = "at+jwt", "of "+tc.alg
		signed, err := token.SignedString(tc.key)
		if err != nil {
			t.Fatal(err)
		}
		if err := ask(newJWT(t, cfg), signed); err != nil {
			t.Errorf("%s: got error %v, want none", tc.alg, err)
		}
		cfg.Algorithms = []string{"ES256"}
		if tc.alg == "ES256" {
			cfg.Algorithms = []string{"RS256"}
		}
		if err := ask(newJWT(t, cfg), signed); kindOf(err) != "invalid" {
			t.Errorf("%s if only %v is accepted: got %v, want an invalid token", tc.alg, cfg.Algorithms, err)
		}
		if err := ask(byDefault, signed); !tc.isDefault && kindOf(err) != "invalid" {
			t.Errorf("%s by default: got error %v, want an invalid token", tc.alg, err)
		}
		cfg.Algorithms = nil
		if err := ask(newJWT(t, cfg), signed); (err == nil) != tc.isDefault {
			t.Errorf("%s by default: got error %v, want one only if it is not a default", tc.alg, err)
		}
	}
}
