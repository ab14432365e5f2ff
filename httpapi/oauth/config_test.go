package oauth_test

import (
	"strings"
	"testing"

	"productindex/httpapi/oauth"
)

// The error of an invalid Config names each invalid setting.
func TestInvalidConfigs(t *testing.T) {
	jwt := func(edit func(*oauth.JWTConfig)) func() error {
		return func() error {
			cfg := oauth.JWTConfig{
				Issuer:   "https://auth.example",
				Audience: []string{"indexing"},
				JWKS:     "https://auth.example/keys",
				Claims:   oauth.Claims{Tenant: "tenant"},
			}
			edit(&cfg)
			_, err := oauth.JWT(cfg)
			return err
		}
	}
	introspection := func(edit func(*oauth.IntrospectionConfig)) func() error {
		return func() error {
			cfg := oauth.IntrospectionConfig{
				URL:          "https://auth.example/introspect",
				ClientID:     "id",
				ClientSecret: "s3cr3t",
				Claims:       oauth.Claims{Tenant: "tenant"},
			}
			edit(&cfg)
			_, err := oauth.Introspection(cfg)
			return err
		}
	}
	static := func(tokens ...oauth.StaticToken) func() error {
		return func() error {
			_, err := oauth.Static(tokens...)
			return err
		}
	}
	one := []string{"x"}
	for name, tc := range map[string]struct {
		construct func() error
		want      string // words in the error; empty if there is no error
	}{
		"JWT": {jwt(func(*oauth.JWTConfig) {}), ""},
		"JWT without anything": {
			func() error { _, err := oauth.JWT(oauth.JWTConfig{}); return err }, "Issuer Audience Claims.Tenant",
		},
		"JWT, empty audience": {jwt(func(c *oauth.JWTConfig) { c.Audience = []string{""} }), "Audience"},
		"JWT, none":           {jwt(func(c *oauth.JWTConfig) { c.Algorithms = []string{"none"} }), `"none"`},
		"JWT, HMAC": {
			jwt(func(c *oauth.JWTConfig) { c.Algorithms = []string{"ES256", "HS256", "HS512"} }), `"HS256" "HS512"`,
		},
		"JWT, no algorithm": {jwt(func(c *oauth.JWTConfig) { c.Algorithms = []string{""} }), `""`},
		"JWT, negative times": {
			jwt(func(c *oauth.JWTConfig) { c.Timeout, c.KeysMinInterval = -1, -1 }), "Timeout KeysMinInterval",
		},
		"JWT, stale before old": {
			jwt(func(c *oauth.JWTConfig) { c.KeysMaxAge, c.KeysMaxStale = 2, 1 }), "KeysMaxStale",
		},
		"JWT, old before the interval": {
			jwt(func(c *oauth.JWTConfig) { c.KeysMaxAge, c.KeysMinInterval = 1, 2 }), "KeysMinInterval",
		},
		"JWT, no leeway":      {jwt(func(c *oauth.JWTConfig) { c.Leeway = -1 }), ""},
		"JWT, keys for long":  {jwt(func(c *oauth.JWTConfig) { c.KeysMaxAge = 1e15 }), ""},
		"JWT, keys for short": {jwt(func(c *oauth.JWTConfig) { c.KeysMaxAge = 1 }), ""},
		"JWT, http":           {jwt(func(c *oauth.JWTConfig) { c.JWKS = "http://auth.example/keys" }), "JWKS AllowHTTP"},
		"JWT, http allowed": {
			jwt(func(c *oauth.JWTConfig) { c.JWKS, c.AllowHTTP = "http://auth.example/keys", true }), "",
		},
		"JWT, http on loopback":  {jwt(func(c *oauth.JWTConfig) { c.JWKS = "http://[::1]:1/keys" }), ""},
		"JWT, http on localhost": {jwt(func(c *oauth.JWTConfig) { c.JWKS = "http://localhost/keys" }), ""},
		"JWT, file":              {jwt(func(c *oauth.JWTConfig) { c.JWKS, c.AllowHTTP = "file:///keys", true }), "https://"},
		"JWT, no URL":            {jwt(func(c *oauth.JWTConfig) { c.JWKS = "https://%" }), "parsed"},

		"JWT, no JWKS": {jwt(func(c *oauth.JWTConfig) { c.JWKS = "" }), ""},
		"JWT, no JWKS, no URL": {
			jwt(func(c *oauth.JWTConfig) { c.JWKS, c.Issuer = "", "auth.example" }), "JWKS metadata https://",
		},
		"JWT, no JWKS, http": {
			jwt(func(c *oauth.JWTConfig) { c.JWKS, c.Issuer = "", "http://auth.example" }), "metadata AllowHTTP",
		},
		"JWT, metadata": {
			jwt(func(c *oauth.JWTConfig) { c.JWKS, c.Issuer, c.Metadata = "", "us", "https://auth.example/metadata" }), "",
		},
		"JWT, metadata, http": {
			jwt(func(c *oauth.JWTConfig) { c.JWKS, c.Metadata = "", "http://auth.example/metadata" }), "metadata AllowHTTP",
		},
		"JWT, a tilde": {jwt(func(c *oauth.JWTConfig) { c.Claims.Tenant = "/a~2" }), `"/a~2" tilde`},
		"JWT, a tilde at the end": {
			jwt(func(c *oauth.JWTConfig) { c.Claims.Scopes = []string{"a", "/b/c~"} }), `"/b/c~" tilde`,
		},
		"JWT, a tilde in a name": {jwt(func(c *oauth.JWTConfig) { c.Claims.Scopes = []string{"c~"} }), ""},
		"JWT, every claim":       {jwt(func(c *oauth.JWTConfig) { c.Claims.Scopes = []string{"/*"} }), `"/*"`},
		"JWT, no place of scopes": {
			jwt(func(c *oauth.JWTConfig) { c.Claims.Scopes = []string{""} }), "Claims.Scopes empty",
		},
		"JWT, no place of audience": {jwt(func(c *oauth.JWTConfig) { c.AudienceClaim = "/~" }), `"/~"`},
		"JWT, no names": {
			jwt(func(c *oauth.JWTConfig) { c.Claims.ScopeNames = map[string][]string{"a": nil, "b": {""}, "": {"c"}} }),
			`"a" "b" ""`,
		},

		"introspection": {introspection(func(*oauth.IntrospectionConfig) {}), ""},
		"introspection without anything": {
			func() error { _, err := oauth.Introspection(oauth.IntrospectionConfig{}); return err },
			"URL ClientID ClientSecret Claims.Tenant",
		},
		"introspection, negative": {
			introspection(func(c *oauth.IntrospectionConfig) { c.MaxAge, c.CacheSize, c.MaxFailures = -1, -1, -1 }),
			"MaxAge CacheSize MaxFailures",
		},
		"introspection, http": {
			introspection(func(c *oauth.IntrospectionConfig) { c.URL = "http://auth.example/" }), "URL AllowHTTP",
		},
		"introspection, a secret in the URL": {
			introspection(func(c *oauth.IntrospectionConfig) { c.URL = "https://id:s3cr3t@auth.example/" }), "URL",
		},

		"no tokens": {static(), "there are no tokens"},
		"static":    {static(oauth.StaticToken{Token: "t", Tenants: one, Scopes: one}), ""},
		"static, twice": {static(oauth.StaticToken{Token: "t", Tenants: one, Scopes: one},
			oauth.StaticToken{Token: "t", Tenants: one, Scopes: one}), "index 1 twice"},
		"static, nothing": {static(oauth.StaticToken{}), "Token SHA256"},
		"static, both": {
			static(oauth.StaticToken{Token: "t", SHA256: "t", Tenants: one, Scopes: one}), "Token SHA256",
		},
		"static, no tenants":     {static(oauth.StaticToken{Token: "t", Scopes: one}), "Tenants"},
		"static, no scopes":      {static(oauth.StaticToken{Token: "t", Tenants: one, Scopes: []string{""}}), "Scopes"},
		"static, no hash":        {static(oauth.StaticToken{SHA256: "abcd", Tenants: one, Scopes: one}), "SHA256"},
		"static, cannot be sent": {static(oauth.StaticToken{Token: "s3cr3t token", Tenants: one, Scopes: one}), "bearer"},
	} {
		err := tc.construct()
		if (err == nil) != (tc.want == "") {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
			continue
		}
		for want := range strings.FieldsSeq(tc.want) {
			if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%s: got %v, want an error with %q and without secrets", name, err, want)
			}
		}
	}
}
