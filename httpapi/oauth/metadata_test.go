package oauth_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"productindex/httpapi"
	"productindex/httpapi/oauth"
)

const (
	openIDPath = "/.well-known/openid-configuration"
	oauthPath  = "/.well-known/oauth-authorization-server"
)

// discovering returns a Config without the URL of the keys.
func discovering(server *authServer, client *http.Client) oauth.JWTConfig {
	cfg := server.jwtConfig(client)
	cfg.JWKS = ""
	return cfg
}

// Keys are found through the issuer's metadata, also after they were replaced.
func TestDiscovery(t *testing.T) {
	server := newAuthServer(t, &oauthClient{id: "shop", tenant: "acme"})
	client := server.listen(t)
	cfg := discovering(server, client)
	cfg.KeysMinInterval = time.Nanosecond
	s := serve(t, newJWT(t, cfg))
	for range 2 {
		if status, body, _ := s.post(t, "acme", server.token(t, client, "shop")); status != http.StatusNoContent {
			t.Errorf("got %d %s, want 204; the log is %s", status, body, s.logged())
		}
		server.rotate(t)
	}
	if documents, keys := server.called(openIDPath), server.called("/keys"); documents != 2 || keys != 2 {
		t.Errorf("the document was fetched %d times and the keys %d times, want twice each", documents, keys)
	}
}

// The metadata of an issuer is read from the places that OpenID Connect and RFC 8414 define, or from Config.Metadata.
func TestPlacesOfMetadata(t *testing.T) {
	for _, tc := range []struct{ issuer, metadata, at string }{
		{"https://auth.test", "", openIDPath},
		{"https://auth.test/", "", openIDPath},
		{"https://auth.test/realms/shop", "", "/realms/shop" + openIDPath},
		{"https://auth.test/realms/shop/", "", "/realms/shop" + openIDPath},
		{"https://auth.test", "", oauthPath},
		{"https://auth.test/", "", oauthPath},
		{"https://auth.test/realms/shop", "", oauthPath + "/realms/shop"},
		{"https://sts.test/72f988bf/", "https://auth.test/72f988bf" + openIDPath, "/72f988bf" + openIDPath},
	} {
		server := newAuthServer(t)
		server.breakBy(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, ".well-known") {
				return false
			}
			if r.URL.Path != tc.at {
				http.NotFound(w, r)
				return true
			}
			return answer(tc.at, http.StatusOK, `{"issuer":"`+tc.issuer+`","jwks_uri":"https://auth.test/keys"}`)(w, r)
		})
		cfg := discovering(server, server.direct())
		cfg.Issuer, cfg.Metadata = tc.issuer, tc.metadata
		if err := ask(newJWT(t, cfg), server.sign(t, nil, map[string]any{"iss": tc.issuer})); err != nil {
			t.Errorf("%s, %q: got error %v, want none", tc.issuer, tc.metadata, err)
		}
	}
}

// If the metadata cannot be used, the error has the reason, and known keys are used until they are too old.
func TestMetadataIsUnusable(t *testing.T) {
	for name, tc := range map[string]struct {
		fault func(http.ResponseWriter, *http.Request) bool
		want  string
	}{
		"of another issuer": {
			answer(openIDPath, http.StatusOK, `{"issuer":"https://evil.test","jwks_uri":"https://auth.test/keys"}`),
			`is that of the issuer "https://evil.test"; the configured issuer is "https://auth.test"`,
		},
		"of a template": {
			answer(openIDPath, http.StatusOK, `{"issuer":"https://auth.test/{tenantid}","jwks_uri":"https://auth.test/keys"}`),
			"{tenantid}",
		},
		"of no issuer": {
			answer(openIDPath, http.StatusOK, `{"jwks_uri":"https://auth.test/keys"}`),
			`is that of the issuer ""`,
		},
		"no keys": {answer(openIDPath, http.StatusOK, `{"issuer":"https://auth.test"}`), "no jwks_uri"},
		"keys over http": {
			answer(openIDPath, http.StatusOK, `{"issuer":"https://auth.test","jwks_uri":"http://auth.test/keys"}`),
			"not https",
		},
		"keys in a file": {
			answer(openIDPath, http.StatusOK, `{"issuer":"https://auth.test","jwks_uri":"file:///keys"}`), "https://",
		},
		"keys elsewhere": {
			answer(openIDPath, http.StatusOK, `{"issuer":"https://auth.test","jwks_uri":"https://auth.test/nothing"}`), "404",
		},
		"garbage":     {answer(openIDPath, http.StatusOK, "<html>"), "JSON"},
		"unavailable": {answer(openIDPath, http.StatusBadGateway, "{}"), "502"},
		"slow":        {hang, "deadline"},
		"nowhere": {func(w http.ResponseWriter, r *http.Request) bool {
			http.NotFound(w, r)
			return true
		}, oauthPath + ": the answer is 404"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "https://evil.test/", http.StatusFound)
			return true
		}, "302"},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := newAuthServer(t)
			authorize := newJWT(t, discovering(server, server.direct()))
			token := server.sign(t, nil, map[string]any{"exp": time.Now().Add(24 * time.Hour).Unix()})
			server.breakBy(tc.fault)
			for range 2 {
				if err := ask(authorize, token); kindOf(err) != "undecided" || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
				}
			}
			if n := server.called(openIDPath); n != 1 {
				t.Errorf("%s: the document was fetched %d times, want once", name, n)
			}
			server.breakBy(nil)
			<-time.After(10 * time.Second)
			if err := ask(authorize, token); err != nil {
				t.Errorf("%s: after it ended: got error %v, want none", name, err)
			}
			server.breakBy(tc.fault)
			<-time.After(59 * time.Minute)
			if err := ask(authorize, token); err != nil {
				t.Errorf("%s: with keys that were fetched before: got error %v, want none", name, err)
			}
			<-time.After(time.Minute)
			if err := ask(authorize, token); kindOf(err) != "undecided" {
				t.Errorf("%s: with keys that are too old: got error %v, want that it is undecided", name, err)
			}
		})
	}
}

// If the metadata cannot be used, the response has no text of it.
func TestMetadataStaysInTheLog(t *testing.T) {
	server := newAuthServer(t)
	server.breakBy(answer(openIDPath, http.StatusOK, `{"issuer":"https://evil.test"}`))
	s := serve(t, newJWT(t, discovering(server, server.direct())))
	status, body, _ := s.post(t, "acme", server.sign(t, nil, nil))
	if status != http.StatusForbidden || !strings.Contains(body, httpapi.MessageNotAuthorized) ||
		strings.Contains(body, ".test") ||
		!strings.Contains(s.logged(), "evil.test") {
		t.Errorf("got %d %s, want the documented 403; the log is %s", status, body, s.logged())
	}
}
