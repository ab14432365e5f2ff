package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"

	"productindex/backends/bleveindex"
	"productindex/httpapi"
	"productindex/reindex"
	"productindex/source/jsonl"
)

// embedding has the lines of the README that embed the library.
//
//nolint:ineffassign,staticcheck,wastedassign // a program checks each error; the README is shorter
func embedding(ctx context.Context, mux *http.ServeMux, authorize httpapi.Authorizer) error {
	// README: begin
	source, err := jsonl.New("catalogues", nil) // reads catalogues/acme.jsonl for tenant acme
	index, err := bleveindex.Open("index", nil) // a search index in this process
	engine, err := reindex.New(source, index, &reindex.Config{Logger: slog.Default()})
	err = httpapi.Mount(mux, engine, httpapi.Config{Authorizer: authorize}) // POST /indexing/{tenant}/reindex

	report, err := engine.Run(ctx, "acme") // the same without HTTP
	fmt.Println(report.Indexed, report.Rejections)
	hits, err := index.Search(ctx, "acme", bleve.NewSearchRequest(bleveindex.Query("wool socks", nil)))
	err = engine.Shutdown(ctx) // waits for runs, and cancels them if ctx ends
	// README: end
	if err != nil || hits.Total != 1 {
		return fmt.Errorf("%d hits, error %w", hits.Total, err)
	}
	return index.Close()
}

// The README has the lines of embedding, which compile and run.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(string(code), "\t// README: begin\n")
	lines, _, _ = strings.Cut(lines, "\t// README: end\n")
	if lines = spaceless(lines); lines == "" || !strings.Contains(spaceless(string(readme)), lines) {
		t.Errorf("the README lacks these lines:\n%s", lines)
	}

	t.Chdir(t.TempDir())
	if err := os.Mkdir("catalogues", 0o700); err != nil {
		t.Fatal(err)
	}
	catalogue := filepath.Join("catalogues", "acme.jsonl")
	if err := os.WriteFile(catalogue, []byte(`{"id":"1","name":"Wool socks"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	if err := embedding(t.Context(), mux, httpapi.AllowAll); err != nil {
		t.Error(err)
	}
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/indexing/a/reindex", nil))
	if answer.Code != http.StatusBadRequest { // the tenant is not valid
		t.Errorf("the mounted endpoint answers %d, want 400", answer.Code)
	}
}

// The commands of the README add the module to a host whose code is beside a checkout.
func TestReadmeModule(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"go mod edit -require=productindex@v0.0.0 -replace=productindex=../productindex && go mod tidy",
		"go work init . ../productindex",
	} {
		if !strings.Contains(string(readme), line) {
			t.Errorf("the README lacks the line %s", line)
		}
		folder := t.TempDir()
		host := filepath.Join(folder, "host")
		for name, content := range map[string]string{
			"go.mod":  "module host\n\ngo 1.26\n",
			"main.go": "package main\n\nimport _ \"productindex/reindex\"\n\nfunc main() {}\n",
		} {
			if err := os.MkdirAll(host, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(host, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(root, filepath.Join(folder, "productindex")); err != nil {
			t.Skip(err)
		}
		for command := range strings.SplitSeq(line+" && go list -deps .", " && ") {
			args := strings.Fields(command)
			cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
			cmd.Dir = host
			cmd.Env = append(os.Environ(), "GOWORK=", "GOFLAGS=-mod=mod", "GOPROXY=off", "GONOSUMDB=*")
			if strings.HasPrefix(line, "go work") {
				cmd.Env = append(cmd.Env, "GOFLAGS=")
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: got error %v, want none: %s", command, err, out)
			}
		}
	}
}

// spaceless returns text with each run of white space replaced by one space.
func spaceless(text string) string { return strings.Join(strings.Fields(text), " ") }
