package pgtest

import "testing"

// Standby runs a standby of the server until the end of the test. The standby follows the server by asynchronous
// streaming replication, and is read-only.
func (s *Server) Standby(tb testing.TB) *Server {
	tb.Helper()
	standby := newServer(tb)
	if err := standby.run("pg_basebackup", "-h", s.dir, "-U", "postgres", "-D", standby.data(), "-R", "-c", "fast",
		"--no-sync"); err != nil {
		tb.Fatal(err)
	}
	standby.start(tb)
	return standby
}

// Promote makes a standby a primary, which no longer follows another server. It returns when the server accepts writes.
func (s *Server) Promote(tb testing.TB) {
	tb.Helper()
	if err := s.run("pg_ctl", "-D", s.data(), "-w", "promote"); err != nil {
		tb.Fatal(err)
	}
}

// Crash stops the server at once, as a crash does.
func (s *Server) Crash(tb testing.TB) {
	tb.Helper()
	if err := s.stop(); err != nil {
		tb.Fatal(err)
	}
}
