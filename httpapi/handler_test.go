package httpapi

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// newEngine returns an engine that is shut down after the test.
func newEngine(t *testing.T, src reindex.Source, ix reindex.Indexer) *reindex.Engine {
	t.Helper()
	e, err := reindex.New(src, ix, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Shutdown(t.Context()); err != nil && !errors.Is(err, t.Context().Err()) {
			t.Error(err)
		}
	})
	return e
}

func TestInvalidConfig(t *testing.T) {
	e := newEngine(t, reindextest.Slice{}, reindextest.NewMemory())
	for _, tc := range []struct {
		cfg  Config
		want []string
	}{
		{Config{}, []string{"Authorizer", "AllowAll"}},
		{
			Config{
				Authorizer: AllowAll, MaxBodyBytes: -1, ReadTimeout: -1, EngineTimeout: -1,
				MaxStreams: -1, StreamInterval: -1, StreamHeartbeat: -1, StreamWriteTimeout: -1, Engines: []Engine{nil},
			},
			[]string{
				"MaxBodyBytes is -1", "ReadTimeout is -1ns", "EngineTimeout is -1ns",
				"MaxStreams is -1", "StreamInterval is -1ns", "StreamHeartbeat is -1ns", "StreamWriteTimeout is -1ns",
				"one of Engines is nil",
			},
		},
		{Config{Authorizer: AllowAll, Engines: []Engine{e}}, []string{"more than one engine for the entity type PRODUCT"}},
	} {
		_, err := NewHandler(e, tc.cfg)
		for name, err := range map[string]error{"NewHandler": err, "Mount": Mount(http.NewServeMux(), e, tc.cfg)} {
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s(%+v): got %v, want %q in it", name, tc.cfg, err, want)
				}
			}
		}
	}
	if _, err := NewHandler(nil, Config{Authorizer: AllowAll}); err == nil {
		t.Error("NewHandler accepts a nil engine")
	}
	if err := Mount(nil, e, Config{Authorizer: AllowAll}); err == nil {
		t.Error("Mount accepts a nil mux")
	}
}

// Many simultaneous callers start one run of a real engine, whose products are live at the end.
func TestCallersJoinOneRun(t *testing.T) {
	ix := reindextest.NewMemory()
	var held sync.WaitGroup // the run waits until every caller has a response
	held.Add(1)
	faulty := reindextest.NewFaulty(ix, func(c reindextest.Call) reindextest.Fault {
		if c.Op == reindextest.OpSeal {
			held.Wait()
		}
		return reindextest.Fault{}
	})
	e := newEngine(t, reindextest.Slice(reindextest.Products(100, "1")), faulty)
	s := serve(t, e, Config{})
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			if got := s.post(full); got.status != http.StatusNoContent {
				t.Errorf("got %d %s, want 204", got.status, got.body)
			}
		})
	}
	callers.Wait()
	held.Done()
	jobs, total, err := e.Jobs(t.Context(), "acme", reindex.JobQuery{})
	if err != nil || total != 1 {
		t.Fatalf("got %d jobs, %v, want 1", total, err)
	}
	var last reindex.Job
	for job, err := range e.Watch(t.Context(), "acme", jobs[0].ID) {
		if err != nil {
			t.Fatal(err)
		}
		last = job
	}
	if n := len(ix.Documents("acme")); last.Status != reindex.StatusSuccess || n != 100 {
		t.Errorf("got %s %s, %d documents; want 100", last.Status, last.Message, n)
	}
	s.srv.Close()
	if log := s.log.String(); strings.Count(log, `"started":true`) != 1 || strings.Count(log, `"started":false`) != 49 {
		t.Errorf("the log is %s, want one started run and 49 joined ones", log)
	}
}

// After the engine has been shut down, the handler still answers as documented.
func TestEngineIsShutDown(t *testing.T) {
	e := newEngine(t, reindextest.Slice{}, reindextest.NewMemory())
	s := serve(t, e, Config{})
	if err := e.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.post(full); got.status != http.StatusBadRequest || got.message.Message != MessageUnavailable {
		t.Errorf("got %d %s, want %d %s", got.status, got.body, http.StatusBadRequest, MessageUnavailable)
	}
}

func TestRequestID(t *testing.T) {
	s := serve(t, &fakeEngine{}, Config{})
	for _, id := range []string{
		"a", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "Root=1-67891233:a/b+c~d@e._", strings.Repeat("x", 128),
	} {
		if got := s.post("", "X-Request-Id: "+id).header["X-Request-Id"]; !slices.Equal(got, []string{id}) {
			t.Errorf("sent the id %q, got %q, want the same", id, got)
		}
	}
	seen := map[string]bool{}
	for _, headers := range [][]string{
		nil,
		{"X-Request-Id: a b"},
		{"X-Request-Id: a\"b"},
		{"X-Request-Id: <script>"},
		{"X-Request-Id: ä"},
		{"X-Request-Id: " + strings.Repeat("x", 129)},
		{"X-Request-Id: a", "X-Request-Id: b"},
	} {
		got := s.post("", headers...).header["X-Request-Id"]
		if len(got) != 1 || len(got[0]) < 20 || seen[got[0]] {
			t.Errorf("sent %q, got %q, want a new one", headers, got)
			continue
		}
		seen[got[0]] = true
	}
}

func TestAccessLog(t *testing.T) {
	const secret = "s3cr3t"
	s := serve(t, &fakeEngine{}, Config{})
	s.send("POST", reindexPath+"?token="+secret, full, "X-Request-Id: id-1", "Authorization: Bearer "+secret)
	s.send("POST", "/indexing/"+secret+"!/reindex", "", "X-Request-Id: id-2")
	s.send("GET", "/"+secret, "", "X-Request-Id: id-3")
	s.srv.Close()
	log := s.log.String()
	if strings.Contains(log, secret) {
		t.Errorf("a secret is in the log, want none: %s", log)
	}
	lines := strings.Split(strings.TrimSpace(log), "\n")
	for i, want := range []map[string]any{
		{
			"level": "INFO", "method": "POST", "route": "/indexing/{tenant}/reindex", "tenant": "acme", "status": 204.0,
			"request_id": "id-1",
			"bytes_in":   15.0, "bytes_out": 0.0, "job": "J1", "started": true,
		},
		{"route": "/indexing/{tenant}/reindex", "tenant": "", "status": 400.0, "request_id": "id-2", "bytes_in": 0.0},
		{"route": "", "tenant": "", "status": 404.0, "request_id": "id-3"},
	} {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s: got %v, want %v: %s", name, got[name], value, lines[i])
			}
		}
		if _, ok := got["duration"].(float64); !ok {
			t.Errorf("the line %s has no duration", lines[i])
		}
	}
}

// If the error of an Authorizer has secrets of the request, they are removed from the log.
func TestRedact(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, reindexPath+"?access_token=query%2Ds3cr3t&x=1", nil)
	r.SetBasicAuth("a-client", "basic s3cr3t")
	r.Header.Set("X-Api-Key", "key-s3cr3t/+")
	r.Header.Add("Cookie", `session="cookie-s3cr3t"; other=1`)
	for _, text := range []string{
		"no query-s3cr3t",
		"no query%2Ds3cr3t",
		"no basic s3cr3t of a-client",
		"no basic+s3cr3t",
		r.Header.Get("Authorization"),
		"key-s3cr3t/+ key-s3cr3t%2F%2B",
		"cookie-s3cr3t",
	} {
		got := redact(text, r)
		for _, secret := range []string{"s3cr3t", "a-client", strings.Fields(r.Header.Get("Authorization"))[1]} {
			if strings.Contains(got, secret) {
				t.Errorf("%q became %q, want the secret removed", text, got)
			}
		}
	}
	if got := redact("connection 1 refused", r); got != "connection 1 refused" {
		t.Errorf("got %q, want the text unchanged", got)
	}
	if got := redact(strings.Repeat("ä", maxReasonBytes), r); len(got) > maxReasonBytes {
		t.Errorf("got %d bytes, want at most maxReasonBytes", len(got))
	}
	r.Header["X-Api-Key"] = []string{"passphrase", "passphrase of short words"}
	if got := redact("no passphrase of short words", r); got != "no [cut]" {
		t.Errorf("got %q, want the whole passphrase cut", got)
	}
	r.Header.Set("Authorization", "Bearer ab=cd;ef=gh,ij")
	if got := redact("no ab=cd;ef=gh,ij", r); got != "no [cut]" {
		t.Errorf("got %q, want the whole value cut", got)
	}
	// With these headers, the text would grow with each word that is replaced.
	r.Header.Set("Authorization", strings.Repeat("c u t [cut] cutcut ", 1000))
	if got := redact("[cut]", r); len(got) > 100 {
		t.Errorf("got %d bytes, want at most 100", len(got))
	}
}

// patternMux is a mux that only records the patterns.
type patternMux struct{ patterns []string }

func (m *patternMux) Handle(pattern string, _ http.Handler) { m.patterns = append(m.patterns, pattern) }

func TestMount(t *testing.T) {
	e := newEngine(t, reindextest.Slice{}, reindextest.NewMemory())
	mux := &patternMux{}
	if err := Mount(mux, e, Config{Authorizer: AllowAll}); err != nil {
		t.Fatal(err)
	}
	for _, rt := range routes {
		if !slices.Contains(mux.patterns, rt.pattern) {
			t.Errorf("the pattern %s is not among %q", rt.pattern, mux.patterns)
		}
	}

	serveMux := http.NewServeMux()
	if err := Mount(serveMux, e, Config{Authorizer: AllowAll}); err != nil {
		t.Fatal(err)
	}
	err := Mount(serveMux, e, Config{Authorizer: AllowAll})
	if err == nil || !strings.Contains(err.Error(), "/indexing/") {
		t.Errorf("mounted twice: got %v, want an error with the pattern", err)
	}
	// On http.ServeMux, all requests except those that it redirects have the same answers as without it.
	for _, tc := range paths {
		if strings.Contains(tc.path, "//") || strings.Contains(tc.path, "/.") || strings.Contains(tc.path, "%2e") ||
			!strings.HasPrefix(tc.path, "/indexing") {
			continue
		}
		w := httptest.NewRecorder()
		serveMux.ServeHTTP(w, httptest.NewRequest(http.MethodPost, tc.path, nil))
		if w.Code != tc.status {
			t.Errorf("%s: got status %d, want %d", tc.path, w.Code, tc.status)
		}
	}
}

// If the host's mux is the Fallback of the handler, the mux redirects no request under /indexing.
func TestFallback(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	e := &fakeEngine{}
	s := serve(t, e, Config{Fallback: mux})
	for _, tc := range paths {
		if tc.path == "/" || tc.path == "/other" || tc.path == "//indexing/acme/reindex" {
			continue
		}
		if got := s.send(http.MethodPost, tc.path, ""); got.status != tc.status {
			t.Errorf("%s: got status %d, want %d", tc.path, got.status, tc.status)
		}
	}
	for _, path := range []string{"/", "/other", "/indexing2/x", "/x/indexing/"} {
		res, err := s.srv.Client().Get(s.srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusTeapot {
			t.Errorf("%s: got status %d, want the fallback's", path, res.StatusCode)
		}
	}
}

// A host can serve the endpoints under a prefix.
func TestStripPrefix(t *testing.T) {
	e := &fakeEngine{}
	h, err := newHandler(e, Config{Authorizer: AllowAll})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	http.StripPrefix("/api", h).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/indexing/%61cme/reindex", nil))
	if started := e.starts(); w.Code != http.StatusNoContent || !slices.Equal(started, []string{"acme"}) {
		t.Errorf("got status %d, started %q, want 204 and acme", w.Code, started)
	}
}

// If the connection breaks before the response is written, the log has the error.
func TestWriteFails(t *testing.T) {
	logged := &syncBuffer{}
	h, err := newHandler(&fakeEngine{}, Config{Authorizer: AllowAll, Logger: slog.New(slog.NewJSONHandler(logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	h.ServeHTTP(brokenWriter{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/indexing/openapi.json", nil))
	if !strings.Contains(logged.String(), `"write_error":"broken"`) {
		t.Errorf("the log is %s, want the write error", logged)
	}
}

type brokenWriter struct{ http.ResponseWriter }

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }
