package oauth_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"productindex/httpapi"
	"productindex/httpapi/oauth"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// service is a server with the endpoints of a real engine. It keeps its log.
type service struct {
	srv    *httptest.Server
	engine *reindex.Engine
	mu     sync.Mutex
	log    bytes.Buffer
}

func (s *service) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func serve(t *testing.T, authorize httpapi.Authorizer) *service {
	t.Helper()
	s := &service{}
	engine, err := reindex.New(reindextest.Slice(reindextest.Products(3, "1")), reindextest.NewMemory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.engine = engine
	h, err := httpapi.NewHandler(
		engine,
		httpapi.Config{Authorizer: authorize, Logger: slog.New(slog.NewJSONHandler(s, nil))},
	)
	if err != nil {
		t.Fatal(err)
	}
	s.srv = httptest.NewServer(h)
	t.Cleanup(func() {
		s.srv.Close()
		if err := engine.Shutdown(t.Context()); err != nil && !errors.Is(err, t.Context().Err()) {
			t.Error(err)
		}
	})
	return s
}

// post triggers a reindex and returns the status, body and challenge of the response.
func (s *service) post(t *testing.T, tenant, token string) (status int, body, challenge string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.srv.URL+"/indexing/"+tenant+"/reindex", nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := s.srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(read), response.Header.Get("WWW-Authenticate")
}

// started returns the number of runs of the tenant.
func (s *service) started(t *testing.T, tenant string) int {
	t.Helper()
	_, n, err := s.engine.Jobs(t.Context(), tenant, reindex.JobQuery{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const (
	invalidBody = `{"fault":{"faultstring":"Invalid access token","detail":{"errorcode":"oauth.v2.InvalidAccessToken"}}}`
	expiredBody = `{"fault":{"faultstring":"Access Token expired",` +
		`"detail":{"errorcode":"keymanagement.service.access_token_expired"}}}`
	forbiddenBody = `{"code":403,"status":"Forbidden","message":"Scope validation failed",` +
		`"details":["Missing required scopes '[indexing.search_manage]'"]}`

	plainChallenge     = `Bearer realm="indexing", scope="indexing.search_manage"`
	invalidChallenge   = plainChallenge + `, error="invalid_token", error_description="Invalid access token"`
	expiredChallenge   = plainChallenge + `, error="invalid_token", error_description="Access Token expired"`
	forbiddenChallenge = `Bearer realm="indexing", error="insufficient_scope", scope="indexing.search_manage"`
)

// A client with a valid token starts a reindex. Tokens that are invalid or do not grant it are refused.
func TestClientCredentialsFlow(t *testing.T) {
	for _, kind := range []struct {
		name    string
		opaque  bool
		expired [2]string // body and challenge
	}{
		{"signed", false, [2]string{expiredBody, expiredChallenge}},
		{"opaque", true, [2]string{invalidBody, invalidChallenge}}, // the server only says that it is not active
	} {
		t.Run(kind.name, func(t *testing.T) {
			server := newAuthServer(t,
				&oauthClient{id: "shop", opaque: kind.opaque, tenant: "acme"},
				&oauthClient{id: "group", opaque: kind.opaque, tenant: []string{"globex", "acme"}},
				&oauthClient{id: "rival", opaque: kind.opaque, tenant: "globex"},
				&oauthClient{id: "nobody", opaque: kind.opaque},
				&oauthClient{id: "viewer", opaque: kind.opaque, tenant: "acme", scopes: httpapi.ScopeView},
				&oauthClient{id: "stranger", opaque: kind.opaque, tenant: "acme", audience: "orders"},
				&oauthClient{id: "late", opaque: kind.opaque, tenant: "acme", lifetime: -time.Minute},
				&oauthClient{id: "bound", opaque: kind.opaque, tenant: "acme", extra: [2]string{"cnf", "x"}},
			)
			client := server.listen(t)
			authorize, err := oauth.JWT(server.jwtConfig(client))
			if kind.opaque {
				authorize, err = oauth.Introspection(server.introspectionConfig(client))
			}
			if err != nil {
				t.Fatal(err)
			}
			s := serve(t, authorize)
			both := httpapi.ScopeView + " " + httpapi.ScopeManage
			for _, tc := range []struct {
				client, scopes  string
				status          int
				body, challenge string
			}{
				{client: "shop", status: 204},
				{client: "shop", scopes: both, status: 204},
				{client: "group", status: 204},
				{client: "rival", status: 403, body: forbiddenBody, challenge: forbiddenChallenge},
				{client: "nobody", status: 403, body: forbiddenBody, challenge: forbiddenChallenge},
				{client: "viewer", scopes: both, status: 403, body: forbiddenBody, challenge: forbiddenChallenge},
				{
					client: "shop", scopes: "indexing.search_managed indexing", status: 403, body: forbiddenBody,
					challenge: forbiddenChallenge,
				},
				{client: "stranger", status: 401, body: invalidBody, challenge: invalidChallenge},
				{client: "bound", status: 401, body: invalidBody, challenge: invalidChallenge},
				{client: "late", status: 401, body: kind.expired[0], challenge: kind.expired[1]},
				{client: "", status: 401, body: invalidBody, challenge: plainChallenge},
			} {
				token := ""
				if tc.client != "" {
					token = server.token(t, client, tc.client, strings.Fields(tc.scopes)...)
				}
				before := s.started(t, "acme")
				status, body, challenge := s.post(t, "acme", token)
				if status != tc.status || body != tc.body || challenge != tc.challenge {
					t.Errorf("got %d %s, challenge %q; want %+v", status, body, challenge, tc)
				}
				if status != http.StatusNoContent && s.started(t, "acme") != before {
					t.Errorf("%+v: a run was started, want none", tc)
				}
				if log := s.logged(); token != "" && strings.Contains(log, token) || strings.Contains(log, "ERROR") {
					t.Errorf("%+v: the log is %s, want neither the token nor an ERROR", tc, log)
				}
			}
			if s.started(t, "acme") == 0 || s.started(t, "globex") != 0 {
				t.Error("no run of acme was started, or one of globex")
			}
		})
	}
}

func (s *service) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// A token of another issuer is refused, even if the same key has signed it.
func TestWrongIssuer(t *testing.T) {
	server := newAuthServer(t, &oauthClient{id: "shop", tenant: "acme"})
	client := server.listen(t)
	authorize, err := oauth.JWT(server.jwtConfig(client))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, authorize)
	token := server.token(t, client, "shop")
	if status, body, _ := s.post(t, "acme", token); status != http.StatusNoContent {
		t.Fatalf("a valid token: got %d %s, want 204", status, body)
	}
	server.issuer = "https://auth.example"
	server.provide(t)
	status, body, _ := s.post(t, "acme", server.token(t, server.direct(), "shop"))
	if status != http.StatusUnauthorized || body != invalidBody || !strings.Contains(s.logged(), "invalid issuer") {
		t.Errorf("got %d %s, want 401; the log is %s", status, body, s.logged())
	}
}

// A token that its client has revoked is refused.
func TestRevokedToken(t *testing.T) {
	server := newAuthServer(t, &oauthClient{id: "shop", tenant: "acme", opaque: true})
	client := server.listen(t)
	cfg := server.introspectionConfig(client)
	cfg.MaxAge = time.Nanosecond
	authorize, err := oauth.Introspection(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, authorize)
	token := server.token(t, client, "shop")
	if status, body, _ := s.post(t, "acme", token); status != http.StatusNoContent {
		t.Fatalf("a valid token: got %d %s, want 204", status, body)
	}
	server.revoke(t, client, "shop", token)
	if status, body, _ := s.post(t, "acme", token); status != http.StatusUnauthorized || body != invalidBody {
		t.Errorf("a revoked token: got %d %s, want 401", status, body)
	}
}

// A new key is found with the first token that it signs. Tokens of the old key are then refused.
func TestKeyRotation(t *testing.T) {
	server := newAuthServer(t, &oauthClient{id: "shop", tenant: "acme"})
	client := server.listen(t)
	cfg := server.jwtConfig(client)
	cfg.KeysMinInterval = time.Nanosecond
	authorize, err := oauth.JWT(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, authorize)
	old := server.token(t, client, "shop")
	if status, body, _ := s.post(t, "acme", old); status != http.StatusNoContent {
		t.Fatalf("a valid token: got %d %s, want 204", status, body)
	}
	server.rotate(t)
	if status, body, _ := s.post(t, "acme", server.token(t, client, "shop")); status != http.StatusNoContent {
		t.Errorf("a token of the new key: got %d %s, want 204", status, body)
	}
	if status, body, _ := s.post(t, "acme", old); status != http.StatusUnauthorized || body != invalidBody {
		t.Errorf("a token of the old key: got %d %s, want 401", status, body)
	}
	if n := server.called("/keys"); n != 3 {
		t.Errorf("the keys were fetched %d times, want 3", n)
	}
}

// While the server does not answer, requests get the documented 403, and only the log has the details.
func TestServerIsDown(t *testing.T) {
	server := newAuthServer(
		t,
		&oauthClient{id: "shop", tenant: "acme"},
		&oauthClient{id: "till", tenant: "acme", opaque: true},
	)
	client := server.listen(t)
	signed, opaque := server.token(t, client, "shop"), server.token(t, client, "till")
	byKeys, err := oauth.JWT(server.jwtConfig(client))
	if err != nil {
		t.Fatal(err)
	}
	byAsking, err := oauth.Introspection(server.introspectionConfig(client))
	if err != nil {
		t.Fatal(err)
	}
	server.breakBy(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
	for _, tc := range []struct {
		authorize httpapi.Authorizer
		token     string
	}{{byKeys, signed}, {byAsking, opaque}} {
		s := serve(t, tc.authorize)
		status, body, challenge := s.post(t, "acme", tc.token)
		if status != http.StatusForbidden || !strings.Contains(body, httpapi.MessageNotAuthorized) ||
			strings.Contains(body, server.issuer) ||
			challenge != "" {
			t.Errorf("got %d %s, challenge %q, want the documented 403", status, body, challenge)
		}
		if log := s.logged(); strings.Contains(log, tc.token) || strings.Contains(log, "s3cr3t") ||
			!strings.Contains(log, server.issuer) {
			t.Errorf("the log is %s, want the issuer and no secret", log)
		}
		if s.started(t, "acme") != 0 {
			t.Error("a run was started")
		}
	}
}
