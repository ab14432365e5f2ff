package httpapi

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"testing"
)

// paths has the paths of POST requests without a body, with the reindexed tenant or the answer.
var paths = []struct {
	path   string
	status int
	tenant string
}{
	{"/indexing/acme/reindex", 204, "acme"},
	{"/indexing/abc/reindex", 204, "abc"},
	{"/indexing/a0123456789abcde/reindex", 204, "a0123456789abcde"},
	{"/indexing/%61cm%65/reindex", 204, "acme"},
	{"/%69ndexing/acme/r%65index", 204, "acme"},
	{"/indexing/acme/reindex?", 204, "acme"},
	{"/indexing/acme/reindex?mode=X&tenant=other&%zz;", 204, "acme"},

	{"/indexing//reindex", 400, ""},
	{"/indexing/ab/reindex", 400, ""},
	{"/indexing/a0123456789abcdef/reindex", 400, ""},
	{"/indexing/Acme/reindex", 400, ""},
	{"/indexing/%41cme/reindex", 400, ""},
	{"/indexing/1acme/reindex", 400, ""},
	{"/indexing/ac-me/reindex", 400, ""},
	{"/indexing/ac_me/reindex", 400, ""},
	{"/indexing/acme%20/reindex", 400, ""},
	{"/indexing/acme%0a/reindex", 400, ""},
	{"/indexing/ac%2Fme/reindex", 400, ""},
	{"/indexing/%2e%2e/reindex", 400, ""},
	{"/indexing/../reindex", 400, ""},
	{"/indexing/./reindex", 400, ""},
	{"/indexing/acme%252f/reindex", 400, ""},
	{"/indexing/%C3%A4cme/reindex", 400, ""},
	{"/indexing/%D0%B0cme/reindex", 400, ""}, // a Cyrillic letter
	{"/indexing/%ffcme/reindex", 400, ""},
	{"/indexing/*/reindex", 400, ""},
	{"/indexing/{tenant}/reindex", 400, ""},
	{"/indexing/acme;x=1/reindex", 400, ""},

	{"/indexing/acme/reindex/", 404, ""},
	{"/indexing/acme//reindex", 404, ""},
	{"/indexing/acme/./reindex", 404, ""},
	{"/indexing/acme/../acme/reindex", 404, ""},
	{"/indexing/acme/REINDEX", 404, ""},
	{"/indexing/acme/reindex%2F", 404, ""},
	{"/indexing/acme%2Freindex", 404, ""},
	{"/indexing/acme/reindex;x=1", 404, ""},
	{"/indexing/acme/reindex/x", 404, ""},
	{"//indexing/acme/reindex", 404, ""},
	{"/indexing/acme", 404, ""},
	{"/indexing/", 404, ""},
	{"/indexing", 404, ""},
	{"/", 404, ""},
	{"/other", 404, ""},
}

func TestPaths(t *testing.T) {
	e := &fakeEngine{}
	s := serve(t, e, Config{})
	for _, tc := range paths {
		want := []string{tc.tenant}
		if tc.tenant == "" {
			want = nil
		}
		if got := s.send(http.MethodPost, tc.path, ""); got.status != tc.status {
			t.Errorf("%s: got status %d, want %d; %s", tc.path, got.status, tc.status, got.body)
		}
		if started := e.starts(); !slices.Equal(started, want) {
			t.Errorf("%s: started %q, want %q", tc.path, started, want)
		}
	}
}

func TestMethods(t *testing.T) {
	e := &fakeEngine{}
	s := serve(t, e, Config{})
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
		got := s.send(method, reindexPath, "")
		if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "POST" {
			t.Errorf("%s: got status %d, Allow %q, want 405 and POST", method, got.status, got.header["Allow"])
		}
	}
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "OPTIONS": 405} {
		if got := s.send(method, "/indexing/openapi.json", ""); got.status != want ||
			want == 405 && got.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("openapi.json: %s: got status %d, Allow %q; want %d", method, got.status, got.header["Allow"], want)
		}
	}
	if started := e.starts(); len(started) > 0 {
		t.Errorf("started %q, want nothing", started)
	}
}

func FuzzTenant(f *testing.F) {
	for _, tc := range paths {
		f.Add(tc.path)
	}
	grammar := regexp.MustCompile(`^[a-z][a-z0-9]+$`)
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		rt, params := match(slices.Concat(routes, changeRoutes), u.EscapedPath())
		if rt == nil {
			return
		}
		tenant, ok := params["tenant"]
		if want := ok && grammar.MatchString(tenant) && len(tenant) >= 3 &&
			len(tenant) <= 16; ok &&
			want != (checkTenant(tenant) == nil) {
			t.Fatalf("%q: tenant %q, want accepted: %v", path, tenant, want)
		}
	})
}
