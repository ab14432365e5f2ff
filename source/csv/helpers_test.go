package csv_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"

	"productindex/reindex"
	"productindex/source/csv"
	"productindex/source/internal/sourcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fsOf returns a file system with the given files. The ending of a name decides how its file is compressed.
func fsOf(tb testing.TB, contents map[string]string) fstest.MapFS {
	tb.Helper()
	fsys := fstest.MapFS{}
	for name, content := range contents {
		fsys[name] = &fstest.MapFile{Data: sourcetest.Compress(tb, name, []byte(content))}
	}
	return fsys
}

func newSource(tb testing.TB, contents map[string]string, cfg *csv.Config) *csv.Source {
	tb.Helper()
	src, err := csv.NewFS(fsOf(tb, contents), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return src
}

// read returns the products of the tenant acme as "id body", the rejections as "place: reason", and the error that
// ended the read.
func read(tb testing.TB, src *csv.Source) (all, rejected []string, failed error) {
	tb.Helper()
	for p, err := range sourcetest.Products(tb.Context(), src, "acme") {
		if failed != nil {
			tb.Fatalf("the sequence continues after the error %v", failed)
		}
		if bad, ok := errors.AsType[*reindex.RecordError](err); ok {
			rejected = append(rejected, fmt.Sprintf("%s: %v", bad.Where, bad.Err))
		} else if failed = err; err == nil {
			all = append(all, p.ID+" "+string(p.Body))
		}
	}
	return all, rejected, failed
}
