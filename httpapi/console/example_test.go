package console_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"productindex/httpapi"
	"productindex/httpapi/console"
)

// A host mounts the console on the server of the endpoints.
func ExampleNew() {
	page, err := console.New(&console.Config{Title: "Shop search"})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/console/", http.StripPrefix("/console", page))

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/console/", nil))
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	// Output: 200 text/html; charset=utf-8
}

// With Config.Search, the page has a search box.
func ExampleConfig() {
	search := func(_ context.Context, tenant, text string) (console.Found, error) {
		return console.Found{Total: 1, Hits: []console.Hit{{ID: "4711", Name: text + " of " + tenant}}}, nil
	}
	page, err := console.New(&console.Config{Search: search, Authorizer: httpapi.AllowAll})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/search/acme?q=socks", nil))
	fmt.Println(w.Body)
	// Output: {"total":1,"hits":[{"id":"4711","name":"socks of acme"}]}
}
