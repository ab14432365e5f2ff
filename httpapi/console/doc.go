// Package console has the page on which people watch over reindexing: the tenants and their state, a job as it goes on,
// what was rejected and why, the history, and the buttons to start, cancel and undo a run. It works over the endpoints
// of package httpapi, in the browser of who looks at it, with the rights of that person's token. It is one handler with
// everything in it:
//
//	page, err := console.New(nil)
//	mux.Handle("/console/", http.StripPrefix("/console", page))
//
// The page loads nothing from elsewhere, and its Content-Security-Policy sees to that. The handler serves no data but a
// search, if the host gives one: whoever may load the page learns nothing from it without a token.
package console
