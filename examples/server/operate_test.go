package main

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// The environment configures a schedule, limits, changes and webhooks.
func TestOperations(t *testing.T) {
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("s", 32)))
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		if err != nil {
			t.Error(err)
		}
		events <- string(body)
	}))
	defer receiver.Close()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "acme.jsonl"), []byte(`{"id":"a","name":"wool"}`+"\n"), 0o600); err !=
		nil {
		t.Fatal(err)
	}
	s := start(t, "PRODUCTINDEX_CATALOGUES="+folder, "PRODUCTINDEX_INDEX="+t.TempDir(), "PRODUCTINDEX_TOKEN=secret",
		"PRODUCTINDEX_CHANGES=true", "PRODUCTINDEX_SCHEDULE=acme=30 2 * * *;beta=@daily",
		"PRODUCTINDEX_SCHEDULE_TIME_ZONE=Europe/Berlin", "PRODUCTINDEX_DOCUMENTS_PER_SECOND=1000",
		"PRODUCTINDEX_WEBHOOK_URL="+receiver.URL, "PRODUCTINDEX_WEBHOOK_SECRET="+secret,
		"PRODUCTINDEX_WEBHOOK_PRIVATE=true", "PRODUCTINDEX_WEBHOOK_OUTCOMES=succeeded,failed")
	expect := func(method, path, body string, status int, want string) {
		t.Helper()
		if got, text := s.send(t, method, path, "secret", body); got != status || !strings.Contains(text, want) {
			t.Errorf("%s %s: got %d %s, want %d with %s", method, path, got, text, status, want)
		}
	}
	expect(http.MethodGet, "/readyz", "", http.StatusOK,
		`{"status":"ready","checks":{"index":"ready","jobs":"ready","serving":"ready"}}`)
	expect(http.MethodGet, "/indexing/acme/schedule", "", http.StatusOK,
		`[{"cron":"30 2 * * *","timeZone":"Europe/Berlin","jitterSeconds":0,"nextAt":"`)
	expect(http.MethodPut, "/indexing/acme/throttle", `{"paused":true}`, http.StatusOK, `"paused":true`)
	expect(http.MethodPost, "/indexing/acme/reindex", "", http.StatusNoContent, "")
	select {
	case event := <-events:
		t.Errorf("got the event %s of a paused run, want none", event)
	default:
	}
	expect(http.MethodPut, "/indexing/acme/throttle", `{}`, http.StatusOK, `"paused":false`)
	select {
	case event := <-events:
		if !strings.Contains(event, `"type":"reindex.succeeded"`) || !strings.Contains(event, `"tenant":"acme"`) {
			t.Errorf("got the event %s, want that acme has succeeded", event)
		}
	case <-time.After(patience):
		t.Fatal("no event came")
	}
	expect(http.MethodPut, "/indexing/acme/products/b?settle=true", `{"name":"cotton"}`, http.StatusOK, `"applied":1`)
	expect(http.MethodGet, "/search/acme?q=cotton", "", http.StatusOK, `"cotton"`)
	expect(http.MethodGet, "/indexing/acme/changes", "", http.StatusOK, `{"waiting":0,"refusals":[]}`)
	for _, path := range []string{"/indexing/acme/schedule", "/indexing/acme/throttle", "/indexing/acme/changes"} {
		if status, _ := s.do(t, http.MethodGet, path, ""); status != http.StatusUnauthorized {
			t.Errorf("%s without a token: got %d, want 401", path, status)
		}
	}
	s.stop(t)
}

// If a setting is not valid, the server ends with an error that names the setting and has no secrets.
func TestOperationsThatAreNotValid(t *testing.T) {
	for setting, want := range map[string]string{
		"PRODUCTINDEX_SCHEDULE=acme=soon":                 "PRODUCTINDEX_SCHEDULE: schedule of tenant",
		"PRODUCTINDEX_SCHEDULE_TIME_ZONE=Europe/Nowhere":  "PRODUCTINDEX_SCHEDULE_TIME_ZONE",
		"PRODUCTINDEX_DOCUMENTS_PER_SECOND=-1":            "PRODUCTINDEX_DOCUMENTS_PER_SECOND",
		"PRODUCTINDEX_WEBHOOK_URL=http://10.0.0.1/s3cret": "PRODUCTINDEX_WEBHOOK_*: webhook: invalid config",
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "SERVER_CHILD=true", "PRODUCTINDEX_ADDR=127.0.0.1:0",
			"PRODUCTINDEX_CATALOGUES="+t.TempDir(), "PRODUCTINDEX_INDEX="+t.TempDir(), setting)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) || strings.Contains(string(out), "s3cret") {
			t.Errorf("%s: got error %v, want %q in\n%s", setting, err, want, out)
		}
	}
}
