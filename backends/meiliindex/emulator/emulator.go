// Package emulator starts a stand-in for a Meilisearch server in the program's own process, for tests and demonstrations of programs
// that use package meiliindex. It keeps everything in memory and answers the requests that such programs make as Meilisearch 1.50.0 does,
// but its search is a plain scan: without ranking and typos, and without vectors. It is no server to go live with, and what takes how
// long on it says nothing about Meilisearch.
package emulator

import "productindex/backends/meiliindex/internal/meilitest"

// Server is an emulated Meilisearch that listens on a port of this machine.
type Server struct {
	// URL and Key are what a client needs; the key has all rights.
	URL, Key string

	inner *meilitest.Server
}

// Start starts a server without indexes. Close it.
func Start() *Server {
	s := meilitest.New()
	return &Server{URL: s.URL, Key: meilitest.MasterKey, inner: s}
}

// Close stops the server and forgets all that it held.
func (s *Server) Close() { s.inner.Close() }
