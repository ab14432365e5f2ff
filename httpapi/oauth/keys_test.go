package oauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// A key that is published again for another algorithm is found like a new key.
func TestNewAlgorithm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAuthServer(t)
		authorize := newJWT(t, server.jwtConfig(server.direct()))
		server.keys[0].alg = jose.ES384
		token := server.sign(t, nil, nil)
		if err := ask(authorize, token); kindOf(err) != "invalid" {
			t.Error(err)
		}
		server.keys[0].alg = jose.ES256
		<-time.After(10 * time.Second)
		if err := ask(authorize, token); err != nil || server.called("/keys") != 2 {
			t.Error(err)
		}
	})
}

// Only published keys that are for signatures and are long enough are used. Invalid keys do not affect the others.
func TestKeysThatDoNotCount(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	server := newAuthServer(t)
	server.keys = []*signingKey{{id: "k", alg: jose.ES256, private: key}}
	token := server.sign(t, nil, nil)
	marshal := func(k jose.JSONWebKey, edit func(map[string]any)) string {
		t.Helper()
		data, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		if edit != nil {
			edit(m)
		}
		if data, err = json.Marshal(m); err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	public := jose.JSONWebKey{Key: key.Public(), KeyID: "k"}
	other := jose.JSONWebKey{Key: key.Public(), KeyID: "other"}
	for _, tc := range []struct {
		name, keys, want string
	}{
		{"bare", marshal(public, nil), "allowed"},
		{
			"for signatures", marshal(public, func(m map[string]any) { m["use"], m["key_ops"] = "sig", []string{"verify"} }),
			"allowed",
		},
		{
			"with a certificate that is not looked at",
			marshal(public, func(m map[string]any) { m["x5u"], m["x5c"] = "https://evil.example", []string{"AAAA"} }),
			"allowed",
		},
		{
			"among odd ones", `{"kty":"what"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"k"},` + marshal(public, nil),
			"allowed",
		},
		{
			"for encryption", marshal(public, func(m map[string]any) { m["use"] = "enc" }) + "," + marshal(other, nil),
			"invalid",
		},
		{
			"for signing only",
			marshal(public, func(m map[string]any) { m["key_ops"] = []string{"sign"} }) + "," + marshal(other, nil), "invalid",
		},
		{"for another algorithm", marshal(public, func(m map[string]any) { m["alg"] = "ES384" }), "invalid"},
		{"a secret under its name", `{"kty":"oct","k":"c2VjcmV0","kid":"k"},` + marshal(other, nil), "invalid"},
		{"a short key", marshal(jose.JSONWebKey{Key: short.Public(), KeyID: "k"}, nil), "undecided"},
	} {
		server.breakBy(answer("/keys", http.StatusOK, `{"keys":[`+tc.keys+`]}`))
		if err := ask(newJWT(t, server.jwtConfig(server.direct())), token); kindOf(err) != tc.want {
			t.Errorf("%s: got %v, want %s", tc.name, err, tc.want)
		}
	}
}
