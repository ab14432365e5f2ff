package main

import (
	"net/http"
	"testing"
	"time"

	"productindex/httpapi"
	"productindex/reindex/reindextest"
)

// Triggers beyond the limit are refused for some time, and so are clients that guess tokens.
func TestLimits(t *testing.T) {
	catalogues := t.TempDir()
	writeCatalogue(t, catalogues, "acme", reindextest.Products(1, "x"))
	s := start(t, "PRODUCTINDEX_CATALOGUES="+catalogues, "PRODUCTINDEX_INDEX="+t.TempDir(),
		"PRODUCTINDEX_TOKEN=secret-token", "PRODUCTINDEX_FAILURES_PER_MINUTE=1", "PRODUCTINDEX_TRIGGERS_PER_MINUTE=1")
	for _, step := range []struct {
		token  string
		status int
	}{
		{"secret-token", http.StatusNoContent},
		{"secret-token", http.StatusBadRequest},
		{"guess", http.StatusUnauthorized},
		{"secret-token", http.StatusForbidden},
	} {
		if status, body := s.do(t, http.MethodPost, "/indexing/acme/reindex", step.token); status != step.status {
			t.Errorf("%+v: got %d %s, want the status of the step", step, status, body)
		}
	}
	s.stop(t)
}

func TestPerMinute(t *testing.T) {
	for n, want := range map[int]httpapi.Rate{
		-1: {}, 0: {}, 1: {Every: time.Minute, Burst: 1}, 60: {Every: time.Second, Burst: 60},
	} {
		if got := perMinute(n); got != want {
			t.Errorf("%d: got %+v, want %+v", n, got, want)
		}
	}
}
