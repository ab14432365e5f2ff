package oauth

import (
	"crypto"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"productindex/httpapi"
)

// FuzzKeys checks that each accepted key is public, and fits only algorithms of its kind.
func FuzzKeys(f *testing.F) {
	for _, seed := range []string{
		`{"keys":[{"kty":"EC","crv":"P-256","kid":"k","use":"sig","alg":"ES256",` +
			`"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
		`{"keys":[{"kty":"OKP","crv":"X25519","x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"}]}`,
		`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","key_ops":["verify"]}]}`,
		`{"keys":[{"kty":"RSA","n":"","e":"AAAAAAAAAAAAAAAAAAAAAA","x5c":["AA"],"x5u":"https://evil.example"}]}`,
		`{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"k"}]}`,
		`{"keys":null}`, `{}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var published jwkset.JWKSMarshal
		if json.Unmarshal(data, &published) != nil {
			return
		}
		for _, k := range published.Keys {
			public := publicKey(k)
			if public == nil {
				continue
			}
			if _, secret := public.(crypto.Signer); secret {
				t.Fatalf("%s: a private key is accepted, want only public ones", data)
			}
			kinds := map[string]bool{}
			for _, alg := range publicKeyAlgorithms {
				if fits(public, alg) {
					kinds[alg[:1]] = true
				}
			}
			rsa := len(kinds) == 2 && kinds["R"] && kinds["P"]
			if !rsa && len(kinds) != 1 || fits(public, "HS256") || fits(public, "none") {
				t.Fatalf("%s: %T fits %v, want one kind of algorithm", data, public, kinds)
			}
		}
	})
}

// FuzzIntrospection checks that a token is accepted only if the server's answer says that it is active, for this
// service, and not bound to a key.
func FuzzIntrospection(f *testing.F) {
	for _, seed := range []string{
		`{"active":true,"scope":"indexing.search_manage","tenant":"acme","aud":"indexing","exp":9999999999}`,
		`{"active":true,"scp":["indexing.search_manage"],"tenant":["acme"],"aud":["indexing"]}`,
		`{"active":true,"aud":[1],"exp":"x"}`, `{"active":true,"aud":{},"exp":1e300}`, `{"active":"true"}`,
		`{"active":false}`, `null`, `{"cnf":null,"active":true,"aud":"indexing"}`,
	} {
		f.Add([]byte(seed))
	}
	i := &introspector{
		cfg: IntrospectionConfig{
			Claims:        Claims{Tenant: "tenant"},
			Audience:      []string{"indexing"},
			MaxAge:        time.Minute,
			RefusedMaxAge: time.Second,
		},
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		claims := jwt.MapClaims{}
		if json.Unmarshal(data, &claims) != nil {
			return
		}
		said, err := readAnswer(claims)
		if err != nil {
			if isRefusal(err) {
				t.Fatalf("%s: got the refusal %v for an invalid answer, want that it is undecided", data, err)
			}
			return
		}
		v, err := i.judge(t.Context(), said)
		if err != nil {
			t.Fatalf("%s: got error %v, want none", data, err)
		}
		if v.refused != nil {
			return
		}
		if _, bound := claims["cnf"]; claims["active"] != true || bound || !i.accepts(said.audience) || v.until.IsZero() {
			t.Fatalf("%s is accepted, want only active tokens that are not bound", data)
		}
		if v.granted.check("acme", httpapi.ScopeManage) == nil && claims["tenant"] == nil {
			t.Fatalf("%s is accepted for a tenant, want a token with a tenant", data)
		}
	})
}

// FuzzPlace checks that a name and a pointer to the same claim find the same strings, and that these are in the claims.
func FuzzPlace(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"tenant":"acme"}`, "tenant"}, {`{"a/b":{"~":["acme",1]}}`, "a/b"}, {`{"":{"":"acme"}}`, "/"},
		{`{"org":{"acme":{}}}`, "/org/*"},
		{`{"a":{"b":"c"}}`, "/a/b"}, {`null`, "/a"}, {`{"~1":["x"]}`, "~1"}, {`{"*":"x"}`, "*"},
		{`{"https://x.example/t":"acme"}`, "https://x.example/t"},
	} {
		f.Add([]byte(seed[0]), seed[1])
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		var claims map[string]any
		if json.Unmarshal(data, &claims) != nil || place(text).validate() != nil {
			return
		}
		found, missing := place(text).strings(claims)
		if (len(found) == 0) != (missing != "") {
			t.Fatalf("%q in %s: got %q and the reason %q, want one of them", text, data, found, missing)
		}
		for _, s := range found {
			quoted, err := json.Marshal(s)
			if err != nil || utf8.Valid(data) && !strings.Contains(unescaped(t, claims), string(quoted)) {
				t.Fatalf("%q in %s: got %q, want a string of the claims", text, data, s)
			}
		}
		if place(text).isPointer() || text == "*" {
			return
		}
		if by, _ := place("/" + escape.Replace(text)).strings(claims); !slices.Equal(by, found) {
			t.Fatalf("%q in %s: got %q by name and %q by pointer, want the same", text, data, found, by)
		}
	})
}

// unescaped returns the claims as encoding/json escapes them.
func unescaped(t *testing.T, claims map[string]any) string {
	t.Helper()
	data, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
