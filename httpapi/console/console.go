package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed web
var web embed.FS

// policy allows the page to load files from and send requests to its own server only, to run only scripts in files, and
// not to turn texts into markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// file is the answer at one path.
type file struct {
	body        []byte
	contentType string
	etag        string
}

// handler serves the page.
type handler struct {
	files  map[string]file // by path
	search http.Handler    // nil: there is none
}

// New returns a handler that serves the page at "/", its files, and the search of cfg. Below another path, wrap it in
// http.StripPrefix. A nil cfg means the defaults. The handler is safe for concurrent use. The error names every setting
// of cfg that is not valid.
func New(cfg *Config) (http.Handler, error) {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	files, err := load(c)
	if err != nil {
		return nil, err
	}
	page := handler{files: files}
	if c.Search != nil {
		if page.search, err = newSearch(c); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// load reads the files and executes the template of the page.
func load(c Config) (map[string]file, error) {
	files := map[string]file{}
	err := fs.WalkDir(web, "web", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := web.ReadFile(name)
		if err != nil {
			return err
		}
		served := name[len("web"):]
		if served == "/index.html" {
			served = "/"
			if body, err = fill(body, c); err != nil {
				return err
			}
		}
		sum := sha256.Sum256(body)
		files[served] = file{body, contentType(name), `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
		return nil
	})
	return files, err
}

// contentType returns the type of a file. The types that matter do not depend on the machine's own table.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".html":
		return "text/html; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return mime.TypeByExtension(path.Ext(name))
	}
}

// fill executes the template of the page with the config.
func fill(page []byte, c Config) ([]byte, error) {
	parsed, err := template.New("index.html").Parse(string(page))
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, map[string]string{
		"API": c.API, "Title": c.Title, "Search": strconv.FormatBool(c.Search != nil),
	})
	return out.Bytes(), err
}

// ServeHTTP serves a file or the search.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are allowed", http.StatusMethodNotAllowed)
		return
	}
	if r.URL.Path == "" { // the page's links are relative to its folder
		redirect(w, r)
		return
	}
	if h.search != nil && strings.HasPrefix(r.URL.Path, searchPath) {
		h.search.ServeHTTP(w, r)
		return
	}
	f, ok := h.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	header.Set("Content-Type", f.contentType)
	header.Set("ETag", f.etag)
	header.Set("Cache-Control", "no-cache") // browsers revalidate the file each time
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}

// redirect redirects the client to the same path with a slash at its end.
func redirect(w http.ResponseWriter, r *http.Request) {
	sent, err := url.ParseRequestURI(r.RequestURI)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Location", "./"+path.Base(sent.EscapedPath())+"/") // relative, since a proxy may use another prefix
	w.WriteHeader(http.StatusMovedPermanently)
}
