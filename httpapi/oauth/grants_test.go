package oauth_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"productindex/httpapi"
	"productindex/httpapi/oauth"
)

// A refusal by the host's Grant is remembered for an introspected token. An error of Grant is not, and does not count
// as a failure of the server.
func TestGrantOfIntrospection(t *testing.T) {
	server := newAuthServer(t, &oauthClient{id: "shop", opaque: true, tenant: "acme"})
	client := server.direct()
	token := server.token(t, client, "shop")
	var fails error
	asked := 0
	cfg := server.introspectionConfig(client)
	cfg.Claims.Grant = func(_ context.Context, claims map[string]any, read oauth.Grant) (oauth.Grant, error) {
		asked++
		if claims["active"] != true || !slices.Equal(read.Tenants, []string{"acme"}) {
			t.Errorf("Grant was called with the claims %v and the grant %v, want an active token of acme", claims, read)
		}
		return read, fails
	}
	authorize := newIntrospection(t, cfg)
	fails = errors.New("the database is down")
	for range 10 { // more often than the server may fail
		if err := ask(authorize, token); kindOf(err) != "undecided" || !strings.Contains(err.Error(), fails.Error()) {
			t.Errorf("while Grant fails: got %v, want its error", err)
		}
	}
	fails = nil
	for range 2 {
		if err := ask(authorize, token); err != nil {
			t.Error(err)
		}
	}
	if n := server.called(introspectPath); asked != 11 || n != 11 {
		t.Errorf("Grant was called %d times and the server %d times, want 11 each", asked, n)
	}
	for _, refusal := range []error{httpapi.ErrInvalidToken, httpapi.ErrExpiredToken, &httpapi.ScopeError{}} {
		fails = refusal
		fresh := server.token(t, client, "shop")
		for range 2 {
			if err := ask(authorize, fresh); !errors.Is(err, refusal) {
				t.Errorf("got %v, want %v", err, refusal)
			}
		}
	}
	if asked != 14 {
		t.Errorf("Grant was called %d times, want 14, since refusals are remembered", asked)
	}
}

// If the host's Grant fails for a JWT, the response is the documented 403, without the text of the error.
func TestGrantFails(t *testing.T) {
	server := newAuthServer(t)
	cfg := server.jwtConfig(server.direct())
	cfg.Claims.Grant = func(context.Context, map[string]any, oauth.Grant) (oauth.Grant, error) { panic("no such shop") }
	s := serve(t, newJWT(t, cfg))
	status, body, _ := s.post(t, "acme", server.sign(t, nil, nil))
	if status != http.StatusForbidden || !strings.Contains(body, httpapi.MessageNotAuthorized) ||
		strings.Contains(body, "shop") ||
		!strings.Contains(s.logged(), "no such shop") {
		t.Errorf("got %d %s, want 403; the log is %s", status, body, s.logged())
	}
}
