package oauth_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"productindex/httpapi"
	"productindex/httpapi/oauth"
)

const introspectPath = "/oauth/introspect"

func newIntrospection(t *testing.T, cfg oauth.IntrospectionConfig) httpapi.Authorizer {
	t.Helper()
	authorize, err := oauth.Introspection(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return authorize
}

// asked checks the outcome of an Authorizer for a token, and the number of calls of the server.
type asked struct {
	t         *testing.T
	server    *authServer
	authorize httpapi.Authorizer
}

func (a asked) expect(when, token, want string, calls int) {
	a.t.Helper()
	err := ask(a.authorize, token)
	if n := a.server.called(introspectPath); kindOf(err) != want || n != calls {
		a.t.Errorf("%s: got %v, %d calls, want %s, %d", when, err, n, want, calls)
	}
}

// The answer about a token is remembered for some time. If the token is active, it is remembered at most until its exp;
// otherwise, for a shorter time.
func TestAnswersAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAuthServer(t,
			&oauthClient{id: "long", opaque: true, tenant: "acme"},
			&oauthClient{id: "short", opaque: true, tenant: "acme", lifetime: 30 * time.Second},
		)
		client := server.direct()
		a := asked{t, server, newIntrospection(t, server.introspectionConfig(client))}
		long, short := server.token(t, client, "long"), server.token(t, client, "short")
		a.expect("at first", long, "allowed", 1)
		a.expect("again", long, "allowed", 0)
		a.expect("another token", short, "allowed", 1)
		<-time.After(29 * time.Second)
		a.expect("before it expires", short, "allowed", 0)
		<-time.After(time.Second)
		a.expect("when it expires", short, "expired", 0)
		server.revoke(t, client, "long", long)
		<-time.After(30*time.Second - 1)
		a.expect("revoked, and remembered", long, "allowed", 0)
		<-time.After(1)
		a.expect("revoked, and not remembered", long, "invalid", 1)
		a.expect("revoked, and that is remembered", long, "invalid", 0)
		a.expect("unknown", "unknown", "invalid", 1)
		<-time.After(10*time.Second - 1)
		a.expect("unknown, remembered", "unknown", "invalid", 0)
		<-time.After(1)
		a.expect("unknown, not remembered", "unknown", "invalid", 1)
		<-time.After(time.Hour)
		a.expect("long after it expired", short, "expired", 0)
	})
}

// Only the tokens that were used last are remembered.
func TestCacheSize(t *testing.T) {
	server := newAuthServer(t)
	cfg := server.introspectionConfig(server.direct())
	cfg.CacheSize = 2
	a := asked{t, server, newIntrospection(t, cfg)}
	a.expect("1", "one", "invalid", 1)
	a.expect("2", "two", "invalid", 1)
	a.expect("1 again", "one", "invalid", 0)
	a.expect("3", "three", "invalid", 1)
	a.expect("1 still", "one", "invalid", 0)
	a.expect("2 is forgotten", "two", "invalid", 1)
}

// Concurrent requests with one token share a call. The call goes on if one of them hangs up.
func TestLookUpsAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAuthServer(t, &oauthClient{id: "shop", opaque: true, tenant: "acme"})
		client := server.direct()
		authorize := newIntrospection(t, server.introspectionConfig(client))
		token := server.token(t, client, "shop")
		askAtOnce(t, server, authorize, token, func() {
			if err := ask(authorize, "another"); kindOf(err) != "invalid" {
				t.Errorf("another token: got %v, want an invalid token", err)
			}
		})
		if n := server.called(introspectPath); n != 2 {
			t.Errorf("got %d calls, want one per token", n)
		}
	})
}

// A server that fails is not called for some time, and then tested with one request. Meanwhile, remembered answers are
// used.
func TestBreaker(t *testing.T) {
	for name, fault := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"unavailable":         answer(introspectPath, http.StatusServiceUnavailable, `{"active":true}`),
		"credentials refused": answer(introspectPath, http.StatusUnauthorized, `{"active":true}`),
		"garbage":             answer(introspectPath, http.StatusOK, "<html>"),
		"empty":               answer(introspectPath, http.StatusOK, ""),
		"no word on active":   answer(introspectPath, http.StatusOK, `{"scope":"indexing.search_manage","tenant":"acme"}`),
		"active in a string": answer(introspectPath, http.StatusOK,
			`{"active":"true","scope":"indexing.search_manage","tenant":"acme"}`),
		"exp in a string":     answer(introspectPath, http.StatusOK, `{"active":true,"exp":"tomorrow"}`),
		"audience of objects": answer(introspectPath, http.StatusOK, `{"active":true,"aud":[{}]}`),
		"null":                answer(introspectPath, http.StatusOK, "null"),
		"endless": answer(introspectPath, http.StatusOK,
			`{"active":true,"scope":"indexing.search_manage","tenant":"acme","aud":"indexing"}`+strings.Repeat(" ", 1<<20)),
		"slow":  hang,
		"panic": func(http.ResponseWriter, *http.Request) bool { panic("in the transport") },
		"redirect": func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			return true
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := newAuthServer(t, &oauthClient{id: "shop", opaque: true, tenant: "acme"})
			client := server.direct()
			cfg := server.introspectionConfig(client)
			cfg.MaxAge = time.Hour
			a := asked{t, server, newIntrospection(t, cfg)}
			known, fresh := server.token(t, client, "shop"), server.token(t, client, "shop")
			a.expect(name+": before", known, "allowed", 1)
			server.breakBy(fault)
			for range 5 {
				a.expect(name+": while it fails", fresh, "undecided", 1)
			}
			for range 3 {
				a.expect(name+": left alone", fresh, "undecided", 0)
			}
			a.expect(name+": a token that is remembered", known, "allowed", 0)
			<-time.After(10*time.Second + 1)
			a.expect(name+": tried once", fresh, "undecided", 1)
			a.expect(name+": left alone again", fresh, "undecided", 0)
			server.breakBy(nil)
			<-time.After(10*time.Second + 1)
			a.expect(name+": well again", fresh, "allowed", 1)
			a.expect(name+": at once", "unknown", "invalid", 1)
			if server.called("/elsewhere") != 0 {
				t.Error("a redirect was followed")
			}
		})
	}
}

// Answers with status 400 do not open the circuit breaker.
func TestBadRequestsAreNoFailures(t *testing.T) {
	server := newAuthServer(t, &oauthClient{id: "shop", opaque: true, tenant: "acme"})
	client := server.direct()
	a := asked{t, server, newIntrospection(t, server.introspectionConfig(client))}
	server.breakBy(answer(introspectPath, http.StatusBadRequest, `{"error":"invalid_request"}`))
	for range 20 {
		a.expect("a strange token", "strange", "undecided", 1)
	}
	server.breakBy(nil)
	a.expect("another", server.token(t, client, "shop"), "allowed", 1)
}

// The request to the server has the required form. The outcome for a token follows from the answer.
func TestIntrospectionAnswers(t *testing.T) {
	server := newAuthServer(t)
	for _, tc := range []struct{ name, answer, want string }{
		{"active", `{"active":true,"scope":"a indexing.search_manage","tenant":"acme","aud":"indexing"}`, "allowed"},
		{
			"arrays", `{"active":true,"scp":["indexing.search_manage"],"tenant":["globex","acme"],"aud":["x","indexing"]}`,
			"allowed",
		},
		{"inactive", `{"active":false,"scope":"indexing.search_manage","tenant":"acme","aud":"indexing"}`, "invalid"},
		{"expired", `{"active":true,"scope":"indexing.search_manage","tenant":"acme","aud":"indexing","exp":1}`, "expired"},
		{
			"expired, of another audience",
			`{"active":true,"scope":"indexing.search_manage","tenant":"acme","aud":"orders","exp":1}`, "invalid",
		},
		{"no audience", `{"active":true,"scope":"indexing.search_manage","tenant":"acme"}`, "invalid"},
		{"another audience", `{"active":true,"scope":"indexing.search_manage","tenant":"acme","aud":"orders"}`, "invalid"},
		{
			"bound", `{"active":true,"scope":"indexing.search_manage","tenant":"acme","aud":"indexing","cnf":{"jkt":"x"}}`,
			"invalid",
		},
		{"another tenant", `{"active":true,"scope":"indexing.search_manage","tenant":"globex","aud":"indexing"}`, "scope"},
		{"no tenant", `{"active":true,"scope":"indexing.search_manage","aud":"indexing"}`, "scope"},
		{"another scope", `{"active":true,"scope":"indexing.search_view","tenant":"acme","aud":"indexing"}`, "scope"},
		{"nothing else", `{"active":true,"aud":"indexing"}`, "scope"},
	} {
		server.breakBy(func(w http.ResponseWriter, r *http.Request) bool {
			if user, password, _ := r.BasicAuth(); user != "resource+server" ||
				password != "s3cr3t%3A+of+the+resource+server" || r.FormValue("token") != "a+token/=" ||
				r.FormValue("token_type_hint") != "access_token" ||
				r.URL.RawQuery != "" ||
				r.Method != http.MethodPost {
				t.Errorf("%s: got the form %v and the credentials %q %q, want those of RFC 7662", tc.name, r.Form, user, password)
			}
			_, _ = io.WriteString(w, tc.answer)
			return true
		})
		if err := ask(newIntrospection(t, server.introspectionConfig(server.direct())), "a+token/="); kindOf(err) != tc.want {
			t.Errorf("%s: got %v, want %s", tc.name, err, tc.want)
		}
	}
	server.breakBy(
		answer(introspectPath, http.StatusOK, `{"active":true,"scope":"indexing.search_manage","tenant":"acme"}`),
	)
	cfg := server.introspectionConfig(server.direct())
	cfg.Audience = nil
	if err := ask(newIntrospection(t, cfg), "token"); err != nil {
		t.Errorf("if no audience is required: got %v, want nil", err)
	}
}
