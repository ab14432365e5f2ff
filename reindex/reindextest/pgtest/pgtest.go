// Package pgtest runs a real PostgreSQL server for a test, from the programs that a distribution's package installs. It imports no
// driver: a test opens the server's connection string with the one it uses.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"productindex/reindex/reindextest/internal/program"
)

// startTimeout limits how long a server may take to be created and to start; slow machines need seconds.
const startTimeout = 2 * time.Minute

// Start runs an empty PostgreSQL server until the test ends and returns its connection string, of the form "host=... user=...". The
// server listens on a Unix socket in a folder of its own, so that several can run at once; what it stores does not survive a crash.
// It is looked for under /usr/lib/postgresql and in PATH. Where there is none the test is skipped, except under CI=true, where it fails.
//
// PostgreSQL refuses to run as root: then the server runs as the user postgres, or nobody.
func Start(tb testing.TB) string {
	tb.Helper()
	bin, err := findBin()
	if err != nil {
		program.Missing(tb, err)
	}
	dir, attr := program.Dir(tb, "pgtest", "postgres")
	run := func(name string, args ...string) error {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		cmd.SysProcAttr = attr
		// A server that inherited a pipe would keep it open: the output goes to a file.
		out, err := os.Create(filepath.Join(dir, name+".out"))
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
	data := filepath.Join(dir, "data")
	if err := run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"); err != nil {
		tb.Fatal(err)
	}
	options := "-k " + dir + " -c listen_addresses='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
	tb.Cleanup(func() {
		// Stopping a server that did not start fails, and nothing is left of it then.
		_ = run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
	})
	if err := run("pg_ctl", "-D", data, "-w", "-l", filepath.Join(dir, "server.log"), "-o", options, "start"); err != nil {
		text, _ := os.ReadFile(filepath.Join(dir, "server.log"))
		tb.Fatalf("%v\n%s", err, text)
	}
	return "host=" + dir + " user=postgres dbname=postgres"
}

// findBin returns the folder with the newest server's programs.
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

// version returns 15 for /usr/lib/postgresql/15/bin/initdb.
func version(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return n
}
