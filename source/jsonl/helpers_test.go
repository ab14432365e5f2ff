package jsonl_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"productindex/reindex"
	"productindex/source/jsonl"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// compress compresses content as the ending of name tells.
func compress(tb testing.TB, name string, content []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	switch {
	case strings.HasSuffix(name, ".gz"):
		w := gzip.NewWriter(&b)
		if _, err := w.Write(content); err != nil {
			tb.Fatal(err)
		}
		if err := w.Close(); err != nil {
			tb.Fatal(err)
		}
	case strings.HasSuffix(name, ".zst"):
		w, err := zstd.NewWriter(&b)
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			tb.Fatal(err)
		}
		if err := w.Close(); err != nil {
			tb.Fatal(err)
		}
	default:
		return content
	}
	return b.Bytes()
}

func write(tb testing.TB, name string, content []byte) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// products opens a snapshot, reads it, and closes it.
func products(ctx context.Context, src *jsonl.Source, tenant string) iter.Seq2[reindex.Product, error] {
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

// read returns the ids that a sequence yields and its error. A record that cannot be read is an error, too.
func read(seq iter.Seq2[reindex.Product, error]) (ids []string, err error) {
	for p, failed := range seq {
		if failed != nil {
			return ids, failed
		}
		ids = append(ids, p.ID)
	}
	return ids, nil
}

// readAll returns the ids that a sequence yields, the records that it could not read, and its error.
func readAll(seq iter.Seq2[reindex.Product, error]) (ids []string, rejected []*reindex.RecordError, err error) {
	for p, failed := range seq {
		if bad, ok := errors.AsType[*reindex.RecordError](failed); ok {
			rejected = append(rejected, bad)
			continue
		}
		if failed != nil {
			return ids, rejected, failed
		}
		ids = append(ids, p.ID)
	}
	return ids, rejected, nil
}

// capability opens a snapshot that is closed at the end of the test, and finds a capability of it.
func capability[T any](tb testing.TB, src *jsonl.Source, tenant string) (T, error) {
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

func estimate(tb testing.TB, src *jsonl.Source, tenant string) (int64, error) {
	tb.Helper()
	estimator, err := capability[reindex.Estimator](tb, src, tenant)
	if err != nil {
		return 0, err
	}
	return estimator.Estimate(tb.Context())
}

func locate(tb testing.TB, src *jsonl.Source, tenant string, ids ...string) (map[string]string, error) {
	tb.Helper()
	locator, err := capability[reindex.Locator](tb, src, tenant)
	if err != nil {
		return nil, err
	}
	return locator.Locate(tb.Context(), ids...)
}

// split returns the sequences of the parts.
func split(tb testing.TB, src *jsonl.Source, tenant string, n int) (seqs []iter.Seq2[reindex.Product, error], err error) {
	tb.Helper()
	splitter, err := capability[reindex.Splitter](tb, src, tenant)
	if err != nil {
		return nil, err
	}
	names, err := splitter.Split(tb.Context(), n)
	for _, name := range names {
		seqs = append(seqs, splitter.Part(tb.Context(), name))
	}
	return seqs, err
}
