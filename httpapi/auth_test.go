package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"productindex/reindex"
)

const (
	bodyInvalid = `{"fault":{"faultstring":"Invalid access token","detail":{"errorcode":"oauth.v2.InvalidAccessToken"}}}`
	bodyExpired = `{"fault":{"faultstring":"Access Token expired",` +
		`"detail":{"errorcode":"keymanagement.service.access_token_expired"}}}`
	bodyForbidden = `{"code":403,"status":"Forbidden","message":"Scope validation failed",` +
		`"details":["Missing required scopes '[%s]'"]}`
	bodyUndecided = `{"code":403,"status":"Forbidden","message":"The authorization could not be checked",` +
		`"details":["Try again later","Request id: id-1"]}`
	challengeScope = `Bearer realm="indexing", error="insufficient_scope", scope="%s"`
)

// The response follows from the error of the Authorizer.
func TestAuthorizerErrors(t *testing.T) {
	const (
		managed = `Bearer realm="indexing", scope="indexing.search_manage"`
		token   = "s3cr3t-t0k3n"
	)
	long := strings.Repeat("x", 129)
	for _, tc := range []struct {
		name      string
		err       error
		anonymous bool
		status    int
		body      string
		challenge string
		logged    string
	}{
		{
			name: "invalid", err: ErrInvalidToken, logged: `"denied":"invalid access token"`, status: 401, body: bodyInvalid,
			challenge: managed + `, error="invalid_token", error_description="Invalid access token"`,
		},
		{
			name: "wrapped", err: fmt.Errorf("%s: %w", token, ErrInvalidToken),
			logged: `"denied":"[cut]: invalid access token"`, status: 401, body: bodyInvalid,
			challenge: managed + `, error="invalid_token", error_description="Invalid access token"`,
		},
		{name: "none", err: ErrInvalidToken, anonymous: true, status: 401, body: bodyInvalid, challenge: managed},
		{
			name: "expired", err: ErrExpiredToken, status: 401, body: bodyExpired,
			challenge: managed + `, error="invalid_token", error_description="Access Token expired"`,
		},
		{
			name: "expired and invalid", err: errors.Join(ErrInvalidToken, ErrExpiredToken), status: 401, body: bodyExpired,
			challenge: managed + `, error="invalid_token", error_description="Access Token expired"`,
		},
		{
			name: "scope", err: &ScopeError{}, status: 403, body: fmt.Sprintf(bodyForbidden, ScopeManage),
			challenge: fmt.Sprintf(challengeScope, ScopeManage),
		},
		{
			name: "scopes", err: fmt.Errorf("x: %w", &ScopeError{Missing: []string{"a", "b"}}), status: 403,
			body: fmt.Sprintf(bodyForbidden, "a, b"), challenge: fmt.Sprintf(challengeScope, "a b"),
		},
		{
			name: "no scopes", err: &ScopeError{Missing: []string{"", "a b", `"`, `\`, "ä", "\r\n", long}}, status: 403,
			body: fmt.Sprintf(bodyForbidden, ScopeManage), challenge: fmt.Sprintf(challengeScope, ScopeManage),
		},
		{
			name: "undecided", err: errors.New("introspection is down"), status: 403, body: bodyUndecided,
			logged: "introspection is down",
		},
		{
			name: "undecided, with the token",
			err:  &url.Error{Op: "Get", URL: "https://auth/?token=" + token, Err: errors.New("refused " + token)}, status: 403,
			body:   bodyUndecided,
			logged: `Get \"https://auth/?token=[cut]\": refused [cut]`,
		},
		{name: "an answer of this package's own", err: invalid("x"), status: 403, body: bodyUndecided, logged: `"x"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := &fakeEngine{}
			s := serve(t, e, Config{Authorizer: func(*http.Request, string, string) error { return tc.err }})
			headers := []string{"X-Request-Id: id-1"}
			if !tc.anonymous {
				headers = append(headers, "Authorization: Bearer "+token)
			}
			got := s.post(full, headers...)
			if got.status != tc.status || got.body != tc.body || got.header.Get("WWW-Authenticate") != tc.challenge {
				t.Errorf(
					"got %d %s %q\nwant %d %s %q",
					got.status,
					got.body,
					got.header["Www-Authenticate"],
					tc.status,
					tc.body,
					tc.challenge,
				)
			}
			s.srv.Close()
			log := s.log.String()
			if strings.Contains(log, token) || !strings.Contains(log, tc.logged) ||
				strings.Contains(log, `"ERROR"`) != (tc.body == bodyUndecided) {
				t.Errorf("the log is %s, want %q", log, tc.logged)
			}
			if started := e.starts(); len(started) > 0 {
				t.Errorf("started %q, want nothing", started)
			}
		})
	}
}

// A panic in an Authorizer means that it could not decide.
func TestAuthorizerPanics(t *testing.T) {
	e := &fakeEngine{}
	s := serve(t, e, Config{Authorizer: func(r *http.Request, _, _ string) error {
		panic(r.Header.Get("Authorization"))
	}})
	got := s.post(full, "X-Request-Id: id-1", "Authorization: Bearer s3cr3t-t0k3n")
	if got.status != http.StatusForbidden || got.body != bodyUndecided {
		t.Errorf("got %d %s, want %d %s", got.status, got.body, http.StatusForbidden, bodyUndecided)
	}
	s.srv.Close()
	log := s.log.String()
	if strings.Contains(log, "s3cr3t") || !strings.Contains(log, "panic: [cut]") ||
		!strings.Contains(log, "auth_test.go") {
		t.Errorf("the log is %s, want the panic with its stack", log)
	}
	if started := e.starts(); len(started) > 0 {
		t.Errorf("started %q, want nothing", started)
	}
}

// The Authorizer is called once, with the decoded tenant and the scope of the operation. It is not called for a request
// that is refused earlier.
func TestAuthorizerIsAsked(t *testing.T) {
	var asked []string
	e := &fakeEngine{jobs: listing, job: func(context.Context, string, string) (reindex.Job, error) {
		return reindex.Job{}, reindex.ErrJobNotFound
	}}
	s := serve(t, e, Config{Authorizer: func(r *http.Request, tenant, scope string) error {
		asked = append(asked, r.Method+" "+tenant+" "+scope)
		return nil
	}})
	for _, tc := range []struct{ method, path, want string }{
		{"POST", "/indexing/acme/reindex", "POST acme indexing.search_manage"},
		{"POST", "/indexing/%61cme/reindex", "POST acme indexing.search_manage"},
		{"POST", "/indexing/acme/reindex-jobs", "POST acme indexing.search_manage"},
		{"GET", "/indexing/acme/reindex-jobs", "GET acme indexing.search_view"},
		{"HEAD", "/indexing/acme/reindex-jobs", "HEAD acme indexing.search_view"},
		{"GET", "/indexing/acme/reindex-jobs/J1", "GET acme indexing.search_view"},
		{"DELETE", "/indexing/acme/reindex-jobs/J1", "DELETE acme indexing.search_manage"},
		{"GET", "/indexing/acme/reindex-jobs/J1/failures", "GET acme indexing.search_view"},
		{"GET", "/indexing/acme/reindex-jobs/J1/events", "GET acme indexing.search_view"},
		{"HEAD", "/indexing/acme/reindex-jobs/J1/events", "HEAD acme indexing.search_view"},
		{"POST", "/indexing/Acme/reindex", ""},
		{"GET", "/indexing/acme/reindex", ""},
		{"GET", "/indexing/openapi.json", ""},
		{"POST", "/indexing/acme/other", ""},
	} {
		asked = nil
		s.send(tc.method, tc.path, "")
		if got := strings.Join(asked, "; "); got != tc.want {
			t.Errorf("%s %s: asked %q, want %q", tc.method, tc.path, got, tc.want)
		}
	}
}

// An Authorizer that reads the body does not empty it, since an empty body would be accepted.
func TestAuthorizerCannotTakeTheBody(t *testing.T) {
	e := &fakeEngine{}
	s := serve(t, e, Config{Authorizer: func(r *http.Request, _, _ string) error {
		body, err := io.ReadAll(r.Body)
		if len(body) > 0 {
			t.Errorf("the Authorizer read %q, want an empty body", body)
		}
		return err
	}})
	if got := s.post(`{"mode":"DELTA"}`); got.message.Message != "Unsupported mode" || len(e.starts()) > 0 {
		t.Errorf("got %d %s, want %q, and no run", got.status, got.body, "Unsupported mode")
	}
}
