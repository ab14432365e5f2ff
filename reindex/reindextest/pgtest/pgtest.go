// Package pgtest runs real PostgreSQL servers for a test, with standbys and pgbouncer if needed. It uses the programs
// that packages of the distribution have installed. It imports no driver: a test opens the connection string with its
// own driver.
//
//	db, err := sql.Open("pgx", pgtest.Start(t))
package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"productindex/reindex/reindextest/internal/program"
)

// startTimeout limits the time in which a server is created, and that in which it starts. Slow machines need some
// seconds.
const startTimeout = 2 * time.Minute

// Start runs a server as [Run] does, and returns its connection string.
func Start(tb testing.TB) string {
	tb.Helper()
	return Run(tb).DSN()
}

// Server is a running PostgreSQL server.
type Server struct {
	bin, dir string
	attr     *syscall.SysProcAttr
}

// Run runs an empty PostgreSQL server until the end of the test. The server listens on a Unix socket in a folder of its
// own, so that several servers can run at the same time. Its data does not survive a crash of the machine.
//
// Run looks for the server under /usr/lib/postgresql and in PATH. If it is not installed, Run skips the test, or fails
// it if CI=true is set. If the test runs as root, which PostgreSQL refuses, the server runs as the user postgres, or as
// nobody.
func Run(tb testing.TB) *Server {
	tb.Helper()
	s := newServer(tb)
	if err := s.create(); err != nil {
		tb.Fatal(err)
	}
	s.start(tb)
	return s
}

// newServer returns a server that has no data yet.
func newServer(tb testing.TB) *Server {
	tb.Helper()
	bin, err := findBin()
	if err != nil {
		program.Missing(tb, err)
	}
	dir, attr := program.Dir(tb, "pgtest", "postgres")
	return &Server{bin, dir, attr}
}

// DSN returns the connection string of the server, of the form "host=... user=... dbname=...".
func (s *Server) DSN() string { return "host=" + s.dir + " user=postgres dbname=postgres" }

// Host returns the host of the server for a connection string, which is the folder of its socket.
func (s *Server) Host() string { return s.dir }

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) create() error {
	return s.run("initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
}

func (s *Server) start(tb testing.TB) {
	tb.Helper()
	tb.Cleanup(func() { _ = s.stop() }) // an error means that the server does not run
	if err := s.launch(); err != nil {
		tb.Fatal(err)
	}
}

func (s *Server) launch() error {
	options := "-k " + s.dir + " -c listen_addresses='' -c max_connections=500" +
		" -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
	log := filepath.Join(s.dir, "server.log")
	err := s.run("pg_ctl", "-D", s.data(), "-w", "-l", log, "-o", options, "start")
	if err != nil {
		text, _ := os.ReadFile(log)
		err = fmt.Errorf("%w\n%s", err, text)
	}
	return err
}

func (s *Server) stop() error {
	return s.run("pg_ctl", "-D", s.data(), "-m", "immediate", "-w", "stop")
}

// run runs a program of PostgreSQL and waits for its end.
func (s *Server) run(name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = s.attr
	// The output goes to a file, because a server that inherits a pipe would keep it open.
	out, err := os.CreateTemp(s.dir, name+".*.out")
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(out.Name())
		return fmt.Errorf("%s: %w\n%s", name, err, text)
	}
	return nil
}

// findBin returns the folder of the newest server's programs.
func findBin() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
		return filepath.Dir(newest), nil
	}
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		return "", fmt.Errorf("PostgreSQL is not installed (Debian: apt-get install postgresql): %w", err)
	}
	return filepath.Dir(initdb), nil
}

// version returns the version in the path of an initdb: 15 for /usr/lib/postgresql/15/bin/initdb.
func version(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return n
}
