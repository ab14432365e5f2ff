package csv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"productindex/reindex"
	"productindex/source/csv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// compress compresses content as the ending of name tells.
func compress(tb testing.TB, name string, content []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch {
	case strings.HasSuffix(name, ".gz"):
		w = gzip.NewWriter(&b)
	case strings.HasSuffix(name, ".zst"):
		z, err := zstd.NewWriter(&b)
		if err != nil {
			tb.Fatal(err)
		}
		w = z
	default:
		return content
	}
	if _, err := w.Write(content); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// fsOf returns a file system of files, compressed as their names say.
func fsOf(tb testing.TB, contents map[string]string) fstest.MapFS {
	tb.Helper()
	fsys := fstest.MapFS{}
	for name, content := range contents {
		fsys[name] = &fstest.MapFile{Data: compress(tb, name, []byte(content))}
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

// products opens a snapshot, reads it, and closes it.
func products(ctx context.Context, src *csv.Source, tenant string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		snap, err := src.Open(ctx, tenant)
		if err != nil {
			yield(reindex.Product{}, err)
			return
		}
		snap.Products(ctx)(yield)
		if err := snap.Close(); err != nil {
			panic(err)
		}
	}
}

// read returns the tenant's products, each as its id and body, what was rejected, each as place and reason, and what
// ended the read.
func read(tb testing.TB, src *csv.Source) (all, rejected []string, failed error) {
	tb.Helper()
	for p, err := range products(tb.Context(), src, "acme") {
		if failed != nil {
			tb.Fatalf("the sequence went on after %v", failed)
		}
		if bad, ok := errors.AsType[*reindex.RecordError](err); ok {
			rejected = append(rejected, fmt.Sprintf("%s: %v", bad.Where, bad.Err))
		} else if failed = err; err == nil {
			all = append(all, p.ID+" "+string(p.Body))
		}
	}
	return all, rejected, failed
}

// capability opens a snapshot that is closed at the end of the test, and finds a capability of it.
func capability[T any](tb testing.TB, src *csv.Source, tenant string) (T, error) {
	tb.Helper()
	var none T
	snap, err := src.Open(tb.Context(), tenant)
	if err != nil {
		return none, err
	}
	tb.Cleanup(func() {
		if err := snap.Close(); err != nil {
			tb.Error(err)
		}
	})
	t, ok := reindex.As[T](snap)
	if !ok {
		tb.Fatalf("the snapshot is not a %T", &none)
	}
	return t, nil
}

func estimate(tb testing.TB, src *csv.Source, tenant string) (int64, error) {
	tb.Helper()
	estimator, err := capability[reindex.Estimator](tb, src, tenant)
	if err != nil {
		return 0, err
	}
	return estimator.Estimate(tb.Context())
}

func locate(tb testing.TB, src *csv.Source, ids ...string) map[string]string {
	tb.Helper()
	locator, err := capability[reindex.Locator](tb, src, "acme")
	if err != nil {
		tb.Fatal(err)
	}
	where, err := locator.Locate(tb.Context(), ids...)
	if err != nil {
		tb.Fatal(err)
	}
	return where
}
