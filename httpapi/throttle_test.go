package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"productindex/reindex/throttle"
)

const throttlePath = "/indexing/acme/throttle"

// serveThrottle serves limits, and checks the answers against the document that describes them.
func serveThrottle(t *testing.T, cfg Config) (*service, *throttle.Throttle) {
	t.Helper()
	limits, err := throttle.New(throttle.Config{Tenant: throttle.Limits{Documents: 2000}})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Throttle = limits
	return serve(t, &fakeEngine{}, cfg).describe(), limits
}

// Limits are shown and replaced per tenant.
func TestThrottle(t *testing.T) {
	s, limits := serveThrottle(t, Config{Changes: updates{}})
	if got := s.send(http.MethodGet, throttlePath, ""); got.body !=
		`{"documentsPerSecond":2000,"bytesPerSecond":0,"paused":false}` {
		t.Errorf("got %d %s, want the default limits", got.status, got.body)
	}
	const night = `{"documentsPerSecond":0,"bytesPerSecond":1500.5,"paused":true,"window":{"from":"22:00",` +
		`"to":"06:30","timeZone":"Europe/Berlin"}}`
	if got := s.send(http.MethodPut, throttlePath, night); got.body != night {
		t.Errorf("got %d %s, want %s", got.status, got.body, night)
	}
	got := limits.Limits("acme")
	if !got.Paused || got.Bytes != 1500.5 || got.Documents != 0 || got.Window.String() != "22:00 to 06:30 Europe/Berlin" {
		t.Errorf("the limits are %+v, want those of %s", got, night)
	}
	if got := s.send(http.MethodPut, throttlePath, `{}`); got.body !=
		`{"documentsPerSecond":0,"bytesPerSecond":0,"paused":false}` {
		t.Errorf("got %d %s, want no limits", got.status, got.body)
	}
	if got := limits.Limits("other"); got.Documents != 2000 {
		t.Errorf("the limits of another tenant are %+v, want 2,000 documents per second", got)
	}
	if s.doc.Paths.Value("/indexing/{tenant}/changes") == nil {
		t.Error("the document describes the limits, but not the changes")
	}
}

// An invalid body is refused and changes nothing.
func TestThrottleRefuses(t *testing.T) {
	s, limits := serveThrottle(t, Config{Authorizer: func(r *http.Request, _, scope string) error {
		if scope == ScopeManage && r.Header.Get("Manage") == "" {
			return &ScopeError{}
		}
		return nil
	}})
	for body, want := range map[string]string{
		``: "Content-Type", `[]`: "object", `{"documentsPerSecond":-1}`: "not negative",
		`{"documentsPerSecond":"9"}`: "Invalid limits",
		`{"documentPerSecond":9}`:    "Invalid limits", `{"paused":1}`: "Invalid limits",
		`{"paused":true,"paused":false}`:                           "Duplicate field",
		`{"window":{"from":"1:00","to":"02:00","timeZone":"UTC"}}`: "such as 22:00",
		`{"window":{"from":"25:00","to":"02:00"}}`:                 "such as 22:00",
		`{"paused":null}`: "must not be null", `{"window":null}`: "must not be null",
		`{"window":{"from":"01:00","to":"02:00"}}`:                    "Europe/Berlin",
		`{"window":{"from":"01:00","to":"02:00","timeZone":"Local"}}`: "Europe/Berlin",
		`{"window":{"from":"01:00","to":"02:00","timeZone":"../x"}}`:  "Europe/Berlin",
		`{"window":{"from":"01:00","to":"01:00","timeZone":"UTC"}}`:   "different times",
	} {
		got := s.send(http.MethodPut, throttlePath, body, "Manage: yes")
		if got.status != http.StatusBadRequest || !strings.Contains(got.body, want) {
			t.Errorf("%s: got %d %s, want %q", body, got.status, got.body, want)
		}
	}
	if got := s.send(http.MethodPut, throttlePath, `{}`); got.status != http.StatusForbidden {
		t.Errorf("without the scope: got %d, want %d", got.status, http.StatusForbidden)
	}
	if got := s.send(http.MethodGet, throttlePath, ""); got.status != http.StatusOK {
		t.Errorf("with the scope to view: got %d, want %d", got.status, http.StatusOK)
	}
	if got := limits.Limits("acme"); got != (throttle.Limits{Documents: 2000}) {
		t.Errorf("the limits are %+v, want the default ones", got)
	}
	off := serve(t, &fakeEngine{}, Config{})
	if got := off.send(http.MethodGet, throttlePath, ""); got.status != http.StatusNotFound {
		t.Errorf("without Config.Throttle: got %d, want %d", got.status, http.StatusNotFound)
	}
}
