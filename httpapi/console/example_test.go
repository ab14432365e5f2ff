package console_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

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
