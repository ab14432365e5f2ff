package pgtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"productindex/reindex/reindextest/internal/program"
)

// bouncerPort is the port in the name of pgbouncer's socket.
const bouncerPort = "6432"

// Bouncer runs a pgbouncer in front of the server until the end of the test. It returns a connection string without a
// dbname; the caller appends that of any database of the server. pgbouncer shares connections by transaction
// (pool_mode=transaction) and opens at most size connections per database.
//
// Bouncer looks for pgbouncer in /usr/sbin and in PATH. If it is not installed, Bouncer skips the test, or fails it if
// CI=true is set.
func (s *Server) Bouncer(tb testing.TB, size int) string {
	tb.Helper()
	bin, err := findBouncer()
	if err != nil {
		program.Missing(tb, err)
	}
	dir, attr := program.Dir(tb, "pgbouncer", "postgres")
	settings := fmt.Sprintf(`[databases]
* = host=%s user=postgres pool_size=%d
[pgbouncer]
pool_mode = transaction
auth_type = any
unix_socket_dir = %s
listen_port = %s
max_client_conn = 1000
`, s.dir, size, dir, bouncerPort)
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(settings), 0o644); err != nil {
		tb.Fatal(err)
	}
	out, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		tb.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(bin, file)
	cmd.Dir, cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = dir, attr, out, out
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	if err := awaitSocket(filepath.Join(dir, ".s.PGSQL."+bouncerPort), ended); err != nil {
		text, _ := os.ReadFile(out.Name())
		tb.Fatalf("pgbouncer: %v\n%s", err, text)
	}
	return "host=" + dir + " port=" + bouncerPort + " user=postgres"
}

// awaitSocket waits until the process listens on the socket. The process sends to ended when it ends.
func awaitSocket(path string, ended chan error) error {
	ticker, over := time.NewTicker(10*time.Millisecond), time.After(startTimeout)
	defer ticker.Stop()
	for {
		conn, err := net.Dial("unix", path)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ticker.C:
		case why := <-ended:
			ended <- why
			return fmt.Errorf("it ended: %w", why)
		case <-over:
			return err
		}
	}
}

func findBouncer() (string, error) {
	if bin, err := exec.LookPath("/usr/sbin/pgbouncer"); err == nil {
		return bin, nil
	}
	bin, err := exec.LookPath("pgbouncer")
	if err != nil {
		return "", fmt.Errorf("pgbouncer is not installed (Debian: apt-get install pgbouncer): %w", err)
	}
	return bin, nil
}
