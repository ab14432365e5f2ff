// Package mysqltest runs a real MariaDB server for a test. It uses the program that a package of the distribution has
// installed, and imports no driver.
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

// startTimeout limits the time until a server is ready. Slow machines need some seconds.
const startTimeout = 2 * time.Minute

// Start runs a MariaDB server with one empty database until the end of the test. It returns a data source name for
// go-sql-driver/mysql of the form "root@unix(...)/test", to which the caller can append parameters.
//
// The server listens on a Unix socket in a folder of its own, so that several servers can run at the same time. Its
// data does not survive a crash. It has no system tables, so that it starts quickly: every user has all rights, and
// there are no named time zones. The collation of the database is utf8mb4_bin, which compares texts by their bytes.
//
// Start looks for the server in /usr/sbin and in PATH. If it is not installed, Start skips the test, or fails it if
// CI=true is set. If the test runs as root, the server runs as the user mysql, or as nobody.
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
	cmd := exec.Command(bin, "--no-defaults", "--datadir="+dir, "--tmpdir="+dir, "--socket="+filepath.Join(dir, "socket"),
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
		_ = cmd.Process.Kill() // nobody needs the data any more
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

// watch reads the server's log to its end and returns it. It closes ready when the server accepts connections.
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
