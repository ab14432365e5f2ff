//nolint:forbidigo // examples print, and end with log.Fatal, as programs do
package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"productindex/httpapi"
	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/schedule"
	"productindex/reindex/throttle"
)

// serve sends a request and prints the status of the response.
func serve(h http.Handler, method, path, body string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer guess")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(method, path, w.Code)
}

// A host protects its own search endpoint: callers need the scope for viewing the tenant.
func ExampleProtect() {
	search := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") })
	tenant := func(r *http.Request) string { return r.PathValue("tenant") }
	guarded, err := httpapi.Protect(search, "indexing.search_view", tenant, httpapi.Config{
		Authorizer: func(_ *http.Request, tenant, _ string) error {
			if tenant != "acme" {
				return httpapi.ErrInvalidToken
			}
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /search/{tenant}", guarded)
	serve(mux, http.MethodGet, "/search/acme", "")
	serve(mux, http.MethodGet, "/search/other", "")
	serve(mux, http.MethodGet, "/search/NOT-A-TENANT", "")
	// Output:
	// GET /search/acme 200
	// GET /search/other 401
	// GET /search/NOT-A-TENANT 400
}

// A client that guesses tokens must wait after three failures.
func ExampleLimitFailures() {
	refuse := func(*http.Request, string, string) error { return httpapi.ErrInvalidToken }
	limited, err := httpapi.LimitFailures(refuse, httpapi.Rate{Every: time.Minute, Burst: 3}, nil)
	if err != nil {
		log.Fatal(err)
	}
	engine := newEngine()
	handler, err := httpapi.NewHandler(engine, httpapi.Config{Authorizer: limited})
	if err != nil {
		log.Fatal(err)
	}
	for range 4 {
		serve(handler, http.MethodPost, "/indexing/acme/reindex", "")
	}
	shutdown(engine)
	// Output:
	// POST /indexing/acme/reindex 401
	// POST /indexing/acme/reindex 401
	// POST /indexing/acme/reindex 401
	// POST /indexing/acme/reindex 403
}

// A readiness probe names the failing checks. Their reasons go to the log.
func ExampleReady() {
	ready := httpapi.Ready(nil, map[string]httpapi.Check{
		"database": func(context.Context) error { return nil },
		"index":    func(context.Context) error { return errors.New("the disk is full") },
	})
	w := httptest.NewRecorder()
	ready.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	// Output: 503 {"status":"not ready","checks":{"database":"ready","index":"not ready"}}
}

// With Changes, callers can put and delete single products.
func ExampleConfig_changes() {
	engine := newEngine()
	if _, err := engine.Run(context.Background(), "acme"); err != nil {
		log.Fatal(err)
	}
	handler, err := httpapi.NewHandler(engine, httpapi.Config{Authorizer: httpapi.AllowAll, Changes: engine})
	if err != nil {
		log.Fatal(err)
	}
	serve(handler, http.MethodPut, "/indexing/acme/products/sock", `{"name":"wool sock"}`)
	serve(handler, http.MethodDelete, "/indexing/acme/products/sock", "")
	shutdown(engine)
	// Output:
	// PUT /indexing/acme/products/sock 200
	// DELETE /indexing/acme/products/sock 200
}

// With Throttle, callers can limit the products per second, also during a run.
func ExampleConfig_throttle() {
	limits, err := throttle.New(throttle.Config{})
	if err != nil {
		log.Fatal(err)
	}
	source := limits.Source(reindextest.Slice(reindextest.Products(10, "1")))
	engine, err := reindex.New(source, reindextest.NewMemory(), nil)
	if err != nil {
		log.Fatal(err)
	}
	handler, err := httpapi.NewHandler(engine, httpapi.Config{Authorizer: httpapi.AllowAll, Throttle: limits})
	if err != nil {
		log.Fatal(err)
	}
	serve(handler, http.MethodPut, "/indexing/acme/throttle", `{"documentsPerSecond":500}`)
	fmt.Println(limits.Limits("acme").Documents)
	shutdown(engine)
	// Output:
	// PUT /indexing/acme/throttle 200
	// 500
}

// With Schedule, callers can see when a tenant is reindexed.
func ExampleConfig_schedule() {
	engine := newEngine()
	nightly, err := schedule.New(engine, nil) // the host calls nightly.Run
	if err != nil {
		log.Fatal(err)
	}
	if err := nightly.Set(schedule.Entry{Tenant: "acme", Cron: "30 2 * * *", Location: time.UTC}); err != nil {
		log.Fatal(err)
	}
	handler, err := httpapi.NewHandler(engine, httpapi.Config{Authorizer: httpapi.AllowAll, Schedule: nightly})
	if err != nil {
		log.Fatal(err)
	}
	serve(handler, http.MethodGet, "/indexing/acme/schedule", "")
	shutdown(engine)
	// Output: GET /indexing/acme/schedule 200
}

// With Rollbacks, callers can go back to an index that was live before, if the index keeps one.
func ExampleConfig_rollbacks() {
	engine := newEngine()
	handler, err := httpapi.NewHandler(engine, httpapi.Config{Authorizer: httpapi.AllowAll, Rollbacks: engine})
	if err != nil {
		log.Fatal(err)
	}
	serve(handler, http.MethodGet, "/indexing/acme/generations", "")
	serve(handler, http.MethodPost, "/indexing/acme/rollback", "") // no index was live before
	shutdown(engine)
	// Output:
	// GET /indexing/acme/generations 200
	// POST /indexing/acme/rollback 409
}

// A tenant's reindex may be triggered once, and then once an hour.
func ExampleConfig_triggerRate() {
	engine := newEngine()
	handler, err := httpapi.NewHandler(engine, httpapi.Config{
		Authorizer:  httpapi.AllowAll,
		TriggerRate: httpapi.Rate{Every: time.Hour, Burst: 1},
	})
	if err != nil {
		log.Fatal(err)
	}
	serve(handler, http.MethodPost, "/indexing/acme/reindex", "")
	serve(handler, http.MethodPost, "/indexing/acme/reindex", "")
	serve(handler, http.MethodPost, "/indexing/other/reindex", "")
	shutdown(engine)
	// Output:
	// POST /indexing/acme/reindex 204
	// POST /indexing/acme/reindex 400
	// POST /indexing/other/reindex 204
}
