package pgtest

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"productindex/reindex/reindextest/internal/program"
)

// shared is the server of [Database].
var shared struct {
	once   sync.Once
	server *Server
	err    error

	databases atomic.Int64
}

// Database creates an empty database and returns its connection string. The database is on a server that all tests of
// the binary share, because the start of a server takes a second. TestMain must call [StopShared] after the tests. If
// PostgreSQL is not installed, Database skips or fails the test as [Run] does.
func Database(tb testing.TB) string {
	tb.Helper()
	bin, err := findBin()
	if err != nil {
		program.Missing(tb, err)
	}
	shared.once.Do(func() { shared.server, shared.err = runShared(bin) })
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	s, name := shared.server, fmt.Sprint("test", shared.databases.Add(1))
	if err := s.run("createdb", "-h", s.dir, "-U", "postgres", name); err != nil {
		tb.Fatal(err)
	}
	return "host=" + s.dir + " user=postgres dbname=" + name
}

func runShared(bin string) (*Server, error) {
	dir, attr, err := program.MakeDir("pgtest", "postgres")
	if err != nil {
		return nil, err
	}
	s := &Server{bin, dir, attr}
	if err = s.create(); err == nil {
		err = s.launch()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// StopShared stops the server of [Database] if it runs.
func StopShared() {
	if s := shared.server; s != nil {
		_ = s.stop()
		_ = os.RemoveAll(s.dir)
	}
}
