// Package console serves a page on which people supervise reindexing. The page shows the tenants and their state, the
// progress of a job, the rejected products with the reasons, and the history. It has buttons to start, cancel and undo
// a run. In the browser it calls the endpoints of package httpapi with the user's token. One handler serves the whole
// page:
//
//	page, err := console.New(nil)
//	mux.Handle("/console/", http.StripPrefix("/console", page))
//
// The page loads nothing from other servers, which its Content-Security-Policy enforces. The handler itself serves no
// data, except for the results of [Config].Search. Without a token the page shows nothing.
package console
