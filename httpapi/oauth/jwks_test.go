package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"productindex/httpapi"
	"productindex/httpapi/oauth"
)

// answer returns a fault that answers calls of a path with a status and a body.
func answer(path string, status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

// hang is a fault that does not answer until the caller gives up.
func hang(_ http.ResponseWriter, r *http.Request) bool {
	<-r.Context().Done()
	return true
}

// Without keys, no token can be checked. After a failed fetch, the next one is made only after some time.
func TestKeysAreUnavailable(t *testing.T) {
	for name, fault := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"unavailable": answer("/keys", http.StatusServiceUnavailable, "{}"),
		"not found":   answer("/keys", http.StatusNotFound, "{}"),
		"garbage":     answer("/keys", http.StatusOK, "<html>"),
		"empty":       answer("/keys", http.StatusOK, ""),
		"null":        answer("/keys", http.StatusOK, "null"),
		"no keys":     answer("/keys", http.StatusOK, `{"keys":[]}`),
		"array":       answer("/keys", http.StatusOK, `[]`),
		"useless": answer("/keys", http.StatusOK,
			`{"keys":[{"kty":"oct","k":"c2VjcmV0"},{"kty":"RSA"},{"kty":"what"},{}]}`),
		"endless": answer("/keys", http.StatusOK, `{"keys":[`+strings.Repeat(" ", 1<<20)+"]}"),
		"slow":    hang,
		"redirect": func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return true
		},
		"panic": func(http.ResponseWriter, *http.Request) bool { panic("in the transport") },
	} {
		synctest.Test(t, func(t *testing.T) {
			server := newAuthServer(t)
			authorize := newJWT(t, server.jwtConfig(server.direct()))
			token := server.sign(t, nil, nil)
			server.breakBy(fault)
			for range 3 {
				err := ask(authorize, token)
				if kindOf(err) != "undecided" || !strings.Contains(err.Error(), "keys are not known") {
					t.Errorf("%s: got %v, want an error about unknown keys", name, err)
				}
			}
			if n := server.called("/keys"); n != 1 || server.called("/elsewhere") != 0 {
				t.Errorf("%s: the keys were fetched %d times, want once", name, n)
			}
			server.breakBy(nil)
			<-time.After(10 * time.Second)
			if err := ask(authorize, token); err != nil {
				t.Errorf("%s: after it ended: got error %v, want none", name, err)
			}
			if err := ask(authorize, server.sign(t, map[string]any{"kid": "unknown"}, nil)); kindOf(err) != "invalid" {
				t.Errorf("%s: an unknown key after it ended: got error %v, want an invalid token", name, err)
			}
		})
	}
}

// Old keys are fetched again. If that fails, they are used until they are too old.
func TestKeysAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAuthServer(t)
		authorize := newJWT(t, server.jwtConfig(server.direct()))
		long := map[string]any{"exp": time.Now().Add(24 * time.Hour).Unix()}
		token := server.sign(t, nil, long)
		expect := func(when, want string, fetches int) {
			t.Helper()
			err := ask(authorize, token)
			if n := server.called("/keys"); kindOf(err) != want || n != fetches {
				t.Errorf("%s: got %v, %d fetches; want %s, %d", when, err, n, want, fetches)
			}
		}
		expect("at first", "allowed", 1)
		expect("again", "allowed", 0)
		<-time.After(10*time.Minute - time.Second)
		expect("when they are nearly old", "allowed", 0)
		<-time.After(time.Second)
		expect("when they are old", "allowed", 1)

		server.breakBy(hang)
		<-time.After(10 * time.Minute)
		expect("when they are old and the server hangs", "allowed", 1) // takes 5 s
		expect("just after", "allowed", 0)
		<-time.After(50*time.Minute - 11*time.Second)
		expect("when they are nearly useless", "allowed", 1) // takes 5 s
		<-time.After(5 * time.Second)
		expect("when they are useless", "undecided", 1)
		server.breakBy(nil)
		<-time.After(10 * time.Second)
		expect("when the server is back", "allowed", 1)

		server.rotate(t)
		<-time.After(10*time.Minute - time.Second)
		expect("when its key was withdrawn", "allowed", 0)
		<-time.After(time.Second)
		expect("when that is noticed", "invalid", 1)
	})
}

// Tokens of unknown keys cause at most one fetch per interval. Known keys work until the next fetch.
func TestUnknownKeysAreRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAuthServer(t)
		authorize := newJWT(t, server.jwtConfig(server.direct()))
		old := server.sign(t, nil, nil)
		if err := ask(authorize, old); err != nil {
			t.Fatal(err)
		}
		server.rotate(t)
		fresh := server.sign(t, nil, nil)
		server.called("/keys")
		for i := range 100 {
			if err := ask(authorize, server.sign(t, map[string]any{"kid": fmt.Sprint(i)}, nil)); kindOf(err) != "invalid" {
				t.Fatal(err)
			}
		}
		if err := ask(authorize, fresh); kindOf(err) != "invalid" || server.called("/keys") != 0 {
			t.Errorf("within the interval: got %v, or the keys were fetched, want an invalid token", err)
		}
		if err := ask(authorize, old); err != nil {
			t.Errorf("a token of a known key: got error %v, want none", err)
		}
		<-time.After(10 * time.Second)
		if err := ask(authorize, fresh); err != nil || server.called("/keys") != 1 {
			t.Errorf("after the interval: got error %v, want none and one fetch", err)
		}

		// While the server is down, an unknown key may be a new one.
		server.rotate(t)
		unknown := server.sign(t, nil, nil)
		server.breakBy(answer("/keys", http.StatusBadGateway, ""))
		<-time.After(10 * time.Second)
		for range 2 {
			if err := ask(authorize, unknown); kindOf(err) != "undecided" || !strings.Contains(err.Error(), "502") {
				t.Errorf("while the server is down: got error %v, want that it is undecided", err)
			}
			if err := ask(authorize, fresh); err != nil {
				t.Errorf("a token of a known key while the server is down: got error %v, want none", err)
			}
		}
	})
}

// A new key may have the key id of the old one, or none. It is found with the first token that it signs, within the
// limited rate. Tokens of the old key are then refused.
func TestRotationWithoutNames(t *testing.T) {
	for name, header := range map[string]map[string]any{"no kid": {"kid": nil}, "the same kid": {"kid": "k"}} {
		synctest.Test(t, func(t *testing.T) {
			server := newAuthServer(t)
			rotate := func() {
				server.rotate(t)
				server.keys[0].id = "k"
			}
			rotate()
			authorize := newJWT(t, server.jwtConfig(server.direct()))
			expect := func(when, token, want string, fetches int) {
				t.Helper()
				err := ask(authorize, token)
				if n := server.called("/keys"); kindOf(err) != want || n != fetches {
					t.Errorf("%s, %s: got %v, %d fetches; want %s, %d", name, when, err, n, want, fetches)
				}
			}
			old := server.sign(t, header, nil)
			expect("at first", old, "allowed", 1)
			rotate()
			fresh := server.sign(t, header, nil)
			expect("within the interval", fresh, "invalid", 0)
			expect("within the interval", old, "allowed", 0)
			<-time.After(10 * time.Second)
			expect("after the interval", fresh, "allowed", 1)
			<-time.After(10 * time.Second)
			expect("a token of the old key", old, "invalid", 1)
			for range 100 {
				expect("a forged token", newAuthServer(t).sign(t, header, nil), "invalid", 0)
			}
			expect("after forged tokens", fresh, "allowed", 0)

			rotate() // while the server is down, the outcome for tokens of the newest key is not known
			server.breakBy(answer("/keys", http.StatusBadGateway, ""))
			<-time.After(10 * time.Second)
			newest := server.sign(t, header, nil)
			expect("while the server is down", newest, "undecided", 1)
			expect("while the server is down", newest, "undecided", 0)
			expect("while the server is down", fresh, "allowed", 0)
			server.breakBy(nil)
			<-time.After(10 * time.Second)
			expect("when the server is back", newest, "allowed", 1)
		})
	}
}

// A token causes at most one fetch, because this fetch returns the newest keys.
func TestOneLookUp(t *testing.T) {
	server := newAuthServer(t)
	stranger := newAuthServer(t)
	cfg := server.jwtConfig(server.direct())
	cfg.KeysMinInterval = time.Nanosecond
	for name, token := range map[string]string{
		"unknown kid": stranger.sign(t, nil, nil), "no kid": stranger.sign(t, map[string]any{"kid": nil}, nil),
	} {
		authorize := newJWT(t, cfg)
		for _, when := range []string{"at first", "again"} {
			if err := ask(authorize, token); kindOf(err) != "invalid" {
				t.Errorf("%s: got error %v, want an invalid token", name, err)
			}
			if n := server.called("/keys"); n != 1 {
				t.Errorf("%s, %s: the keys were fetched %d times, want once", name, when, n)
			}
		}
	}
}

// A token of another issuer causes no fetch. So it is refused at once, even while this issuer is down.
func TestTokensOfOthersFetchNothing(t *testing.T) {
	first, second := newAuthServer(t), newAuthServer(t)
	second.issuer = "https://other.test"
	first.breakBy(answer("/keys", http.StatusBadGateway, ""))
	authorize := oauth.First(newJWT(t, first.jwtConfig(first.direct())), newJWT(t, second.jwtConfig(second.direct())))
	if err := ask(authorize, second.sign(t, nil, nil)); err != nil || first.called("/keys") != 0 {
		t.Errorf("a token of the second issuer: got error %v, want none, and no fetch from the first", err)
	}
	for _, token := range []string{
		"x.y.z", first.sign(t, map[string]any{"typ": "JOSE"}, nil), first.sign(t, map[string]any{"alg": "XS256"}, nil),
		first.sign(t, map[string]any{"crit": []string{"b64"}}, nil), first.sign(t, nil, map[string]any{"iss": nil}),
	} {
		if err := ask(authorize, token); kindOf(err) != "invalid" || first.called("/keys") != 0 {
			t.Errorf("%s: got %v, or the keys were fetched, want an invalid token", token, err)
		}
	}
	if err := ask(authorize, first.sign(t, nil, nil)); kindOf(err) != "undecided" {
		t.Errorf("a token of the first issuer: got error %v, want that it is undecided", err)
	}
}

// Concurrent requests share one fetch. The fetch goes on if one of them hangs up.
func TestFetchesAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAuthServer(t)
		authorize := newJWT(t, server.jwtConfig(server.direct()))
		token := server.sign(t, nil, nil)
		askAtOnce(t, server, authorize, token)
		if n := server.called("/keys"); n != 1 {
			t.Errorf("the keys were fetched %d times, want once", n)
		}
	})
}

// askAtOnce makes many concurrent requests with one token while the server delays its answers. The context of the first
// request ends; the others must be answered. It must be called in a synctest bubble.
func askAtOnce(t *testing.T, server *authServer, authorize httpapi.Authorizer, token string, further ...func()) {
	t.Helper()
	release := make(chan struct{})
	server.breakBy(func(_ http.ResponseWriter, r *http.Request) bool {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return false
	})
	first, hangUp := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if err := askWithin(first, authorize, token); !errors.Is(err, context.Canceled) || kindOf(err) != "undecided" {
			t.Errorf("the request whose context ended: got %v, want context.Canceled", err)
		}
	})
	synctest.Wait()
	for range 20 {
		waiting.Go(func() {
			if err := ask(authorize, token); err != nil {
				t.Error(err)
			}
		})
	}
	for _, request := range further {
		waiting.Go(request)
	}
	synctest.Wait()
	hangUp()
	synctest.Wait()
	close(release)
	waiting.Wait()
}
