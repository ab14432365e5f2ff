package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// TestMain runs the server itself in the processes that the tests start.
func TestMain(m *testing.M) {
	if os.Getenv("SERVER_CHILD") == "true" {
		main()
		return
	}
	reindextest.TempInMemory()
	_ = flag.Set("test.parallel", "4") // the default: the tests mostly wait for leases and time limits
	// bleve starts workers in its init function.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), goleak.Cleanup(func(code int) {
		for _, stop := range shared {
			stop()
		}
		os.Exit(code)
	}))
}

// shared has functions that stop the programs that several tests share.
var shared []func()

// server is a process of the server.
type server struct {
	cmd     *exec.Cmd
	address string
	log     chan string // the lines of the log, without those of the access log
	access  []string    // the lines of the access log; complete when log is closed
}

// start starts a server in a process of its own. The process ends with the test.
func start(t *testing.T, env ...string) *server {
	t.Helper()
	s := &server{cmd: exec.CommandContext(t.Context(), os.Args[0]), log: make(chan string, 1000)}
	s.cmd.Env = append(os.Environ(), append([]string{"SERVER_CHILD=true", "PRODUCTINDEX_ADDR=127.0.0.1:0"}, env...)...)
	out, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.log)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.Contains(lines.Text(), `"msg":"httpapi: request"`) {
				s.access = append(s.access, lines.Text()) // there may be more than the channel can hold
			} else {
				s.log <- lines.Text()
			}
		}
	}()
	var listening struct {
		Address string `json:"address"`
	}
	s.await(t, `"listening"`, &listening)
	s.address = "http://" + listening.Address
	return s
}

// await reads the log until a line contains text, and decodes that line.
func (s *server) await(t *testing.T, text string, to any) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line, ok := <-s.log:
			if !ok {
				t.Fatalf("the server ended, want that it first logs %q", text)
			}
			if strings.Contains(line, text) {
				if err := json.Unmarshal([]byte(line), to); err != nil {
					t.Fatal(err)
				}
				return
			}
		case <-deadline:
			t.Fatalf("the server did not log %q", text)
		}
	}
}

// stop ends the server, waits for it, and returns the lines of its log that have not been read.
func (s *server) stop(t *testing.T) []string {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range s.log {
		t.Log(line)
		lines = append(lines, line)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM, the server ended with %v, want no error", err)
	}
	return lines
}

// do sends a request without a body, and returns the status and the body of the response.
func (s *server) do(t *testing.T, method, path, token string) (int, string) {
	t.Helper()
	return s.send(t, method, path, token, "")
}

// send sends a request, and returns the status and the body of the response. The content is JSON; it may be empty.
func (s *server) send(t *testing.T, method, path, token, content string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.address+path, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if content != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func (s *server) total(t *testing.T, path string) int64 {
	t.Helper()
	var answer found
	status, body := s.do(t, http.MethodGet, path, "")
	if status != http.StatusOK || json.Unmarshal([]byte(body), &answer) != nil {
		t.Fatalf("%s answered %d %s, want 200 and hits", path, status, body)
	}
	return answer.Total
}

// writeCatalogue writes the file with a tenant's products to a folder.
func writeCatalogue(t *testing.T, dir, tenant string, products []reindex.Product) {
	t.Helper()
	var lines []byte
	for _, p := range products {
		lines = append(append(lines, p.Body...), '\n')
	}
	if err := os.WriteFile(filepath.Join(dir, tenant+".jsonl"), lines, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Two tenants are reindexed over HTTP and found, also after a restart of the server.
func TestServer(t *testing.T) {
	catalogues, index := t.TempDir(), t.TempDir()
	sizes := map[string]int{"acme": 120, "globex": 75}
	for tenant, n := range sizes {
		writeCatalogue(t, catalogues, tenant, reindextest.Products(n, tenant))
	}
	s := start(t, "PRODUCTINDEX_CATALOGUES="+catalogues, "PRODUCTINDEX_INDEX="+index)
	if status, _ := s.do(t, http.MethodGet, "/search/acme", ""); status != http.StatusNotFound {
		t.Errorf("a search before the first reindex answers %d, want 404", status)
	}
	for tenant, n := range sizes {
		if status, body := s.do(t, http.MethodPost, "/indexing/"+tenant+"/reindex", ""); status != http.StatusNoContent {
			t.Fatalf("the reindex of %s was answered with %d %s, want 204", tenant, status, body)
		}
		var end struct {
			Indexed int    `json:"indexed"`
			Tenant  string `json:"tenant"`
		}
		s.await(t, "reindex succeeded", &end)
		if end.Indexed != n || end.Tenant != tenant {
			t.Errorf("the reindex ended with %+v, want %d indexed products", end, n)
		}
	}
	for _, again := range []bool{false, true} {
		for tenant, n := range sizes {
			if got := s.total(t, "/search/"+tenant); got != int64(n) {
				t.Errorf("%s has %d documents, want %d", tenant, got, n)
			}
			if got := s.total(t, "/search/"+tenant+"?q=p42"); got != 1 {
				t.Errorf("%s has %d documents with the name p42, want 1", tenant, got)
			}
		}
		s.stop(t)
		if !again {
			s = start(t, "PRODUCTINDEX_CATALOGUES="+catalogues, "PRODUCTINDEX_INDEX="+index)
		}
	}
}

// SIGTERM ends a running reindex, and the live index stays.
func TestServerStopsAmidstReindex(t *testing.T) {
	catalogues := t.TempDir()
	env := []string{
		"PRODUCTINDEX_CATALOGUES=" + catalogues, "PRODUCTINDEX_INDEX=" + t.TempDir(), "PRODUCTINDEX_SHUTDOWN_TIMEOUT=1ms",
	}
	writeCatalogue(t, catalogues, "acme", reindextest.Products(10, "old"))
	s := start(t, env...)
	s.do(t, http.MethodPost, "/indexing/acme/reindex", "")
	s.await(t, "reindex succeeded", &struct{}{})
	writeCatalogue(t, catalogues, "acme", reindextest.Products(50_000, "new"))
	if status, _ := s.do(t, http.MethodPost, "/indexing/acme/reindex", ""); status != http.StatusNoContent {
		t.Errorf("the reindex answers %d, want 204", status)
	}
	s.stop(t)
	s = start(t, env...)
	if got := s.total(t, "/search/acme"); got != 10 {
		t.Errorf("%d documents are live after a reindex that was stopped, want the 10 old ones", got)
	}
	s.stop(t)
}

// A request that does not end is cut off after SIGTERM, and the server ends without an error.
func TestServerStopsAmidstRequest(t *testing.T) {
	s := start(t, "PRODUCTINDEX_CATALOGUES="+t.TempDir(), "PRODUCTINDEX_INDEX="+t.TempDir(),
		"PRODUCTINDEX_SHUTDOWN_TIMEOUT=1ms")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /indexing/acme/reindex HTTP/1.1\r\nHost: localhost\r\n"+
		"Content-Type: application/json\r\nContent-Length: 15\r\nExpect: 100-continue\r\n\r\n")
	answer := bufio.NewReader(conn)
	if line, err := answer.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("the server answers %q, error %v, want that it waits for the body", line, err)
	}
	cut := false
	for _, line := range s.stop(t) {
		cut = cut || strings.Contains(line, `"level":"WARN","msg":"requests that had not ended in time were cut off"`)
	}
	if !cut {
		t.Error("no line in the log says that requests were cut off")
	}
}

func TestToken(t *testing.T) {
	catalogues := t.TempDir()
	writeCatalogue(t, catalogues, "acme", reindextest.Products(10, "x"))
	s := start(t, "PRODUCTINDEX_CATALOGUES="+catalogues, "PRODUCTINDEX_INDEX="+t.TempDir(),
		"PRODUCTINDEX_TOKEN=secret-token")
	for token, want := range map[string]int{
		"":             http.StatusUnauthorized,
		"wrong":        http.StatusUnauthorized,
		"secret-token": http.StatusNoContent,
	} {
		if status, body := s.do(t, http.MethodPost, "/indexing/acme/reindex", token); status != want {
			t.Errorf("token %q: got %d %s, want %d", token, status, body, want)
		}
		status, _ := s.do(t, http.MethodGet, "/search/acme", token)
		if (status == http.StatusUnauthorized) != (want == http.StatusUnauthorized) {
			t.Errorf("a search with token %q: got %d, want 401 only if a reindex gets it", token, status)
		}
	}
	s.stop(t)
}

// If the configuration is not valid, the server ends with an error that names the setting and has no secrets.
func TestConfig(t *testing.T) {
	for _, test := range []struct{ want, env string }{
		{"PRODUCTINDEX_CATALOGUES", "PRODUCTINDEX_BACKEND=bleve"},
		{"PRODUCTINDEX_TOKEN", "PRODUCTINDEX_ADDR=0.0.0.0:0 PRODUCTINDEX_CATALOGUES=."},
		{
			"PRODUCTINDEX_OAUTH_*: oauth: invalid JWT config: Audience",
			"PRODUCTINDEX_OAUTH_ISSUER=x PRODUCTINDEX_OAUTH_JWKS=https://x PRODUCTINDEX_CATALOGUES=.",
		},
		{"PRODUCTINDEX_TOKEN: oauth", "PRODUCTINDEX_TOKEN=ä PRODUCTINDEX_CATALOGUES=."},
		{"PRODUCTINDEX_BACKEND", "PRODUCTINDEX_BACKEND=abacus PRODUCTINDEX_CATALOGUES=."},
		{"no-such-folder", "PRODUCTINDEX_CATALOGUES=./no-such-folder"},
		{"MaxRuns", "PRODUCTINDEX_MAX_RUNS=many PRODUCTINDEX_CATALOGUES=."},
		{`JOBS must be sqlite:PATH or postgres://…"`, "PRODUCTINDEX_JOBS=oracle:s3cret PRODUCTINDEX_CATALOGUES=."},
		{"PRODUCTINDEX_JOBS must be sqlite", "PRODUCTINDEX_JOBS=sqlite: PRODUCTINDEX_CATALOGUES=."},
		{"PRODUCTINDEX_JOBS: jobsql", "PRODUCTINDEX_JOBS=sqlite:/no/such/folder/jobs.db PRODUCTINDEX_CATALOGUES=."},
		{
			"PRODUCTINDEX_JOBS is not a valid URL",
			"PRODUCTINDEX_JOBS=postgres://user:s3cret%@host/db PRODUCTINDEX_CATALOGUES=.",
		},
		{"PRODUCTINDEX_JOBS: jobsql", "PRODUCTINDEX_JOBS=postgres://user:s3cret@127.0.0.1:1/db PRODUCTINDEX_CATALOGUES=."},
		{
			"PRODUCTINDEX_JOBS is a MySQL database",
			"PRODUCTINDEX_JOBS=mysql://user:s3cret@127.0.0.1/db PRODUCTINDEX_CATALOGUES=.",
		},
		{"both set", "PRODUCTINDEX_CATALOGUES=. PRODUCTINDEX_DATABASE=sqlite:shop.db"},
		{"needs PRODUCTINDEX_QUERY", "PRODUCTINDEX_DATABASE=sqlite:shop.db"},
		{"PRODUCTINDEX_DATABASE must be sqlite", "PRODUCTINDEX_DATABASE=oracle:s3cret PRODUCTINDEX_QUERY=x"},
		{"PRODUCTINDEX_DATABASE: connecting", "PRODUCTINDEX_DATABASE=sqlite:/no/such/shop.db PRODUCTINDEX_QUERY=x"},
		{
			"PRODUCTINDEX_DATABASE: connecting",
			"PRODUCTINDEX_DATABASE=postgres://user:s3cret@127.0.0.1:1/db PRODUCTINDEX_QUERY=x",
		},
		{
			"PRODUCTINDEX_DATABASE: connecting",
			"PRODUCTINDEX_DATABASE=mysql://user:s3cret@127.0.0.1:1/db PRODUCTINDEX_QUERY=x",
		},
		{
			"PRODUCTINDEX_DATABASE is not a valid URL",
			"PRODUCTINDEX_DATABASE=mysql://user:s3cret%@127.0.0.1/db PRODUCTINDEX_QUERY=x",
		},
		{"database has bool and json", "PRODUCTINDEX_DATABASE=sqlite:x PRODUCTINDEX_QUERY=x PRODUCTINDEX_TYPES=price:number"},
		{"only for csv and databases", "PRODUCTINDEX_CATALOGUES=. PRODUCTINDEX_TYPES=price:number"},
		{"PRODUCTINDEX_FORMAT", "PRODUCTINDEX_CATALOGUES=. PRODUCTINDEX_FORMAT=xml"},
		{
			"csv has text, number, bool and json",
			"PRODUCTINDEX_CATALOGUES=. PRODUCTINDEX_FORMAT=csv PRODUCTINDEX_TYPES=price:money",
		},
		{"PRODUCTINDEX_CSV_COMMA", "PRODUCTINDEX_CATALOGUES=. PRODUCTINDEX_FORMAT=csv PRODUCTINDEX_CSV_COMMA=;;"},
		{"PRODUCTINDEX_CSV_QUOTES", "PRODUCTINDEX_CATALOGUES=. PRODUCTINDEX_FORMAT=csv PRODUCTINDEX_CSV_QUOTES=some"},
		{"PRODUCTINDEX_CSV_ENCODING", "PRODUCTINDEX_CATALOGUES=. PRODUCTINDEX_FORMAT=csv PRODUCTINDEX_CSV_ENCODING=utf-9"},
		{"it must be trigger, worker or both", "PRODUCTINDEX_FLEET=some PRODUCTINDEX_CATALOGUES=."},
		{"needs PRODUCTINDEX_JOBS", "PRODUCTINDEX_FLEET=both PRODUCTINDEX_CATALOGUES=."},
		{"needs PRODUCTINDEX_JOBS", "PRODUCTINDEX_FLEET=both PRODUCTINDEX_JOBS=sqlite:jobs.db PRODUCTINDEX_CATALOGUES=."},
		{"not a valid URL", "PRODUCTINDEX_FLEET=both PRODUCTINDEX_JOBS=postgres://u:s3cret%@h/d PRODUCTINDEX_CATALOGUES=."},
		{
			"fleet: preparing",
			"PRODUCTINDEX_FLEET=both PRODUCTINDEX_JOBS=postgres://u:s3cret@127.0.0.1:1 PRODUCTINDEX_CATALOGUES=.",
		},
		{"Lease is 1ms", "PRODUCTINDEX_JOBS=sqlite:jobs.db PRODUCTINDEX_JOBS_LEASE=1ms PRODUCTINDEX_CATALOGUES=."},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(),
			append(strings.Fields(test.env), "SERVER_CHILD=true", "PRODUCTINDEX_INDEX="+t.TempDir())...)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "the server failed") || !strings.Contains(string(out), test.want) {
			t.Errorf("%s: got error %v, want %q in %s", test.env, err, test.want, out)
		}
		if strings.Contains(string(out), "s3cret") {
			t.Errorf("%s: the output has a secret, want none: %s", test.env, out)
		}
	}
}
