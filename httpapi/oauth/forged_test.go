package oauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// encode encodes a part of a token.
func encode(part string) string { return base64.RawURLEncoding.EncodeToString([]byte(part)) }

// Tokens that the server's key has not signed are refused.
func TestForgedTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAuthServer(t)
		authorize := newJWT(t, server.jwtConfig(server.direct()))
		valid := server.sign(t, nil, nil)
		parts := strings.Split(valid, ".")
		kid := server.keys[0].id
		der, err := x509.MarshalPKIXPublicKey(server.keys[0].private.Public())
		if err != nil {
			t.Fatal(err)
		}
		published, err := json.Marshal(jose.JSONWebKey{Key: server.keys[0].private.Public()})
		if err != nil {
			t.Fatal(err)
		}
		claims, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		forged := map[string]string{
			"none":         encode(`{"alg":"none","typ":"at+jwt","kid":"`+kid+`"}`) + "." + parts[1] + ".",
			"None":         encode(`{"alg":"None","typ":"at+jwt"}`) + "." + parts[1] + "." + parts[2],
			"no signature": parts[0] + "." + parts[1] + ".",
			"other claims": parts[0] + "." + encode(strings.Replace(string(claims), "acme", "acmf", 1)) + "." + parts[2],
			"null claims":  parts[0] + "." + encode("null") + "." + parts[2],
			"array claims": parts[0] + "." + encode("[]") + "." + parts[2],
			"null header":  encode("null") + "." + parts[1] + "." + parts[2],
			"two algorithms": encode(
				`{"alg":"ES256","alg":"none","typ":"at+jwt","kid":"`+kid+`"}`,
			) + "." + parts[1] + "." + parts[2],
			"padded":          valid + "==",
			"four parts":      valid + ".x",
			"five parts":      valid + ".x.y",
			"two parts":       parts[0] + "." + parts[1],
			"dots":            strings.Repeat(".", 10_000),
			"zero signature":  parts[0] + "." + parts[1] + "." + encode(strings.Repeat("\x00", 64)),
			"trailing bits":   valid[:len(valid)-1] + nextOf(valid[len(valid)-1]),
			"short signature": parts[0] + "." + parts[1] + "." + encode("\x01\x01"),
			"deep header":     encode(`{"a":`+strings.Repeat("[", 10_000)) + "." + parts[1] + "." + parts[2],
			"too long":        valid + strings.Repeat("A", 16<<10),
			"not a JWT":       "opaque",
		}
		for _, alg := range []*jwt.SigningMethodHMAC{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
			for name, secret := range map[string][]byte{
				"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "JWK": published, "empty": {},
				"kid": []byte(kid),
			} {
				var m jwt.MapClaims
				if err := json.Unmarshal(claims, &m); err != nil {
					t.Fatal(err)
				}
				token := jwt.NewWithClaims(alg, m)
				token.Header["typ"], token.Header["kid"] = "at+jwt", kid
				forged[alg.Name+" with the public key as "+name], err = token.SignedString(secret)
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		stranger := newAuthServer(t)
		forged["another key"] = stranger.sign(t, nil, nil)
		forged["another key under the same kid"] = stranger.sign(t, map[string]any{"kid": kid}, nil)
		forged["another key without kid"] = stranger.sign(t, map[string]any{"kid": nil}, nil)
		forged["another key that it brings along"] = stranger.sign(
			t,
			map[string]any{"kid": kid, "jwk": stranger.keys[0].private.Public()},
			nil,
		)
		for name, token := range forged {
			err := ask(authorize, token)
			if kindOf(err) != "invalid" {
				t.Errorf("%s: got %v, want an invalid token", name, err)
			}
			if len(parts[2]) > 0 && strings.Contains(err.Error(), parts[2]) {
				t.Errorf("%s: got error %v, want one without the token's signature", name, err)
			}
		}
		if err := ask(authorize, valid); err != nil {
			t.Errorf("a valid token: got error %v, want none", err)
		}
	})
}

// nextOf returns a base64 digit that differs from digit only in unused bits.
func nextOf(digit byte) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return digits[strings.IndexByte(digits, digit)|1:][:1]
}

// A key of one curve never verifies a signature of another curve's algorithm.
func TestCurveConfusion(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	published, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k"}}})
	if err != nil {
		t.Fatal(err)
	}
	server := newAuthServer(t)
	server.keys = []*signingKey{{id: "k", alg: jose.ES256, private: key}}
	server.breakBy(answer("/keys", http.StatusOK, string(published)))
	cfg := server.jwtConfig(server.direct())
	cfg.Algorithms = []string{"ES256", "ES384"}
	authorize := newJWT(t, cfg)
	text := encode(`{"alg":"ES384","typ":"at+jwt","kid":"k"}`) + "." + strings.Split(server.sign(t, nil, nil), ".")[1]
	digest := sha512.Sum384([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...)
	if err := ask(authorize, text+"."+encode(string(signature))); kindOf(err) != "invalid" {
		t.Errorf("ES384 by a key of P-256: got error %v, want an invalid token", err)
	}
	if err := ask(authorize, server.sign(t, nil, nil)); err != nil {
		t.Errorf("ES256: got error %v, want none", err)
	}
}
