package httpapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"productindex/reindex"
)

// behind serves a handler on a socket.
func behind(t *testing.T, h http.Handler) *service {
	t.Helper()
	s := &service{t: t, srv: httptest.NewServer(h), doc: loadDocument(t)}
	t.Cleanup(s.srv.Close)
	return s
}

// mount mounts an engine on a mux and fails the test on an error.
func mount(t *testing.T, mux Mux, e Engine, prefix string) {
	t.Helper()
	if err := Mount(mux, e, Config{Authorizer: AllowAll, Prefix: prefix}); err != nil {
		t.Fatal(err)
	}
}

// prefixed has ways to serve the endpoints under /api.
var prefixed = map[string]func(t *testing.T, e Engine) http.Handler{
	"StripPrefix of a handler": func(t *testing.T, e Engine) http.Handler {
		h, err := newHandler(e, Config{Authorizer: AllowAll})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.Handle("/api/", http.StripPrefix("/api", h))
		return mux
	},
	"StripPrefix with a slash at the end": func(t *testing.T, e Engine) http.Handler {
		h, err := newHandler(e, Config{Authorizer: AllowAll})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.Handle("/api/", http.StripPrefix("/api/", h))
		return mux
	},
	"StripPrefix of a mux": func(t *testing.T, e Engine) http.Handler {
		inner, mux := http.NewServeMux(), http.NewServeMux()
		mount(t, inner, e, "")
		mux.Handle("/api/", http.StripPrefix("/api", inner))
		return mux
	},
	"a handler with a prefix": func(t *testing.T, e Engine) http.Handler {
		h, err := newHandler(e, Config{Authorizer: AllowAll, Prefix: "/api"})
		if err != nil {
			t.Fatal(err)
		}
		return h
	},
	"a mux with a prefix": func(t *testing.T, e Engine) http.Handler {
		mux := http.NewServeMux()
		mount(t, mux, e, "/api")
		return mux
	},
	"a router that adds one": func(t *testing.T, e Engine) http.Handler {
		mux := http.NewServeMux()
		mount(t, MuxFunc(func(pattern string, h http.Handler) { mux.Handle("/api"+pattern, h) }), e, "")
		return mux
	},
}

// The endpoints are served under the prefix and nowhere else, and the document has the prefix.
func TestPrefix(t *testing.T) {
	for name, handler := range prefixed {
		t.Run(name, func(t *testing.T) {
			e := &fakeEngine{job: found(unfinished)}
			s := behind(t, handler(t, e))
			for path, status := range map[string]int{
				"/api" + reindexPath: 204, "/api/indexing/%61cme/reindex": 204, "/api/indexing/ac-me/reindex": 400,
				"/api/indexing/ac%2Fme/reindex": 400,
				"/api/indexing/acme/reindex/x":  404, reindexPath: 404, "/other" + reindexPath: 404, "/apix" + reindexPath: 404,
				"/api/api" + reindexPath: 404,
				"/api/x" + reindexPath:   404, "/api/indexing/x" + reindexPath: 404,
			} {
				res, err := s.srv.Client().Post(s.srv.URL+path, "", nil)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if started := e.starts(); res.StatusCode != status || (len(started) > 0) != (status == 204) {
					t.Errorf("%s: %s, started %q, want %d", path, res.Status, started, status)
				}
			}
			server, token := s.urls("/api/indexing/openapi.json")
			if server != "/api" || token != "/api/oauth/token" {
				t.Errorf("the document has the server %q and the token URL %q, want them under /api", server, token)
			}
			if got := s.fetch("/api" + jobsPath + "/J1"); got.status != http.StatusOK {
				t.Errorf("the job: got %d, want %d", got.status, http.StatusOK)
			}
		})
	}
}

// fetch requests a path that need not be in the document.
func (s *service) fetch(path string) result {
	s.t.Helper()
	res, err := s.srv.Client().Get(s.srv.URL + path)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.read(res)
}

// read reads an answer that need not be in the document.
func (s *service) read(res *http.Response) result {
	s.t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return result{status: res.StatusCode, header: res.Header, body: string(body)}
}

// urls returns the server and the token URL of the document at a path.
func (s *service) urls(path string) (server, token string) {
	s.t.Helper()
	got := s.fetch(path)
	doc, err := openapi3.NewLoader().LoadFromData([]byte(got.body))
	if err != nil || len(doc.Servers) != 1 {
		s.t.Fatalf("got %d, error %v, want a document with one server", got.status, err)
	}
	return doc.Servers[0].URL, doc.Components.SecuritySchemes["OAuth2"].Value.Flows.ClientCredentials.TokenURL
}

// The document has the URLs of the configuration. By default they have no host, so that no request can change it.
func TestURLsOfTheDocument(t *testing.T) {
	for _, tc := range []struct {
		cfg           Config
		path          string
		server, token string
	}{
		{Config{}, "", "/", "/oauth/token"},
		{Config{TokenURL: "https://auth.example/token"}, "", "/", "https://auth.example/token"},
		{
			Config{ServerURL: "https://shop.example/api"}, "", "https://shop.example/api",
			"https://shop.example/api/oauth/token",
		},
		{Config{ServerURL: "https://shop.example/", TokenURL: "/token"}, "", "https://shop.example/", "/token"},
		{Config{Prefix: "/a/b"}, "/a/b", "/a/b", "/a/b/oauth/token"},
		{Config{Prefix: "/a", ServerURL: "/outside"}, "/a", "/outside", "/outside/oauth/token"},
	} {
		s := serve(t, &fakeEngine{}, tc.cfg)
		if server, token := s.urls(tc.path + "/indexing/openapi.json?x=y"); server != tc.server || token != tc.token {
			t.Errorf("%s: got the server %q and the token URL %q, want %q and %q", tc.path, server, token, tc.server, tc.token)
		}
	}
	if strings.Contains(string(document), "emporix") {
		t.Error("the document has URLs of emporix")
	}
	r := httptest.NewRequest(http.MethodGet, "http://h//evil.example/x/indexing/openapi.json", nil)
	h, err := newHandler(&fakeEngine{}, Config{Authorizer: AllowAll})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.at(&routes[0]).ServeHTTP(w, r) // as a mux with a prefix does
	if !strings.Contains(w.Body.String(), `"url": "/evil.example/x"`) {
		t.Errorf("the document begins %.200s, want the server /evil.example/x, a path", w.Body)
	}
}

// The endpoints answer as documented although patterns of the host also match their paths.
func TestBesideTheHostsPatterns(t *testing.T) {
	for _, patterns := range [][]string{
		{"/"}, {"GET /"}, {"GET /{path...}"}, {"GET /{shop}/{page}"}, {"POST /{shop}/{id}/{action}"}, {"/{a}/{b}/{c}"},
		{"GET /{a}/{b}/{c}/{d}", "DELETE /{x}/"},
		{"GET /{a}/{b}/{c}/{d}/{e}"}, {"GET /", "POST /", "PUT /{a}/{b...}"},
	} {
		t.Run(strings.Join(patterns, " and "), func(t *testing.T) {
			for _, first := range []bool{true, false} {
				mux, e := http.NewServeMux(), &fakeEngine{job: found(unfinished)}
				hosts := func() {
					for _, p := range patterns {
						mux.HandleFunc(p, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
					}
				}
				if first {
					hosts()
				}
				mount(t, mux, e, "")
				if !first {
					hosts()
				}
				s := behind(t, mux)
				for _, path := range []string{
					"/indexing", "/indexing/", "/indexing/a", "/indexing/a/", "/indexing/a/b/c/d/e", reindexPath + "/",
					"/indexing/a/b/c/d/e/f/",
				} {
					if got := s.send(http.MethodGet, path, ""); got.status != http.StatusNotFound {
						t.Errorf("%s: got %d %s, want %d", path, got.status, got.body, http.StatusNotFound)
					}
				}
				if got := s.post(full); got.status != http.StatusNoContent {
					t.Errorf("got %d %s, want %d", got.status, got.body, http.StatusNoContent)
				}
				for _, path := range []string{jobsPath + "/J1", "/indexing/openapi.json"} {
					if got := s.fetch(path); got.status != http.StatusOK || got.header.Get("X-Request-ID") == "" {
						t.Errorf("%s: got %d, want %d", path, got.status, http.StatusOK)
					}
				}
				got := s.send(http.MethodPut, jobsPath+"/J1", "")
				if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET, HEAD, DELETE" {
					t.Errorf("got %d with the headers %v, want 405 and Allow: GET, HEAD, DELETE", got.status, got.header)
				}
			}
		})
	}
}

// The host can have routes of its own under /indexing.
func TestHostsPatternUnderIndexing(t *testing.T) {
	mux := http.NewServeMux()
	for _, p := range []string{"GET /indexing/{name}", "GET /indexing/status", "PUT /indexing/{tenant}/reindex"} {
		mux.HandleFunc(p, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	}
	mount(t, mux, &fakeEngine{}, "")
	s := behind(t, mux)
	for path, status := range map[string]int{
		"/indexing/x": http.StatusTeapot, "/indexing/status": http.StatusTeapot, "/indexing/openapi.json": http.StatusOK,
		"/indexing/x/y": http.StatusNotFound,
	} {
		if got := s.fetch(path); got.status != status {
			t.Errorf("%s: got %d, want %d", path, got.status, status)
		}
	}
	if got := s.post(full); got.status != http.StatusNoContent {
		t.Errorf("got %d %s, want %d", got.status, got.body, http.StatusNoContent)
	}
}

// If the host has registered a route's pattern already, Mount returns an error that names the pattern.
func TestMountTwice(t *testing.T) {
	mux := http.NewServeMux()
	mount(t, mux, &fakeEngine{}, "")
	mount(t, mux, &fakeEngine{}, "/api")
	if err := Mount(mux, &fakeEngine{}, Config{Authorizer: AllowAll}); err == nil ||
		!strings.Contains(err.Error(), "/indexing/openapi.json") {
		t.Errorf("got error %v, want one that names the pattern", err)
	}
	taken := MuxFunc(func(pattern string, _ http.Handler) {
		if strings.HasSuffix(pattern, "/events") {
			panic("taken")
		}
	})
	if err := Mount(taken, &fakeEngine{}, Config{Authorizer: AllowAll}); err == nil ||
		!strings.Contains(err.Error(), "events") {
		t.Errorf("got error %v, want one that names the pattern", err)
	}
}

// A nil engine or mux is refused, even if it is a nil pointer in an interface.
func TestNilEngines(t *testing.T) {
	var none *reindex.Engine
	for name, err := range map[string]error{
		"engine":  second(NewHandler(none, Config{Authorizer: AllowAll})),
		"Engines": second(NewHandler(&fakeEngine{}, Config{Authorizer: AllowAll, Engines: []Engine{none}})),
		"RAG":     second(NewHandler(&fakeEngine{}, Config{Authorizer: AllowAll, RAG: none})),
		"Mount":   Mount(http.NewServeMux(), none, Config{Authorizer: AllowAll}),
		"MuxFunc": Mount(MuxFunc(nil), &fakeEngine{}, Config{Authorizer: AllowAll}),
	} {
		if err == nil || !strings.Contains(err.Error(), "nil") {
			t.Errorf("%s: got error %v, want one about nil", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestInvalidURLs(t *testing.T) {
	for _, cfg := range []Config{
		{Prefix: "api"}, {Prefix: "/"}, {Prefix: "/api/"}, {Prefix: "/a//b"}, {Prefix: "/../a"}, {Prefix: "/{x}"},
		{Prefix: "//a"}, {Prefix: "/a b"},
		{Prefix: "https://h/a"}, {Prefix: "/a?b"},
		{ServerURL: "shop.example"}, {ServerURL: "ftp://shop.example"}, {ServerURL: "https://u:p@shop.example"},
		{ServerURL: "https://"},
		{ServerURL: "//shop.example/x"}, {ServerURL: "https://h/?x"}, {TokenURL: "oauth/token"},
		{TokenURL: "javascript:alert(1)"}, {TokenURL: "\x00"},
	} {
		cfg.Authorizer = AllowAll
		if _, err := NewHandler(&fakeEngine{}, cfg); err == nil || strings.Contains(err.Error(), "u:p@") {
			t.Errorf("%+v: got error %v, want one without a password", cfg, err)
		}
	}
}
