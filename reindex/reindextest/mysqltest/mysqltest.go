// Package mysqltest runs a real MariaDB server for a test, from the program that a distribution's package installs. It
// imports no driver.
//
//	db, err := sql.Open("mysql", mysqltest.Start(t)+"?parseTime=true")
package mysqltest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"productindex/reindex/reindextest/internal/program"
)

// startTimeout limits how long a server may take to start; slow machines need seconds.
const startTimeout = 2 * time.Minute

// Start runs a MariaDB server until the test ends, with one empty database, and returns a data source name of it as
// go-sql-driver/mysql wants it, of the form "root@unix(...)/test", to which parameters can be appended. The server
// listens on a Unix socket in a folder of its own, so that several can run at once; what it stores does not survive a
// crash. It has none of the system's tables, so that it starts at once: anybody who reaches the socket may do
// everything, and there are no named time zones.
//
// The database's collation is utf8mb4_bin: texts are equal, and in order, as their bytes are.
//
// The server is looked for in /usr/sbin and in PATH. If there is none the test is skipped; with CI=true it fails. As
// root it is run as the user mysql, or nobody.
func Start(tb testing.TB) string {
	tb.Helper()
	bin, err := findServer()
	if err != nil {
		program.Missing(tb, err)
	}
	dir, attr := program.Dir(tb, "mysqltest", "mysql")
	const create = "CREATE DATABASE test CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;\n"
	if err := os.WriteFile(filepath.Join(dir, "init.sql"), []byte(create), 0o644); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(bin, "--no-defaults", "--datadir="+dir, "--socket="+filepath.Join(dir, "socket"),
		"--pid-file="+filepath.Join(dir, "pid"), "--init-file="+filepath.Join(dir, "init.sql"),
		"--skip-networking", "--skip-grant-tables",
		"--innodb-log-file-size=32M", "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0",
		"--skip-innodb-doublewrite", "--innodb-use-native-aio=0",
	)
	cmd.Dir, cmd.SysProcAttr = dir, attr
	out, err := cmd.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		text := watch(out, ready)
		ended <- fmt.Errorf("%w\n%s", errors.Join(errors.New("the server ended"), cmd.Wait()), text)
	}()
	tb.Cleanup(func() {
		_ = cmd.Process.Kill() // it has nothing to lose
		<-ended
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		tb.Fatal(err)
	case <-time.After(startTimeout):
		tb.Fatalf("%s is not ready for connections after %v", bin, startTimeout)
	}
	return "root@unix(" + filepath.Join(dir, "socket") + ")/test"
}

// watch reads the server's log to its end, closes ready when the server takes connections, and returns the log.
func watch(log io.Reader, ready chan<- struct{}) string {
	var text strings.Builder
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		text.WriteString(lines.Text() + "\n")
		if ready != nil && strings.Contains(lines.Text(), "ready for connections") {
			close(ready)
			ready = nil
		}
	}
	return text.String()
}

// findServer returns the path of the server.
func findServer() (string, error) {
	if bin, err := exec.LookPath("/usr/sbin/mariadbd"); err == nil {
		return bin, nil
	}
	bin, err := exec.LookPath("mariadbd")
	if err != nil {
		return "", fmt.Errorf("MariaDB is not installed (Debian: apt-get install mariadb-server): %w", err)
	}
	return bin, nil
}
