package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// probe sends a probe.
func probe(t *testing.T, h http.Handler) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	return w.Code, w.Body.String()
}

// The answer to a probe names the failing checks. Only the log has the reasons, each of them once.
func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away error
		calls := 0
		logged := &syncBuffer{}
		h := Ready(slog.New(slog.NewTextHandler(logged, nil)), map[string]Check{
			"jobs":  func(context.Context) error { calls++; return away },
			"index": func(context.Context) error { return nil },
		})
		for range 10 {
			status, body := probe(t, h)
			if status != http.StatusOK || body != `{"status":"ready","checks":{"index":"ready","jobs":"ready"}}` {
				t.Errorf("got %d %s, want 200, all ready", status, body)
			}
		}
		if calls != 1 {
			t.Errorf("ten probes at the same time call a check %d times, want once", calls)
		}
		away = errors.New("host-7 is away")
		for range 5 {
			<-time.After(2 * time.Second)
			if status, body := probe(t, h); status != http.StatusServiceUnavailable ||
				body != `{"status":"not ready","checks":{"index":"ready","jobs":"not ready"}}` {
				t.Errorf("got %d %s, want 503, jobs not ready", status, body)
			}
		}
		if n := strings.Count(logged.String(), "host-7"); n != 1 {
			t.Errorf("the log has the reason %d times, want once: %s", n, logged)
		}
		away = nil
		<-time.After(2 * time.Second)
		if status, _ := probe(t, h); status != http.StatusOK || !strings.Contains(logged.String(), "ready again") {
			t.Errorf("got status %d, log %s; want 200, and that the checks are ready again", status, logged)
		}
	})
}

// A check that hangs or panics is not ready.
func TestReadyContainsChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		h := Ready(nil, map[string]Check{
			"hangs":  func(context.Context) error { <-end; return nil },
			"panics": func(context.Context) error { panic("a defect") },
		})
		if status, body := probe(t, h); status != http.StatusServiceUnavailable ||
			body != `{"status":"not ready","checks":{"hangs":"not ready","panics":"not ready"}}` {
			t.Errorf("got %d %s, want 503, both not ready", status, body)
		}
		close(end)
	})
}
