package testmodule_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"
	"github.com/tmaxmax/go-sse"

	"productindex/httpapi"
)

// Behind a proxy that removes a prefix, the document has the URL in Config.ServerURL.
func TestBehindAProxy(t *testing.T) {
	s := newShop(t)
	h, err := httpapi.NewHandler(s.engine, httpapi.Config{Authorizer: authorize, ServerURL: "/api"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	front := http.NewServeMux()
	front.Handle("/api/",
		http.StripPrefix("/api", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}))
	front.HandleFunc("/acme/front", hello)
	proxy := httptest.NewServer(front)
	t.Cleanup(proxy.Close)
	t.Cleanup(func() { http.DefaultTransport.(*http.Transport).CloseIdleConnections() }) // those of the proxy
	callEverything(t, s, proxy.URL)
}

// logged is a buffer for a log that is read while it is written.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// middleware has middleware that hosts use. streams is true if it passes events on at once.
var middleware = map[string]struct {
	wrap    func(http.Handler) http.Handler
	streams bool
}{
	"chi": {func(next http.Handler) http.Handler {
		r := chi.NewRouter()
		quiet := chimiddleware.RequestLogger(
			&chimiddleware.DefaultLogFormatter{Logger: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)},
		)
		r.Use(quiet, chimiddleware.Recoverer, chimiddleware.Compress(5), chimiddleware.Timeout(time.Minute))
		r.Handle("/*", next)
		return r
	}, true},
	"gin": {func(next http.Handler) http.Handler {
		r := gin.New()
		r.Use(gin.LoggerWithWriter(&logged{}), gin.Recovery())
		r.Any("/*path", gin.WrapH(next))
		return r
	}, true},
	"echo": {func(next http.Handler) http.Handler {
		e := echo.New()
		e.Use(echomiddleware.Recover(), echomiddleware.Gzip())
		e.Any("/*", echo.WrapHandler(next))
		return e
	}, true},
	"TimeoutHandler": {func(next http.Handler) http.Handler { return http.TimeoutHandler(next, time.Minute, "") }, false},
	"a logger that embeds": {func(next http.Handler) http.Handler {
		return http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(struct{ http.ResponseWriter }{w}, r) },
		)
	}, false},
}

// Behind any middleware, a client that follows a job gets its events. If the middleware delays them, the client has to
// connect several times, and the log has an error.
func TestEventsThroughMiddleware(t *testing.T) {
	for name, m := range middleware {
		t.Run(name, func(t *testing.T) {
			s, lines := newShop(t), &logged{}
			h, err := httpapi.NewHandler(s.engine,
				httpapi.Config{Authorizer: authorize, Logger: slog.New(slog.NewTextHandler(lines, nil))})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(m.wrap(h))
			t.Cleanup(server.Close)
			job, _, err := s.engine.Start(t.Context(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			address, last, requests := server.URL+"/indexing/acme/reindex-jobs/"+job.ID+"/events", "", 0
			for !strings.HasPrefix(last, "SUCCESS") {
				if strings.HasPrefix(last, "FAILURE") {
					t.Fatalf("the job ended as %s, want SUCCESS", last)
				}
				requests++
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", "Bearer "+token)
				req.Header.Set("Last-Event-ID", last)
				res, err := server.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				for event, err := range sse.Read(res.Body, nil) {
					if err != nil {
						t.Fatal(err)
					}
					if event.Data != "" && last == "" {
						close(s.hold)
					}
					if event.Data != "" {
						last = event.LastEventID
					}
				}
				_ = res.Body.Close()
			}
			if (requests == 1) != m.streams || strings.Contains(lines.String(), "cannot be flushed") == m.streams {
				t.Errorf("the client made %d requests, want one only if the middleware streams (%v); the log is %s",
					requests, m.streams, lines)
			}
		})
	}
}
