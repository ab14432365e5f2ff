package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"productindex/httpapi"
	"productindex/reindex/reindextest"
)

// issuer is an authorization server that publishes its key.
type issuer struct {
	srv *httptest.Server
	key *ecdsa.PrivateKey
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key}
	i.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.srv.URL, i.srv.URL+"/keys")
			return
		case "/keys":
		default:
			t.Errorf("the server requested %s, want only the issuer's keys", r.URL)
		}
		keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{KeyID: "k1", Algorithm: "ES256", Use: "sig", Key: key.Public()}}}
		if err := json.NewEncoder(w).Encode(keys); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(i.srv.Close)
	return i
}

// env returns an environment with which a server accepts the issuer's tokens.
func (i *issuer) env() []string {
	return []string{
		"PRODUCTINDEX_OAUTH_ISSUER=" + i.srv.URL, "PRODUCTINDEX_OAUTH_JWKS=" + i.srv.URL + "/keys",
		"PRODUCTINDEX_OAUTH_AUDIENCE=indexing,orders",
	}
}

type object = map[string]any

// sign returns a signed token. The header and the claims replace members of a valid token; a nil value removes one.
func (i *issuer) sign(t *testing.T, method jwt.SigningMethod, secret any, header, claims object) string {
	t.Helper()
	all := jwt.MapClaims{
		"iss":    i.srv.URL,
		"aud":    "indexing",
		"exp":    time.Now().Add(time.Hour).Unix(),
		"tenant": "acme",
		"scope":  httpapi.ScopeManage,
	}
	token := jwt.NewWithClaims(method, all)
	token.Header["typ"], token.Header["kid"] = "at+jwt", "k1"
	maps.Copy(token.Header, header)
	maps.Copy(all, claims)
	maps.DeleteFunc(token.Header, func(_ string, v any) bool { return v == nil })
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	signed, err := token.SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

const staticToken = "static-token-of-the-deployment"

// Every hostile request is answered as documented, starts no run, and leaves no token in the log.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	catalogues := t.TempDir()
	writeCatalogue(t, catalogues, "acme", reindextest.Products(3, "1"))
	s := start(t, append(i.env(),
		"PRODUCTINDEX_CATALOGUES="+catalogues, "PRODUCTINDEX_INDEX="+t.TempDir(), "PRODUCTINDEX_TOKEN="+staticToken,
		"PRODUCTINDEX_FAILURES_PER_MINUTE=0", "PRODUCTINDEX_TRIGGERS_PER_MINUTE=0")...)
	valid := i.sign(t, jwt.SigningMethodES256, i.key, nil, nil)
	requests := slices.Concat(hostileTokens(t, i), hostileHeaders(valid), hostilePaths(valid), hostileBodies(valid),
		hostileRoutes(valid), hostileFrames(valid))
	if len(requests) < 200 {
		t.Fatalf("there are %d requests, want at least 200", len(requests))
	}
	var sending sync.WaitGroup
	next := make(chan hostile)
	for range 8 {
		sending.Go(func() {
			for h := range next {
				s.attack(t, h)
			}
		})
	}
	for _, h := range requests {
		next <- h
	}
	close(next)
	sending.Wait()

	status, body := s.do(t, http.MethodGet, "/indexing/acme/reindex-jobs", staticToken)
	if status != http.StatusOK || body != "[]" {
		t.Errorf("got %d with the jobs %s, want none", status, body)
	}
	for _, token := range []string{valid, staticToken} { // the tokens in the hostile requests are valid
		if status, body := s.do(t, http.MethodPost, "/indexing/acme/reindex", token); status != http.StatusNoContent {
			t.Errorf("a request that is not hostile: got %d %s, want 204", status, body)
		}
	}
	checkLog(t, s, requests)
}

// attack sends a request and checks the response.
func (s *server) attack(t *testing.T, h hostile) {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.address, "http://"))
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Error(err)
	}
	// Writing may fail, since the server may refuse the request before it has read it. Only the answer matters.
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(conn, h.wire)
	}()
	defer func() { <-written }()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		if h.status != 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: got no response but %v, want %d", h.name, err, h.status)
		}
		return
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	var message struct {
		Code  int              `json:"code"`
		Fault *json.RawMessage `json:"fault"`
	}
	isJSON := json.Unmarshal(body, &message) == nil &&
		(message.Code == response.StatusCode || message.Fault != nil && response.StatusCode == http.StatusUnauthorized)
	if response.StatusCode != h.status || isJSON == h.plain {
		t.Errorf("%s: got %d %s, want %d, as plain text: %v", h.name, response.StatusCode, body, h.status, h.plain)
	}
	if isJSON &&
		(response.Header.Get("X-Content-Type-Options") != "nosniff" || response.Header.Get("Cache-Control") != "no-store") {
		t.Errorf("%s: got the headers %v, want nosniff and no-store", h.name, response.Header)
	}
}

// checkLog stops the server and searches its log for tokens.
func checkLog(t *testing.T, s *server, requests []hostile) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	for text := range s.log {
		log.WriteString(text + "\n")
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM, the server ended with %v, want no error", err)
	}
	if len(s.access) < 60 {
		t.Errorf("%d requests are in the log, want at least 60", len(s.access))
	}
	log.WriteString(strings.Join(s.access, "\n"))
	secrets := regexp.MustCompile(`(?i)(?:bearer|dpop|basic)\s+"?([^\s"=,]{8,})|access_token=([^\s&"]+)`)
	found := 0
	for _, h := range requests {
		for _, match := range secrets.FindAllStringSubmatch(h.wire, -1) {
			found++
			for _, secret := range match[1:] {
				if secret != "" && strings.Contains(log.String(), secret) {
					t.Errorf("%s: the token is in the log, want it nowhere", h.name)
				}
			}
		}
	}
	if found < 60 || strings.Contains(log.String(), staticToken) {
		t.Errorf("looked for %d tokens, want at least 60, and no static token in the log", found)
	}
}
