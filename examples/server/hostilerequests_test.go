package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"productindex/httpapi"
)

// hostile is a raw request with the expected status of the response. The responses of net/http itself are plain text,
// and all others are JSON. The status 0 means that the server closes the connection without a response.
type hostile struct {
	name, wire string
	status     int
	plain      bool
}

const line = "POST /indexing/acme/reindex HTTP/1.1"

// raw composes a request. If no header says where the body ends, raw adds Content-Length.
func raw(requestLine, body string, headers ...string) string {
	framed := slices.ContainsFunc(headers, func(h string) bool {
		return strings.HasPrefix(h, "Content-Length") || strings.HasPrefix(h, "Transfer-Encoding")
	})
	if !framed {
		headers = append(headers, fmt.Sprint("Content-Length: ", len(body)))
	}
	return strings.Join(append([]string{requestLine, "Host: h"}, headers...), "\r\n") + "\r\n\r\n" + body
}

func bearer(token string) string { return "Authorization: Bearer " + token }

func encode(part string) string { return base64.RawURLEncoding.EncodeToString([]byte(part)) }

// hostileTokens returns requests that have a hostile token in the Authorization header, and are otherwise valid.
func hostileTokens(t *testing.T, i *issuer) []hostile {
	t.Helper()
	es := func(header, claims object) string { return i.sign(t, jwt.SigningMethodES256, i.key, header, claims) }
	valid := es(nil, nil)
	parts := strings.Split(valid, ".")
	der, err := x509.MarshalPKIXPublicKey(i.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	published, err := json.Marshal(jose.JSONWebKey{Key: i.key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	hmac := func(secret []byte) string { return i.sign(t, jwt.SigningMethodHS256, secret, nil, nil) }
	forged := func(header object) string { return i.sign(t, jwt.SigningMethodES256, stranger, header, nil) }
	evil := i.srv.URL + "/evil"
	now := time.Now().Unix()
	var all []hostile
	for name, token := range map[string]string{
		"none": encode(`{"alg":"none","typ":"at+jwt","kid":"k1"}`) + "." + parts[1] + ".",
		"none with a signature": encode(`{"alg":"nOnE","typ":"at+jwt","kid":"k1"}`) + "." + parts[1] + "." +
			parts[2],
		"no signature":               parts[0] + "." + parts[1] + ".",
		"zero signature":             parts[0] + "." + parts[1] + "." + encode(strings.Repeat("\x00", 64)),
		"cut signature":              valid[:len(valid)-4],
		"HMAC by the PEM":            hmac(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"HMAC by the DER":            hmac(der),
		"HMAC by the JWK":            hmac(published),
		"HMAC by nothing":            hmac(nil),
		"algorithm of another kind":  es(object{"alg": "RS256"}, nil),
		"algorithm of another curve": es(object{"alg": "ES512"}, nil),
		"two algorithms": encode(`{"alg":"ES256","alg":"none","typ":"at+jwt","kid":"k1"}`) + "." +
			parts[1] + ".",
		"another key":             forged(nil),
		"another key without kid": forged(object{"kid": nil}),
		"kid that is a path":      forged(object{"kid": "../../../../dev/null"}),
		"kid that is SQL":         forged(object{"kid": "k1' UNION SELECT 'x"}),
		"kid that is a command":   forged(object{"kid": "k1|touch x"}),
		"kid that is a URL":       forged(object{"kid": evil}),
		"kid that is an object":   forged(object{"kid": object{"$ne": ""}}),
		"kid that is long":        forged(object{"kid": strings.Repeat("k", 5000)}),
		"jku":                     forged(object{"kid": "k2", "jku": evil}),
		"x5u":                     forged(object{"kid": "k2", "x5u": evil}),
		"x5c": forged(
			object{"kid": "k2", "x5c": []string{base64.StdEncoding.EncodeToString(der)}},
		),
		"jwk":                        forged(object{"kid": "k2", "jwk": jose.JSONWebKey{Key: stranger.Public()}}),
		"crit":                       es(object{"crit": []string{"exp"}}, nil),
		"ID token":                   es(object{"typ": "JWT"}, nil),
		"no type":                    es(object{"typ": nil}, nil),
		"expired":                    es(nil, object{"exp": now - 60}),
		"not valid yet":              es(nil, object{"nbf": now + 600}),
		"no exp":                     es(nil, object{"exp": nil}),
		"exp in a string":            es(nil, object{"exp": "9999999999"}),
		"exp beyond the end of time": es(nil, object{"exp": -1e300}),
		"another issuer":             es(nil, object{"iss": "https://auth.example"}),
		"another audience":           es(nil, object{"aud": "indexin"}),
		"bound to its sender":        es(nil, object{"cnf": object{"jkt": "x"}}),
		"encrypted":                  valid + "." + parts[1] + "." + parts[2],
		"padded":                     valid + "=",
		"dots":                       strings.Repeat(".", 3000),
		"deep":                       encode(`{"a":`+strings.Repeat(`{"a":`, 1500)) + "." + parts[1] + "." + parts[2],
		"numbers without end": encode(`{"alg":1`+strings.Repeat("0", 3000)+`}`) + "." + parts[1] + "." +
			parts[2],
		"invalid UTF-8":                    encode("{\"alg\":\"\xff\"}") + "." + parts[1] + "." + parts[2],
		"nearly the static one":            strings.ToUpper(staticToken),
		"the static one and an equal sign": staticToken + "=",
	} {
		all = append(all, hostile{name: "token: " + name, wire: raw(line, "", bearer(token)), status: 401})
	}
	for name, claims := range map[string]object{
		"another tenant":        {"tenant": "globex"},
		"any tenant":            {"tenant": "*"},
		"a pattern of tenants":  {"tenant": []string{".*", "ac%", "acme ", "ACME", "acme\x00"}},
		"tenants in an object":  {"tenant": object{"acme": true}},
		"no tenant":             {"tenant": nil},
		"no scope":              {"scope": nil},
		"to view":               {"scope": httpapi.ScopeView},
		"all scopes":            {"scope": "*"},
		"a scope in an object":  {"scope": object{httpapi.ScopeManage: true}},
		"a scope with a suffix": {"scope": httpapi.ScopeManage + "r"},
	} {
		all = append(all, hostile{name: "token of " + name, wire: raw(line, "", bearer(es(nil, claims))), status: 403})
	}
	return all
}

// hostileHeaders returns requests that have a valid token in a wrong place, or headers that are not valid.
func hostileHeaders(token string) []hostile {
	return []hostile{
		{name: "no token", wire: raw(line, ""), status: 401},
		{name: "token twice", wire: raw(line, "", bearer(token), bearer(token)), status: 401},
		{name: "token after another", wire: raw(line, "", bearer("garbage-garbage"), bearer(token)), status: 401},
		{name: "two tokens in a header", wire: raw(line, "", bearer(token)+", Bearer "+token), status: 401},
		{name: "token in quotes", wire: raw(line, "", bearer(`"`+token+`"`)), status: 401},
		{name: "token after a tab", wire: raw(line, "", "Authorization: Bearer\t"+token), status: 401},
		{
			name:   "Basic",
			wire:   raw(line, "", "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("bearer:"+token))),
			status: 401,
		},
		{name: "another scheme", wire: raw(line, "", "Authorization: DPoP "+token), status: 401},
		{
			name: "token in another header",
			wire: raw(line, "", "Proxy-Authorization: Bearer "+token, "X-Authorization: Bearer "+token), status: 401,
		},
		{name: "token in a cookie", wire: raw(line, "", "Cookie: access_token="+token), status: 401},
		{
			name: "token in the query", wire: raw("POST /indexing/acme/reindex?access_token="+token+" HTTP/1.1", ""),
			status: 401,
		},
		{
			name: "token in a form", wire: raw(line, "access_token="+token, "Content-Type: application/x-www-form-urlencoded"),
			status: 401,
		},
		{
			name:   "token in a trailer",
			wire:   raw(line, "0\r\n"+bearer(token)+"\r\n\r\n", "Transfer-Encoding: chunked", "Trailer: Authorization"),
			status: 401,
		},
		{
			name: "connection header that drops the token",
			wire: raw("GET /indexing/acme/reindex HTTP/1.1", "", "Connection: Authorization", bearer(token)), status: 405,
		},
		{
			name: "method override",
			wire: raw("GET /indexing/acme/reindex HTTP/1.1", "", bearer(token), "X-HTTP-Method-Override: POST"), status: 405,
		},
		{
			name: "other path in headers",
			wire: raw(line, "", "X-Original-URL: /indexing/globex/reindex", "X-Forwarded-For: 127.0.0.1"), status: 401,
		},
		{name: "space before the colon", wire: raw(line, "", "Authorization : Bearer "+token), status: 400, plain: true},
		{name: "zero byte in a header", wire: raw(line, "", bearer(token+"\x00")), status: 400, plain: true},
		{
			name: "headers without end", wire: raw(line, "", bearer(token), "X: "+strings.Repeat("x", 128<<10)), status: 431,
			plain: true,
		},
		{
			name: "many headers",
			wire: raw(line, "", append([]string{bearer(token)}, slices.Repeat([]string{"X: y"}, 30_000)...)...), status: 431,
			plain: true,
		},
	}
}

// hostilePaths returns requests with hostile paths and a valid token of acme.
func hostilePaths(token string) []hostile {
	var all []hostile
	for path, status := range map[string]int{
		"/indexing/%67lobex/reindex":                          403,
		"/indexing/globex/reindex?tenant=acme":                403,
		"/indexing/acme%2Freindex":                            404,
		"/indexing/acme%2F..%2Fglobex/reindex":                400,
		"/indexing/globex/../acme/reindex":                    404,
		"/indexing/acme/../globex/reindex":                    404,
		"/indexing/globex%2F../acme/reindex":                  404,
		"/indexing/..;/acme/reindex":                          404,
		"/indexing/acme;x=1/reindex":                          400,
		"/indexing/acme/reindex/":                             404,
		"/indexing/acme//reindex":                             404,
		"/indexing//acme/reindex":                             404,
		"/indexing//reindex":                                  400,
		"/indexing/acme%00/reindex":                           400,
		"/indexing/acme%0d%0aX:y/reindex":                     400,
		"/indexing/ACME/reindex":                              400,
		"/indexing/%C0%ADacme/reindex":                        400,
		"/indexing/%2561cme/reindex":                          400,
		"/indexing/аcme/reindex":                              400,
		"/indexing/acme\\..\\globex/reindex":                  400,
		"/indexing/acme/reindex#x":                            404,
		"/indexing/*/reindex":                                 400,
		"/indexing/" + strings.Repeat("a", 8000) + "/reindex": 400,
		"/indexing/" + strings.Repeat("a/", 4000):             404,
	} {
		all = append(all, hostile{
			name: "path " + path[:min(len(path), 60)], wire: raw("POST "+path+" HTTP/1.1", "", bearer(token)), status: status,
		})
	}
	return append(all,
		hostile{name: "longest q", wire: raw(
			"GET /indexing/acme/reindex-jobs?q="+strings.Repeat("%F0%9F%A7%A6", 4096)+" HTTP/1.1", "", bearer(token),
		), status: 403},
		hostile{
			name: "space in the path", wire: raw("POST /indexing/acme /reindex HTTP/1.1", "", bearer(token)), status: 400,
			plain: true,
		},
		hostile{
			name: "broken percent sign", wire: raw("POST /indexing/acme%/reindex HTTP/1.1", "", bearer(token)), status: 400,
			plain: true,
		},
	)
}

// hostileRoutes returns requests for the paths and methods that do not start runs. They have a token of acme that lacks
// the scope for viewing, or no token.
func hostileRoutes(token string) []hostile {
	var all []hostile
	for request, status := range map[string]int{
		"GET /indexing/globex/reindex-jobs":                          403,
		"GET /indexing/acme/reindex-jobs":                            403,
		"GET /indexing/acme/reindex-jobs?q=id:(~":                    403,
		"GET /indexing/acme/reindex-jobs/J1":                         403,
		"GET /indexing/acme/reindex-jobs/J1/events":                  403,
		"GET /indexing/acme/reindex-jobs/J1/failures":                403,
		"GET /indexing/globex/reindex-jobs/..%2f..%2facme%2freindex": 403,
		"DELETE /indexing/globex/reindex-jobs/J1":                    403,
		"DELETE /indexing/acme/reindex-jobs/J1":                      404,
		"DELETE /indexing/acme/reindex-jobs/J1%00":                   404,
		"DELETE /indexing/acme/reindex-jobs/%27%20OR%201=1":          404,
		"PUT /indexing/acme/reindex-jobs/J1":                         405,
		"PATCH /indexing/acme/reindex-jobs":                          405,
		"POST /indexing/acme/reindex-jobs/J1/events":                 405,
		"GET /indexing/ACME/reindex-jobs/J1/events":                  400,
		"POST /indexing/openapi.json":                                405,
		"GET /indexing/openapi.json/":                                404,
		"GET /search/acme?q=x":                                       403,
		"GET /search/globex?q=x":                                     403,
		"GET /search/ACME?q=x":                                       400,
		"GET /search/..%2Facme?q=x":                                  400,
		"GET /search/acme%00?q=x":                                    400,
		"GET /search/" + strings.Repeat("a", 8000):                   400,
	} {
		name := "route " + request[:min(len(request), 60)]
		all = append(all, hostile{name: name, wire: raw(request+" HTTP/1.1", "", bearer(token)), status: status})
		if status == 403 || status == 404 && strings.HasPrefix(request, "DELETE") {
			all = append(all, hostile{name: name + " without a token", wire: raw(request+" HTTP/1.1", ""), status: 401})
		}
	}
	for name, body := range map[string]string{
		"no type": `{}`, "null": `{"entityType":null}`, "a number": `{"entityType":1}`,
		"two":          `{"entityType":"PRODUCT","entityType":"PRODUCT"}`,
		"another case": `{"entityType":"product"}`, "a path": `{"entityType":"../PRODUCT"}`,
		"a zero": `{"entityType":"PRODUCT\u0000"}`,
		"long":   `{"entityType":"` + strings.Repeat("A", 60_000) + `"}`, "rag": `{"entityType":"PRODUCT","rag":true}`,
		"rag in a string": `{"entityType":"PRODUCT","rag":"false"}`,
		"rag twice":       `{"entityType":"PRODUCT","rag":false,"rag":true}`,
	} {
		wire := raw("POST /indexing/acme/reindex-jobs HTTP/1.1", body, bearer(token), "Content-Type: application/json")
		all = append(all, hostile{name: "job of " + name, wire: wire, status: 400})
	}
	return all
}
