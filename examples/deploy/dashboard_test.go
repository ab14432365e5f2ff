package deploy

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tool returns the path of a program that the test needs. If it is missing, the test is skipped, or fails in CI.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: install the package prometheus", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// process starts a program and returns the lines of its standard error. The program ends with the test.
func process(t *testing.T, cmd *exec.Cmd) <-chan string {
	t.Helper()
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 10_000)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		for range lines { // until the process has ended
		}
		_ = cmd.Wait() // it was interrupted
	})
	return lines
}

// await returns the first line that contains text.
func await(t *testing.T, lines <-chan string, text string) string {
	t.Helper()
	deadline := time.After(3 * time.Minute)
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("the process ended before it wrote %q", text)
			}
			if strings.Contains(line, text) {
				return line
			}
		case <-deadline:
			t.Fatalf("the process did not write %q in time", text)
		}
	}
}

// serve starts the example server with a catalogue of one tenant, and returns its address.
func serve(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "server")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../server").CombinedOutput()
	if err != nil {
		t.Fatalf("building the server: %v\n%s", err, out)
	}
	catalogue := filepath.Join(dir, "catalogues")
	if err := os.Mkdir(catalogue, 0o755); err != nil {
		t.Fatal(err)
	}
	products := `{"id":"1","name":"Wool socks"}` + "\n" + `{"id":"2","name":"Linen shirt"}` + "\n"
	if err := os.WriteFile(filepath.Join(catalogue, "acme.jsonl"), []byte(products), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(),
		"PRODUCTINDEX_ADDR=127.0.0.1:0", "PRODUCTINDEX_CATALOGUES="+catalogue,
		"PRODUCTINDEX_INDEX="+filepath.Join(dir, "index"))
	var listening struct {
		Address string `json:"address"`
	}
	if err := json.Unmarshal([]byte(await(t, process(t, cmd), `"listening"`)), &listening); err != nil {
		t.Fatal(err)
	}
	return listening.Address
}

// observe starts a Prometheus and returns its address. It has the configuration of prometheus.yml, but scrapes the
// server every second.
func observe(t *testing.T, server string) string {
	t.Helper()
	dir := t.TempDir()
	config, err := os.ReadFile("prometheus/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := filepath.Abs("prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer("15s", "1s", "productindex:8080", server, "- alerts.yml", "- "+rules).Replace(
		string(config),
	)
	if strings.Count(changed, server) != 1 || strings.Count(changed, rules) != 1 {
		t.Fatal("prometheus.yml does not name the server and the alerts exactly once each")
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tool(t, "prometheus"), "--config.file="+file,
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0", "--log.format=json")
	var listening struct {
		Address string `json:"address"`
	}
	if err := json.Unmarshal([]byte(await(t, process(t, cmd), `"Listening on"`)), &listening); err != nil {
		t.Fatal(err)
	}
	return listening.Address
}

// get returns the body of a response with status 200.
func get(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	if answer.StatusCode == http.StatusServiceUnavailable {
		err = errNotReady
	}
	return body, err
}

// errNotReady means that Prometheus is still reading its data.
var errNotReady = errors.New("not ready yet")

// hasData reports whether a query has a result.
func hasData(ctx context.Context, prometheus, query string) (bool, error) {
	body, err := get(ctx, "http://"+prometheus+"/api/v1/query?query="+url.QueryEscape(query))
	if errors.Is(err, errNotReady) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("query %s: %w", query, err)
	}
	var answer struct {
		Data struct {
			Result []any `json:"result"`
		} `json:"data"`
	}
	err = json.Unmarshal(body, &answer)
	return len(answer.Data.Result) > 0, err
}

// queries returns the queries of the dashboard by the titles of their panels, with the variables of Grafana replaced.
func queries(t *testing.T) map[string][]string {
	t.Helper()
	body, err := os.ReadFile("grafana/reindexing.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string `json:"title"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(body, &dashboard); err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			found[panel.Title] = append(found[panel.Title],
				strings.NewReplacer("$__rate_interval", "10s", "$__range", "1m").Replace(target.Expr))
		}
	}
	return found
}

// After one run, each query of the dashboard has data from the metrics of the example server.
func TestDashboard(t *testing.T) {
	tool(t, "prometheus")
	server := serve(t)
	prometheus := observe(t, server)
	trigger := "http://" + server + "/indexing/acme/reindex"
	answer, err := http.Post(trigger, "application/json", strings.NewReader(`{"mode":"FULL"}`))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	all := queries(t)
	if len(all) < 10 {
		t.Fatalf("the dashboard has %d panels with queries, want at least 10", len(all))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for title, panel := range all {
		for _, query := range panel {
			for found := false; !found; {
				if found, err = hasData(ctx, prometheus, query); err != nil {
					t.Fatalf("panel %q has no data: %v", title, err)
				}
			}
		}
	}
}

// The alerts are valid and pass their own tests.
func TestAlerts(t *testing.T) {
	promtool := tool(t, "promtool")
	for _, args := range [][]string{
		{"check", "rules", "prometheus/alerts.yml"},
		{"test", "rules", "prometheus/alerts_test.yml"},
	} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
