//nolint:forbidigo // examples print, and end with log.Fatal, as programs do
package testmodule_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

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

// everybody is a Config that allows every request.
var everybody = httpapi.Config{Authorizer: httpapi.AllowAll}

// show serves the handler, triggers a reindex, and requests the host's own page.
func show(engine *reindex.Engine, h http.Handler, err error) {
	if err != nil {
		log.Fatal(err)
	}
	trigger := httptest.NewRequest(http.MethodPost, "/api/indexing/acme/reindex", strings.NewReader(`{"mode":"FULL"}`))
	trigger.Header.Set("Content-Type", "application/json")
	for _, r := range []*http.Request{trigger, httptest.NewRequest(http.MethodGet, "/acme/front", nil)} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Body)))
	}
	shutdown(engine)
}

func shutdown(engine *reindex.Engine) {
	if err := engine.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func Example_chi() {
	engine := newEngine()
	h, err := onChi(engine, everybody)
	show(engine, h, err)
	// Output:
	// 204
	// 200 hello
}

func Example_gorilla() {
	engine := newEngine()
	h, err := onGorilla(engine, everybody)
	show(engine, h, err)
	// Output:
	// 204
	// 200 hello
}

func Example_gin() {
	engine := newEngine()
	h, err := onGin(engine, everybody)
	show(engine, h, err)
	// Output:
	// 204
	// 200 hello
}

func Example_echo() {
	engine := newEngine()
	h, err := onEcho(engine, everybody)
	show(engine, h, err)
	// Output:
	// 204
	// 200 hello
}

func Example_serveMux() {
	engine := newEngine()
	h, err := onServeMux(engine, everybody)
	show(engine, h, err)
	// Output:
	// 204
	// 200 hello
}

func Example_stripPrefix() {
	engine := newEngine()
	h, err := onStripPrefix(engine, everybody)
	show(engine, h, err)
	// Output:
	// 204
	// 200 hello
}

func Example_fiber() {
	engine := newEngine()
	app, err := onFiber(engine, everybody)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range []*http.Request{
		httptest.NewRequest(http.MethodPost, "/api/indexing/acme/reindex", nil),
		httptest.NewRequest(http.MethodGet, "/acme/front", nil),
	} {
		res, err := app.Test(r)
		if err != nil {
			log.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(strings.TrimSpace(fmt.Sprint(res.StatusCode, " ", string(text))))
	}
	shutdown(engine)
	// Output:
	// 204
	// 200 hello
}
