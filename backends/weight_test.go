// Package backends_test verifies the table in README.md of the packages that a program compiles with each backend.
package backends_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var sizes = flag.Bool("sizes", false, "also build the programs, and print the sizes of their binaries")

// program serves reindexes of files over HTTP. The first %s stands for imports of backends, the second one for
// functions that open them.
const program = `package main

import (
	"net/http"

	"productindex/httpapi"
	"productindex/reindex"
	"productindex/source/jsonl"
%s)

func main() {
	source, err := jsonl.New("catalogues", nil)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	for _, open := range []func() (reindex.Indexer, error){%s} {
		index, err := open()
		if err != nil {
			panic(err)
		}
		engine, err := reindex.New(source, index, nil)
		if err != nil {
			panic(err)
		}
		if err := httpapi.Mount(mux, engine, httpapi.Config{Authorizer: httpapi.AllowAll}); err != nil {
			panic(err)
		}
	}
	panic(http.ListenAndServe(":8080", mux))
}
`

// backend has the parts of the program that use a backend.
type backend struct {
	imports []string
	open    string // a function
}

// A host compiles only the backends that it uses: the table in README.md has the number of modules and packages that it
// compiles beside those of this module.
func TestWeight(t *testing.T) {
	bleve := backend{
		[]string{"productindex/backends/bleveindex"},
		`func() (reindex.Indexer, error) { return bleveindex.Open("index", nil) }`,
	}
	elasticsearch := backend{
		[]string{"productindex/backends/esindex", "github.com/elastic/elastic-transport-go/v8/elastictransport"},
		`func() (reindex.Indexer, error) {
			client, err := elastictransport.NewClient(elastictransport.WithDisableRetry())
			if err != nil {
				return nil, err
			}
			return esindex.New(client, nil)
		}`,
	}
	meilisearch := backend{
		[]string{"productindex/backends/meiliindex", "github.com/meilisearch/meilisearch-go"},
		`func() (reindex.Indexer, error) {
			return meiliindex.New(meilisearch.New("http://localhost:7700", meilisearch.DisableRetries()), nil)
		}`,
	}
	document, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name     string
		backends []backend
	}{
		{"none: the engine, the endpoints, one source", nil},
		{"`bleveindex`", []backend{bleve}},
		{"`esindex`", []backend{elasticsearch}},
		{"`meiliindex`", []backend{meilisearch}},
		{"all three", []backend{bleve, elasticsearch, meilisearch}},
	} {
		overlay, name := write(t, test.backends)
		modules, packages := count(t, overlay, name)
		row := fmt.Sprintf("| %s | %d | %d |", test.name, modules, packages)
		if *sizes {
			t.Logf("%s %.1f MB |", row, build(t, overlay, name))
		}
		if !bytes.Contains(document, []byte(row)) {
			t.Errorf("README.md does not have the row: %s", row)
		}
	}
}

// write makes a program, and an overlay that shows it to the go command as a file beside this test.
func write(t *testing.T, backends []backend) (overlay, name string) {
	t.Helper()
	var imports, opens strings.Builder
	for _, b := range backends {
		for _, path := range b.imports {
			fmt.Fprintf(&imports, "\t%q\n", path)
		}
		opens.WriteString(b.open + ", ")
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "main.go")
	if err := os.WriteFile(file, fmt.Appendf(nil, program, &imports, &opens), 0o600); err != nil {
		t.Fatal(err)
	}
	name, err := filepath.Abs("weight_program.go")
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(map[string]any{"Replace": map[string]string{name: file}})
	if err != nil {
		t.Fatal(err)
	}
	overlay = filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(overlay, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay, name
}

// count returns the number of other modules that a program compiles, and the number of their packages.
func count(t *testing.T, overlay, name string) (modules, packages int) {
	t.Helper()
	const format = "{{if not .Standard}}{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}{{end}}"
	seen := map[string]bool{}
	for module := range strings.FieldsSeq(command(t, "list", "-deps", "-overlay", overlay, "-f", format, name)) {
		seen[module] = true
		packages++
	}
	return len(seen), packages
}

// build returns the size of a program's binary in megabytes.
func build(t *testing.T, overlay, name string) float64 {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "program")
	command(t, "build", "-trimpath", "-ldflags", "-s -w", "-overlay", overlay, "-o", binary, name)
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	return float64(info.Size()) / 1e6
}

func command(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v: %s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}
