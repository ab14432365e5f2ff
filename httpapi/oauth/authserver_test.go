package oauth_test

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"go.uber.org/goleak"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"productindex/httpapi"
	"productindex/httpapi/oauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// audience is the audience of the tests' tokens.
	audience = "indexing"
	// rsID and rsSecret are the credentials of the service that introspects.
	rsID, rsSecret = "resource server", "s3cr3t: of the resource server"
)

// authServer is zitadel's authorization server with a storage for tests. Clients get signed or opaque access tokens for
// their credentials, and can revoke them. A service can introspect them.
type authServer struct {
	op.Storage // nil: methods that the tests do not use panic

	issuer   string
	provider http.Handler

	mu      sync.Mutex
	keys    []*signingKey // published; the first one signs
	clients map[string]*oauthClient
	tokens  map[string]issued // the opaque tokens by id
	calls   map[string]int    // the number of calls by path
	fault   func(w http.ResponseWriter, r *http.Request) bool
}

// oauthClient is a client of the server, with the properties of its tokens.
type oauthClient struct {
	op.Client // nil: methods that the tests do not use panic

	id, secret string
	opaque     bool
	audience   string        // default: the constant audience
	tenant     any           // the claim tenant
	scopes     string        // the scopes that it may ask for; default: all
	extra      [2]string     // the name and value of another claim
	lifetime   time.Duration // default 1 h
}

func (c *oauthClient) GetID() string { return c.id }
func (c *oauthClient) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeClientCredentials}
}

// ClockSkew makes the server issue tokens that have expired.
func (c *oauthClient) ClockSkew() time.Duration { return max(0, -2*c.lifetime) }

func (c *oauthClient) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}

func (c *oauthClient) AccessTokenType() op.AccessTokenType {
	if c.opaque {
		return op.AccessTokenTypeBearer
	}
	return op.AccessTokenTypeJWT
}

// claims returns the claims that are not registered.
func (c *oauthClient) claims(scopes []string) map[string]any {
	claims := map[string]any{"scope": strings.Join(scopes, " "), "tenant": c.tenant}
	if c.extra[0] != "" {
		claims[c.extra[0]] = c.extra[1]
	}
	return claims
}

// newAuthServer returns a server without a socket.
func newAuthServer(t *testing.T, clients ...*oauthClient) *authServer {
	t.Helper()
	a := &authServer{
		issuer:  "https://auth.test",
		clients: map[string]*oauthClient{},
		tokens:  map[string]issued{},
		calls:   map[string]int{},
	}
	a.rotate(t)
	for _, c := range append(clients, &oauthClient{id: rsID, secret: rsSecret}) {
		c.secret = cmp.Or(c.secret, "secret-of-"+c.id)
		a.clients[c.id] = c
	}
	a.provide(t)
	return a
}

// provide makes the provider for the issuer.
func (a *authServer) provide(t *testing.T) {
	t.Helper()
	provider, err := op.NewProvider(&op.Config{CryptoKey: [32]byte{1}}, a, op.StaticIssuer(a.issuer))
	if err != nil {
		t.Fatal(err)
	}
	a.provider = provider
}

// listen makes the server listen on a TLS socket, and returns a client for it.
func (a *authServer) listen(t *testing.T) *http.Client {
	t.Helper()
	srv := httptest.NewTLSServer(a)
	t.Cleanup(srv.Close)
	a.issuer = srv.URL
	a.provide(t)
	return srv.Client()
}

// ServeHTTP counts calls, and applies the fault of a test.
func (a *authServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.calls[r.URL.Path]++
	fault := a.fault
	a.mu.Unlock()
	if fault == nil || !fault(w, r) {
		a.provider.ServeHTTP(w, r)
	}
}

// breakBy makes every call go to fault first. If fault returns false, the server handles the call.
func (a *authServer) breakBy(fault func(w http.ResponseWriter, r *http.Request) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fault = fault
}

// called returns the number of calls of a path since the last call of this method.
func (a *authServer) called(path string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.calls[path]
	a.calls[path] = 0
	return n
}

// rotate replaces all keys by a new one.
func (a *authServer) rotate(t *testing.T) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = []*signingKey{{id: rand.Text(), alg: jose.ES256, private: private}}
}

// direct returns a client that calls the server's handler without a socket.
func (a *authServer) direct() *http.Client { return &http.Client{Transport: directTransport{a}} }

type directTransport struct{ handler http.Handler }

// RoundTrip calls the handler. Unlike with sockets, time in a synctest bubble can pass during the call.
func (d directTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	d.handler.ServeHTTP(w, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	response := w.Result()
	response.Request = r
	return response, nil
}

// token returns an access token for a client's credentials. It has the given scopes, or the scope for managing by
// default.
func (a *authServer) token(t *testing.T, client *http.Client, id string, scopes ...string) string {
	t.Helper()
	if len(scopes) == 0 {
		scopes = []string{httpapi.ScopeManage}
	}
	flow := clientcredentials.Config{
		ClientID:     id,
		ClientSecret: a.clients[id].secret,
		TokenURL:     a.issuer + "/oauth/token",
		Scopes:       scopes,
	}
	token, err := flow.Token(context.WithValue(t.Context(), oauth2.HTTPClient, client))
	if err != nil {
		t.Fatal(err)
	}
	return token.AccessToken
}

// revoke revokes a token as its client does (RFC 7009).
func (a *authServer) revoke(t *testing.T, client *http.Client, id, token string) {
	t.Helper()
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	request, err := http.NewRequestWithContext(
		t.Context(),
		http.MethodPost,
		a.issuer+"/revoke",
		strings.NewReader(form.Encode()),
	)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(a.clients[id].secret))
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		t.Fatalf("revocation: got %s %s, want 200", response.Status, body)
	}
}

// sign returns a token that the server's key has signed. The header and the claims replace those of a valid token.
func (a *authServer) sign(t *testing.T, header, claims map[string]any) string {
	t.Helper()
	a.mu.Lock()
	k := a.keys[0]
	a.mu.Unlock()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, a.claims(claims))
	token.Header["typ"], token.Header["kid"] = "at+jwt", k.id
	override(token.Header, header)
	signed, err := token.SignedString(k.private)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// claims returns the claims of a valid token, with some of them replaced.
func (a *authServer) claims(others map[string]any) jwt.MapClaims {
	all := jwt.MapClaims{
		"iss":    a.issuer,
		"aud":    audience,
		"exp":    time.Now().Add(time.Hour).Unix(),
		"tenant": "acme",
		"scope":  httpapi.ScopeManage,
	}
	override(all, others)
	return all
}

// override sets values. A nil value removes the member.
func override(into, by map[string]any) {
	for name, value := range by {
		if into[name] = value; value == nil {
			delete(into, name)
		}
	}
}

// jwtConfig returns a Config for the server's signed tokens.
func (a *authServer) jwtConfig(client *http.Client) oauth.JWTConfig {
	return oauth.JWTConfig{
		Issuer:     a.issuer,
		Audience:   []string{audience},
		JWKS:       a.issuer + "/keys",
		Claims:     oauth.Claims{Tenant: "tenant"},
		TokenTypes: []string{"at+jwt", "JWT"},
		Client:     client,
	}
}

// introspectionConfig returns a Config for the server's opaque tokens.
func (a *authServer) introspectionConfig(client *http.Client) oauth.IntrospectionConfig {
	return oauth.IntrospectionConfig{
		URL:          a.issuer + "/oauth/introspect",
		ClientID:     rsID,
		ClientSecret: rsSecret,
		Claims:       oauth.Claims{Tenant: "tenant"},
		Audience:     []string{audience},
		Client:       client,
	}
}
