package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The requests that start runs are limited per tenant, for both endpoints together. Only valid ones count.
func TestTriggerRate(t *testing.T) {
	e := &fakeEngine{jobs: listing}
	deny := false
	s := serve(
		t,
		e,
		Config{TriggerRate: Rate{Every: time.Hour, Burst: 2}, Authorizer: func(*http.Request, string, string) error {
			if deny {
				return ErrInvalidToken
			}
			return nil
		}},
	)
	for _, tc := range []struct {
		method, path, body string
		deny               bool
		status             int
		limited            bool
	}{
		{method: "POST", path: reindexPath, body: `{"mode":"X"}`, status: 400},
		{method: "POST", path: reindexPath, deny: true, status: 401},
		{method: "POST", path: reindexPath, status: 204},
		{method: "POST", path: "/indexing/acme/reindex-jobs", body: `{"entityType":"PRODUCT"}`, status: 201},
		{method: "POST", path: "/indexing/acme/reindex-jobs", body: `{"entityType":"PRODUCT"}`, status: 400, limited: true},
		{method: "POST", path: reindexPath, status: 400, limited: true},
		{method: "POST", path: reindexPath, body: `{"mode":"X"}`, status: 400},
		{method: "GET", path: "/indexing/acme/reindex-jobs", status: 200},
		{method: "POST", path: "/indexing/globex/reindex", status: 204},
	} {
		deny = tc.deny
		got := s.send(tc.method, tc.path, tc.body)
		if got.status != tc.status || (got.message.Message == MessageTooManyTriggers) != tc.limited ||
			(got.header.Get("Retry-After") == "3600") != tc.limited {
			t.Errorf("got %d %s with the headers %v, want %+v", got.status, got.body, got.header, tc)
		}
		if tc.limited &&
			!slices.Equal(got.message.Details, []string{"Nothing else is wrong with the request", "Try again in 3600 s"}) {
			t.Errorf("got the details %q, want when to try again", got.message.Details)
		}
	}
	if started := e.starts(); !slices.Equal(started, []string{"acme", "acme", "globex"}) {
		t.Errorf("started %q, want acme twice and globex once", started)
	}
}

// Every adds one grant, up to Burst. A refused call uses none.
func TestLimitersRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := newLimiters(Rate{Every: time.Minute, Burst: 2})
		if err != nil {
			t.Fatal(err)
		}
		expect := func(want ...time.Duration) {
			t.Helper()
			for _, w := range want {
				if got := l.take("a"); got.Round(time.Millisecond) != w {
					t.Errorf("take: got %v, want %v", got, w)
				}
			}
			if got, want := l.wait("a").Round(time.Millisecond), want[len(want)-1]; got != want {
				t.Errorf("wait: got %v, want %v", got, want)
			}
		}
		expect(0, 0, time.Minute, time.Minute)
		<-time.After(50 * time.Second)
		expect(10 * time.Second)
		<-time.After(10 * time.Second)
		expect(0, time.Minute)
		<-time.After(time.Hour)
		expect(0, 0, time.Minute)
	})
}

// After too many failures, a client is refused for some time without a call of the Authorizer, even with a valid token.
// Other clients are not affected.
func TestLimitFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		var answer error
		authorize, err := LimitFailures(func(*http.Request, string, string) error {
			asked++
			return answer
		}, Rate{Every: time.Minute, Burst: 2}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ask := func(address string, next error) error {
			answer = next
			r := httptest.NewRequest(http.MethodPost, reindexPath, nil)
			r.RemoteAddr = address
			return authorize(r, "acme", ScopeManage)
		}
		undecided := errors.New("undecided")
		for _, next := range []error{
			nil, &ScopeError{}, undecided, nil, ErrInvalidToken, fmt.Errorf("x: %w", ErrExpiredToken),
		} {
			if got := ask("[2001:db8::1]:1", next); !errors.Is(got, next) {
				t.Errorf("the answers are %v, want %v", got, next)
			}
		}
		asked = 0
		for _, address := range []string{"[2001:db8::1]:2", "[2001:db8::ffff:2]:1"} {
			var limited *LimitError
			got := ask(address, nil)
			if !errors.As(got, &limited) || limited.RetryAfter.Round(time.Millisecond) != time.Minute || asked != 0 {
				t.Errorf("%s: answered %v, asked %d times, want a LimitError and none", address, got, asked)
			}
		}
		for _, address := range []string{"[2001:db8:0:1::1]:1", "192.0.2.1:1", "not-an-address", ""} {
			if got := ask(address, nil); got != nil {
				t.Errorf("%s: got %v, want nil", address, got)
			}
		}
		<-time.After(time.Minute)
		if got := ask("[2001:db8::1]:1", nil); got != nil {
			t.Errorf("after a minute: got %v, want nil", got)
		}
	})
}

// A client that failed too often gets 403 with Retry-After. A function of the host says which client it is.
func TestLimitedFailuresAreAnswered(t *testing.T) {
	e := &fakeEngine{}
	authorize, err := LimitFailures(func(r *http.Request, _, _ string) error {
		if r.Header.Get("Authorization") != "Bearer good-token" {
			return ErrInvalidToken
		}
		return nil
	}, Rate{Every: time.Hour, Burst: 1}, func(r *http.Request) string { return r.Header.Get("X-Client") })
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, e, Config{Authorizer: authorize})
	for _, tc := range []struct {
		client, token string
		status        int
	}{
		{"one", "good-token", 204},
		{"one", "bad-token", 401},
		{"one", "good-token", 403},
		{"two", "good-token", 204},
		{"", "bad-token", 401},
		{"", "good-token", 204},
	} {
		got := s.post(full, "X-Client: "+tc.client, "Authorization: Bearer "+tc.token)
		if got.status != tc.status {
			t.Errorf("%+v: got %d %s, want %d", tc, got.status, got.body, tc.status)
		}
		if tc.status == http.StatusForbidden &&
			(got.message.Message != MessageTooManyFailures || got.header.Get("Retry-After") != "3600") {
			t.Errorf("got %s, headers %v; want %q and Retry-After 3600", got.body, got.header, MessageTooManyFailures)
		}
	}
	s.srv.Close()
	log := s.log.String()
	if strings.Contains(log, "-token") || !strings.Contains(log, "too many failed authentications") ||
		strings.Contains(log, `"ERROR"`) {
		t.Errorf("the log is %s, want the refusal, no token, no ERROR", log)
	}
	if started := e.starts(); len(started) != 3 {
		t.Errorf("started %q, want three runs", started)
	}
}

func TestClientKey(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1":             "192.0.2.1",
		"::ffff:192.0.2.1":      "192.0.2.1",
		"2001:db8:1:2:3:4:5:6":  "2001:db8:1:2::/64",
		"fe80::1%eth0":          "fe80::/64",
		"@":                     "@",
		"":                      "",
		strings.Repeat("x", 65): strings.Repeat("x", 64),
	} {
		if got := clientKey(address); got != want {
			t.Errorf("%q: got %q, want %q", address, got, want)
		}
	}
}

// However many keys there are, limiters remember a bounded number.
func TestLimitersAreBounded(t *testing.T) {
	l, err := newLimiters(Rate{Every: time.Hour, Burst: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range limitedKeys + 100 {
		l.take(fmt.Sprint(i))
	}
	if n := l.byKey.Len(); n != limitedKeys {
		t.Errorf("%d keys are remembered, want %d", n, limitedKeys)
	}
	if wait := l.take(fmt.Sprint(limitedKeys + 99)); wait == 0 {
		t.Error("the last key was forgotten")
	}
}

// Simultaneous calls with a new key share one limit.
func TestLimitersAreShared(t *testing.T) {
	l, err := newLimiters(Rate{Every: time.Hour, Burst: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		var granted atomic.Int32
		var taking sync.WaitGroup
		begin := make(chan struct{})
		for range 8 {
			taking.Go(func() {
				<-begin
				if l.take(fmt.Sprint(i)) == 0 {
					granted.Add(1)
				}
			})
		}
		close(begin)
		taking.Wait()
		if n := granted.Load(); n != 1 {
			t.Fatalf("%d were granted, want one", n)
		}
	}
}

func TestInvalidRates(t *testing.T) {
	for _, r := range []Rate{{Every: 1}, {Burst: 1}, {Every: -1, Burst: 1}, {Every: 1, Burst: -1}} {
		_, err := newHandler(&fakeEngine{}, Config{Authorizer: AllowAll, TriggerRate: r})
		if err == nil || !strings.Contains(err.Error(), "TriggerRate") {
			t.Errorf("%+v: got error %v, want one about TriggerRate", r, err)
		}
		if _, err := LimitFailures(AllowAll, r, nil); err == nil || !strings.Contains(err.Error(), "limit of failures") {
			t.Errorf("%+v: got error %v, want one about the limit of failures", r, err)
		}
	}
	if _, err := LimitFailures(nil, Rate{}, nil); err == nil {
		t.Error("LimitFailures takes a nil Authorizer")
	}
	denied, err := LimitFailures(func(*http.Request, string, string) error { return ErrInvalidToken }, Rate{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if err := denied(httptest.NewRequest(http.MethodPost, reindexPath, nil), "acme",
			ScopeManage); !errors.Is(err, ErrInvalidToken) {
			t.Fatalf("without a limit: got error %v, want ErrInvalidToken", err)
		}
	}
}
