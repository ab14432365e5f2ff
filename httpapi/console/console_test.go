package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"productindex/httpapi"
	"productindex/reindex"
)

// ask returns the answer of a console that is mounted at /shop/console/.
func ask(t *testing.T, cfg *Config, method, target string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	page, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/shop/console/", http.StripPrefix("/shop/console", page))
	mux.Handle("/bare", http.StripPrefix("/bare", page))
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

// The console serves every file that the page and its files refer to, with the right type, and has no other files.
func TestFiles(t *testing.T) {
	references := regexp.MustCompile(`(?:href|src|from)\s*=?\s*"([^"#]+\.(?:js|css|svg))"`)
	found := map[string]bool{"": true}
	for queue := []string{""}; len(queue) > 0; queue = queue[1:] {
		name := queue[0]
		w := ask(t, nil, http.MethodGet, "/shop/console/"+name)
		header := w.Header()
		if w.Code != http.StatusOK || header.Get("Content-Security-Policy") != policy ||
			header.Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("%q: got %d with the header %v, want 200 with the policy", name, w.Code, w.Header())
		}
		folder := name[:strings.LastIndex(name, "/")+1]
		for _, match := range references.FindAllStringSubmatch(w.Body.String(), -1) {
			next := folder + strings.TrimPrefix(match[1], "./")
			if !found[next] {
				found[next] = true
				queue = append(queue, next)
			}
		}
	}
	for name, want := range map[string]string{
		"": "text/html; charset=utf-8", "js/main.js": "text/javascript; charset=utf-8",
		"base.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		got := ask(t, nil, http.MethodGet, "/shop/console/"+name).Header().Get("Content-Type")
		if got != want || !found[name] {
			t.Errorf("%q: got type %s, want %s; the page refers to it: %v", name, got, want, found[name])
		}
	}
	_ = fs.WalkDir(web, "web", func(name string, entry fs.DirEntry, _ error) error {
		if name = strings.TrimPrefix(name, "web/"); !entry.IsDir() && name != "index.html" && !found[name] {
			t.Errorf("no file refers to %s, want each file used", name)
		}
		return nil
	})
}

// A browser loads a file again only if it has changed.
func TestFilesAreKept(t *testing.T) {
	first := ask(t, nil, http.MethodGet, "/shop/console/")
	tag := "If-None-Match: " + first.Header().Get("ETag")
	w := ask(t, nil, http.MethodGet, "/shop/console/", tag)
	if w.Code != http.StatusNotModified || w.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("the same page: got %d with the header %v, want 304", w.Code, w.Header())
	}
	if w := ask(t, &Config{Title: "Other"}, http.MethodGet, "/shop/console/", tag); w.Code != http.StatusOK {
		t.Errorf("another page: got %d, want 200", w.Code)
	}
}

func TestOtherRequests(t *testing.T) {
	for _, tc := range []struct {
		method, target string
		status         int
		location       string
	}{
		{"HEAD", "/shop/console/", 200, ""},
		{"POST", "/shop/console/", 405, ""},
		{"GET", "/shop/console/nothing.js", 404, ""},
		{"GET", "/shop/console/index.html", 404, ""},
		{"GET", "/shop/console/search/acme?q=x", 404, ""},
		{"GET", "/shop/console", 307, "/shop/console/"}, // the mux answers
		{"GET", "/bare?x=y", 301, "./bare/"},
	} {
		w := ask(t, nil, tc.method, tc.target)
		if w.Code != tc.status || !strings.HasSuffix(w.Header().Get("Location"), tc.location) {
			t.Errorf("%s %s: got %d with the header %v, want %d and location %q",
				tc.method, tc.target, w.Code, w.Header(), tc.status, tc.location)
		}
	}
}

// The page has the settings of the Config, with special characters escaped.
func TestPage(t *testing.T) {
	for _, tc := range []struct {
		cfg  *Config
		want []string
	}{
		{nil, []string{`name="api" content=".."`, `name="search" content="false"`, "<title>Reindexing</title>"}},
		{&Config{API: "/api/", Title: `A & "B"<script>`}, []string{
			`name="api" content="/api"`, "<title>A &amp; &#34;B&#34;&lt;script&gt;</title>",
		}},
		{&Config{API: "/"}, []string{`name="api" content=""`}},
	} {
		body := ask(t, tc.cfg, http.MethodGet, "/shop/console/").Body.String()
		for _, want := range tc.want {
			if !strings.Contains(body, want) {
				t.Errorf("%+v: the page has no %s", tc.cfg, want)
			}
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	search := func(context.Context, string, string) (Found, error) { return Found{}, nil }
	for want, cfg := range map[string]*Config{
		"path on the console's own server": {API: "https://elsewhere.example"},
		"API is \"//elsewhere":             {API: "//elsewhere.example"},
		"API is \"/x?y\"":                  {API: "/x?y"},
		"needs an Authorizer":              {Search: search},
	} {
		_, err := New(cfg)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "console: ") {
			t.Errorf("%+v: got %v, want an error with %q", cfg, err, want)
		}
	}
}

// Callers who may view a tenant can search it. The text of an error never reaches the page.
func TestSearch(t *testing.T) {
	var logged bytes.Buffer
	asked := ""
	cfg := &Config{
		Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		Authorizer: func(r *http.Request, tenant, scope string) error {
			if r.Header.Get("Authorization") == "" {
				return httpapi.ErrInvalidToken
			}
			if tenant != "acme" || scope != httpapi.ScopeView {
				return &httpapi.ScopeError{}
			}
			return nil
		},
		Search: func(_ context.Context, tenant, text string) (Found, error) {
			asked = tenant + ":" + text
			switch text {
			case "nothing":
				return Found{}, nil
			case "early":
				return Found{}, reindex.ErrNoLiveIndex
			case "broken":
				return Found{}, errors.New("the secret host does not answer")
			case "odd":
				return Found{Total: 1, Hits: []Hit{{ID: "a", Product: json.RawMessage("{")}}}, nil
			}
			return Found{Total: 100, Hits: make([]Hit, 100)}, nil
		},
	}
	for _, tc := range []struct {
		path, token string
		status      int
		body        string
	}{
		{"acme?q=+wool+socks", "t", 200, `"total":100`},
		{"acme?q=nothing", "t", 200, `{"total":0,"hits":[]}`},
		{"acme?q=early", "t", 404, "not been indexed yet"},
		{"acme?q=broken", "t", 500, "log has the details"},
		{"acme?q=odd", "t", 500, "not valid JSON"},
		{"acme?q=", "t", 400, "Parameter 'q'"},
		{"acme?q=%ff", "t", 400, "Parameter 'q'"},
		{"acme?q=" + strings.Repeat("x", 1025), "t", 400, "Parameter 'q'"},
		{"acme?q=x", "", 401, "Invalid access token"},
		{"other?q=x", "t", 403, "Scope validation failed"},
		{"acme/x?q=x", "t", 400, "Invalid tenant"},
		{"?q=x", "t", 400, "Invalid tenant"},
	} {
		var headers []string
		if tc.token != "" {
			headers = []string{"Authorization: Bearer " + tc.token}
		}
		w := ask(t, cfg, http.MethodGet, "/shop/console/search/"+tc.path, headers...)
		body := w.Body.String()
		if w.Code != tc.status || !strings.Contains(body, tc.body) || strings.Contains(body, "secret") ||
			w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %d %s, want %d with %q", tc.path, w.Code, body, tc.status, tc.body)
		}
		if hits := strings.Count(body, `"id"`); hits > shownHits {
			t.Errorf("%s: got %d hits, want at most %d", tc.path, hits, shownHits)
		}
	}
	ask(t, cfg, http.MethodGet, "/shop/console/search/acme?q=+wool+socks", "Authorization: t")
	if asked != "acme:wool socks" {
		t.Errorf("searched for %q, want acme:wool socks", asked)
	}
	if !strings.Contains(logged.String(), "secret host") {
		t.Errorf("the log is %s, want the reason", &logged)
	}
}

// The files of the page do not turn text into markup, have no inline styles and no foreign URLs, and are small.
func TestSources(t *testing.T) {
	forbidden := regexp.MustCompile(
		`innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|setAttribute\("style|https?://`)
	err := fs.WalkDir(web, "web", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := web.ReadFile(name)
		text := strings.ReplaceAll(string(body), "http://www.w3.org/2000/svg", "")
		if found := forbidden.FindString(text); found != "" {
			t.Errorf("%s has %s, want nothing of the kind", name, found)
		}
		if lines := strings.Count(text, "\n"); lines > 300 {
			t.Errorf("%s has %d lines, want at most 300", name, lines)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
