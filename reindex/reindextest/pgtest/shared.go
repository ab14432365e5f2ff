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

// shared is the server on which tests have databases of their own.
var shared struct {
	once   sync.Once
	server *Server
	err    error

	databases atomic.Int64
}

// Database returns the connection string of an empty database of the test's own, on a server that all tests of the
// binary share: a server for each would take a second. If no server can run here it does what [Run] does. The TestMain
// of the package calls [StopShared] after the tests.
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

// StopShared stops the server that tests share, if there is one.
func StopShared() {
	if s := shared.server; s != nil {
		_ = s.stop()
		_ = os.RemoveAll(s.dir)
	}
}
