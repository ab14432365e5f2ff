package jsonl_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/source/internal/sourcetest"
	"productindex/source/jsonl"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{
		{"acme.jsonl"},
		{"acme.ndjson.gz"},
		{"acme.jsonl.zst"},
		{"acme/1.jsonl.gz", "acme/2.jsonl", "acme/3.ndjson.zst", "acme/4.jsonl"},
	} {
		t.Run(fmt.Sprint(names), func(t *testing.T) {
			t.Parallel()
			open := func(t *testing.T, products []reindex.Product) reindextest.SourceFixture {
				t.Helper()
				contents := make([]bytes.Buffer, len(names))
				for i, p := range products {
					fmt.Fprintf(&contents[i%len(names)], "%s\n", p.Body)
				}
				dir := t.TempDir()
				for i, name := range names {
					write(t, filepath.Join(dir, name), sourcetest.Compress(t, name, contents[i].Bytes()))
				}
				src, err := jsonl.New(dir, nil)
				if err != nil {
					t.Fatal(err)
				}
				return reindextest.SourceFixture{Source: src, Tenant: "acme"}
			}
			reindextest.TestSource(t, open, func(got, want json.RawMessage) bool {
				return bytes.Equal(got, want) // not a byte is changed
			})
		})
	}
}
