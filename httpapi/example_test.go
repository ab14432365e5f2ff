//nolint:forbidigo // examples print, and end with log.Fatal, as programs do
package httpapi_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"time"

	"productindex/httpapi"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// newEngine returns an engine with ten products and an index in memory.
func newEngine() *reindex.Engine {
	engine, err := reindex.New(reindextest.Slice(reindextest.Products(10, "1")), reindextest.NewMemory(), nil)
	if err != nil {
		log.Fatal(err)
	}
	return engine
}

// shutdown shuts the engine down, as a host does after it has shut down its server.
func shutdown(engine *reindex.Engine) {
	if err := engine.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// post triggers a reindex and prints the answer.
func post(h http.Handler, path, token string) {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"mode":"FULL"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Body)))
}

// A host mounts the endpoints on its http.ServeMux, with an Authorizer that knows two tokens per tenant.
func ExampleMount() {
	engine := newEngine()

	authorize := func(r *http.Request, tenant, scope string) error {
		switch r.Header.Get("Authorization") {
		case "Bearer manager-of-" + tenant:
			return nil
		case "Bearer viewer-of-" + tenant:
			return &httpapi.ScopeError{Missing: []string{scope}}
		default:
			return httpapi.ErrInvalidToken
		}
	}
	mux := http.NewServeMux()
	if err := httpapi.Mount(mux, engine, httpapi.Config{Authorizer: authorize}); err != nil {
		log.Fatal(err)
	}

	post(mux, "/indexing/acme/reindex", "manager-of-acme")
	post(mux, "/indexing/acme/reindex", "viewer-of-acme")
	post(mux, "/indexing/acme/reindex", "unknown")
	shutdown(engine)
	// Output:
	// 204
	// 403 {"code":403,"status":"Forbidden","message":"Scope validation failed","details":["Missing required scopes '[indexing.search_manage]'"]}
	// 401 {"fault":{"faultstring":"Invalid access token","detail":{"errorcode":"oauth.v2.InvalidAccessToken"}}}
}

// A second engine reindexes categories, with a source and an index of its own. The endpoints for jobs serve both.
func ExampleConfig_engines() {
	products := newEngine()
	categories, err := reindex.New(reindextest.Slice(reindextest.Products(3, "1")), reindextest.NewMemory(),
		&reindex.Config{EntityType: "CATEGORY"})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := httpapi.NewHandler(products,
		httpapi.Config{Authorizer: httpapi.AllowAll, Engines: []httpapi.Engine{categories}})
	if err != nil {
		log.Fatal(err)
	}

	for _, entityType := range []string{"CATEGORY", "BRAND"} {
		r := httptest.NewRequest(http.MethodPost, "/indexing/acme/reindex-jobs",
			strings.NewReader(fmt.Sprintf(`{"entityType":%q}`, entityType)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(entityType, w.Code)
	}
	shutdown(products)
	shutdown(categories)
	// Output:
	// CATEGORY 201
	// BRAND 400
}

// router is a mux whose method Handle has a result.
type router struct{ routes []*routerRoute }

type routerRoute struct {
	path    *regexp.Regexp
	handler http.Handler
}

func (r *router) Handle(pattern string, handler http.Handler) *routerRoute {
	path := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(pattern, "[^/]+")
	route := &routerRoute{regexp.MustCompile("^" + path + "$"), handler}
	r.routes = append(r.routes, route)
	return route
}

func (r *router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	for _, route := range r.routes {
		if route.path.MatchString(req.URL.Path) {
			route.handler.ServeHTTP(w, req)
			return
		}
	}
	http.Error(w, "page not found", http.StatusNotFound)
}

// A host mounts the endpoints on a mux whose method Handle has a result, such as that of gorilla/mux, under a prefix.
func ExampleMuxFunc() {
	engine := newEngine()

	mux := &router{}
	mount := httpapi.MuxFunc(func(pattern string, h http.Handler) { mux.Handle("/api"+pattern, h) })
	if err := httpapi.Mount(mount, engine, httpapi.Config{Authorizer: httpapi.AllowAll}); err != nil {
		log.Fatal(err)
	}

	post(mux, "/api/indexing/acme/reindex", "any")
	post(mux, "/elsewhere", "any")
	shutdown(engine)
	// Output:
	// 204
	// 404 page not found
}

// The shutdown of the server does not wait for clients that follow a job.
func ExampleStopOnShutdown() {
	engine := newEngine()

	server := &http.Server{ReadHeaderTimeout: 5 * time.Second}
	handler, err := httpapi.NewHandler(engine,
		httpapi.Config{Authorizer: httpapi.AllowAll, Stopping: httpapi.StopOnShutdown(server)})
	if err != nil {
		log.Fatal(err)
	}
	server.Handler = handler

	fmt.Println(server.Shutdown(context.Background())) // event streams end
	shutdown(engine)                                   // jobs end
	// Output: <nil>
}

// The handler is the outermost one, so that the host's mux does not redirect requests with an empty tenant.
func ExampleNewHandler() {
	engine := newEngine()

	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	handler, err := httpapi.NewHandler(engine, httpapi.Config{Authorizer: httpapi.AllowAll, Fallback: mux})
	if err != nil {
		log.Fatal(err)
	}

	post(handler, "/indexing/acme/reindex", "any")
	post(handler, "/hello", "any")
	post(handler, "/indexing//reindex", "any")
	shutdown(engine)
	// Output:
	// 204
	// 200 hello
	// 400 {"code":400,"status":"Bad Request","message":"Invalid tenant","details":["A tenant has 3 to 16 characters: lower case letters and digits, the first one a letter"]}
}
