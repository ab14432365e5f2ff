package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// searchAuthorizer returns an Authorizer whose answer follows from the token.
func searchAuthorizer(t *testing.T) Authorizer {
	t.Helper()
	return func(r *http.Request, tenant, scope string) error {
		if !isTenant(tenant) || scope != ScopeView {
			t.Errorf("the Authorizer was called for tenant %q and scope %q, want a valid tenant and the scope for viewing",
				tenant, scope)
		}
		switch r.Header.Get("Authorization") {
		case "Bearer good":
			return nil
		case "Bearer old":
			return ErrExpiredToken
		case "Bearer other":
			return fmt.Errorf("of another tenant: %w", &ScopeError{})
		case "Bearer often":
			return &LimitError{RetryAfter: time.Minute}
		case "Bearer down":
			return errors.New("hunter2 is down")
		case "Bearer panic":
			panic("hunter2")
		default:
			return ErrInvalidToken
		}
	}
}

// A protected route of the host refuses requests with the same answers as the endpoints do. The Authorizer is not
// called for an invalid tenant.
func TestProtect(t *testing.T) {
	logged := &syncBuffer{}
	next := http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "found for "+r.PathValue("tenant")) },
	)
	tenant := func(r *http.Request) string { return r.PathValue("tenant") }
	cfg := Config{Authorizer: searchAuthorizer(t), Logger: slog.New(slog.NewJSONHandler(logged, nil))}
	h, err := Protect(next, ScopeView, tenant, cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /search/{tenant}", h)
	s := behind(t, mux)
	for _, tc := range []struct {
		tenant, token string
		status        int
		body          string
	}{
		{"acme", "good", 200, "found for acme"},
		{"acme", "", 401, "oauth.v2.InvalidAccessToken"},
		{"acme", "old", 401, "keymanagement.service.access_token_expired"},
		{"acme", "other", 403, "Missing required scopes '[indexing.search_view]'"},
		{"acme", "often", 403, MessageTooManyFailures},
		{"acme", "down", 403, MessageNotAuthorized},
		{"acme", "panic", 403, MessageNotAuthorized},
		{"ac-me", "good", 400, "Invalid tenant"},
		{"..%2Facme", "good", 400, "Invalid tenant"},
		{"ACME", "", 400, "Invalid tenant"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.srv.URL+"/search/"+tc.tenant, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+tc.token)
		res, err := s.srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got := s.read(res)
		if got.status != tc.status || !strings.Contains(got.body, tc.body) || strings.Contains(got.body, "hunter2") {
			t.Errorf("%+v: got %d %s, want %d", tc, got.status, got.body, tc.status)
		}
		if tc.status != 200 &&
			(got.header.Get("X-Content-Type-Options") != "nosniff" || got.header.Get("Content-Type") != "application/json") ||
			(tc.status == 401) != (got.header.Get("WWW-Authenticate") != "" && tc.token != "other") ||
			(tc.token == "often") != (got.header.Get("Retry-After") == "60") {
			t.Errorf("%+v: got the headers %v, want those of the answer", tc, got.header)
		}
	}
	if log := logged.String(); strings.Count(log, `"route":"GET /search/{tenant}"`) != 9 ||
		!strings.Contains(log, "of another tenant") ||
		!strings.Contains(log, "hunter2 is down") {
		t.Errorf("the log is %s, want 9 refused requests with their reasons", log)
	}
}

func TestProtectNeedsEverything(t *testing.T) {
	tenant := func(*http.Request) string { return "acme" }
	next, allow := http.NotFoundHandler(), Config{Authorizer: AllowAll}
	for name, err := range map[string]error{
		"a handler":     second(Protect(nil, ScopeView, tenant, allow)),
		"the tenant":    second(Protect(next, ScopeView, nil, allow)),
		"a scope":       second(Protect(next, "", tenant, allow)),
		"an Authorizer": second(Protect(next, ScopeView, tenant, Config{})),
	} {
		if err == nil {
			t.Errorf("Protect without %s returned no error, want one", name)
		}
	}
}
