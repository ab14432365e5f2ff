package main

import (
	"os"
	"path/filepath"
	"testing"

	"productindex/reindex/reindextest"
)

// TestMain is the benchmark itself in the processes that it starts.
func TestMain(m *testing.M) {
	if os.Getenv("BENCHMARK_CHILD") == "true" {
		main()
		return
	}
	m.Run()
}

// Both loads of every backend that needs no server run to the end and find the same number of products.
func TestRun(t *testing.T) {
	t.Setenv("BENCHMARK_CHILD", "true")
	file := filepath.Join(t.TempDir(), "products.jsonl")
	var lines []byte
	for _, p := range reindextest.Products(1500, "x") {
		lines = append(append(lines, p.Body...), '\n')
	}
	if err := os.WriteFile(file, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MEILISEARCH_URL", "")
	for _, name := range []string{"bleve", "meilisearch", "null"} {
		if err := run([]string{"-backend", name, "-file", file, "-rounds", "1"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{}, {"-file", "x", "-backend", "none"}, {"-file", "x", "-rounds", "0"}, {"-unknown"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}
