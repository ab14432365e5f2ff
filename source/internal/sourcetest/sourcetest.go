// Package sourcetest provides helpers for the tests of several sources.
package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// Compress compresses content according to the ending of name.
func Compress(tb testing.TB, name string, content []byte) []byte {
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

// Products opens a snapshot, yields its products, and closes it.
func Products(ctx context.Context, src reindex.Source, tenant string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		snap, err := src.Open(ctx, tenant)
		if err != nil {
			yield(reindex.Product{}, err)
			return
		}
		defer func() {
			if err := snap.Close(); err != nil {
				panic(err) //nolint:forbidigo // the test must not continue
			}
		}()
		snap.Products(ctx)(yield)
	}
}

// Read returns the products that a source yields, and its last error.
func Read(tb testing.TB, src reindex.Source, tenant string) (products []reindex.Product, failed error) {
	tb.Helper()
	for p, err := range Products(tb.Context(), src, tenant) {
		if failed != nil {
			tb.Fatalf("the sequence continues after the error %v", failed)
		}
		if failed = err; err == nil {
			products = append(products, p)
		}
	}
	return products, failed
}

// Open returns a snapshot that is closed at the end of the test.
func Open(tb testing.TB, src reindex.Source, tenant string) (reindex.Snapshot, error) {
	tb.Helper()
	snap, err := src.Open(tb.Context(), tenant)
	if err != nil {
		return nil, err
	}
	tb.Cleanup(func() {
		if err := snap.Close(); err != nil {
			tb.Error(err)
		}
	})
	return snap, nil
}

// MustOpen is [Open] for a tenant that exists.
func MustOpen(tb testing.TB, src reindex.Source, tenant string) reindex.Snapshot {
	tb.Helper()
	snap, err := Open(tb, src, tenant)
	if err != nil {
		tb.Fatal(err)
	}
	return snap
}

// Capability opens a snapshot as [Open] does, and returns a capability that it must have.
func Capability[T any](tb testing.TB, src reindex.Source, tenant string) (T, error) {
	tb.Helper()
	var none T
	snap, err := Open(tb, src, tenant)
	if err != nil {
		return none, err
	}
	t, ok := reindex.As[T](snap)
	if !ok {
		tb.Fatalf("the snapshot is not a %T", &none)
	}
	return t, nil
}

// Estimate returns the estimate of a new snapshot.
func Estimate(tb testing.TB, src reindex.Source, tenant string) (int64, error) {
	tb.Helper()
	estimator, err := Capability[reindex.Estimator](tb, src, tenant)
	if err != nil {
		return 0, err
	}
	return estimator.Estimate(tb.Context())
}

// Locate returns the places of products in a new snapshot.
func Locate(tb testing.TB, src reindex.Source, tenant string, ids ...string) (map[string]string, error) {
	tb.Helper()
	locator, err := Capability[reindex.Locator](tb, src, tenant)
	if err != nil {
		return nil, err
	}
	return locator.Locate(tb.Context(), ids...)
}

// Split returns the names of a new snapshot's parts, and their sequences.
func Split(
	tb testing.TB,
	src reindex.Source,
	tenant string,
	n int,
) (names []string, seqs []iter.Seq2[reindex.Product, error], err error) {
	tb.Helper()
	splitter, err := Capability[reindex.Splitter](tb, src, tenant)
	if err != nil {
		return nil, nil, err
	}
	names, err = splitter.Split(tb.Context(), n)
	for _, name := range names {
		seqs = append(seqs, splitter.Part(tb.Context(), name))
	}
	return names, seqs, err
}

// Duplicates checks that the engine accepts the source repeated, which yields one product twice, and refuses the source
// conflicting, in which two products have the same id. Both must have no other faults.
func Duplicates(t *testing.T, tenant string, repeated, conflicting reindex.Source) {
	t.Helper()
	for _, readers := range []int{1, 2} {
		report, err := run(t, repeated, tenant, readers)
		if err != nil || report.Duplicates != 1 || report.Conflicts != 0 {
			t.Errorf("%d readers, a product twice: %d duplicates, %d conflicts, error %v",
				readers, report.Duplicates, report.Conflicts, err)
		}
		report, err = run(t, conflicting, tenant, readers)
		gate, refused := errors.AsType[*reindex.GateError](err)
		if !refused || gate.Rule != reindex.RuleDuplicates || report.Duplicates != 1 || report.Conflicts != 1 {
			t.Errorf("%d readers, an id twice: %d duplicates, %d conflicts, error %v",
				readers, report.Duplicates, report.Conflicts, err)
		}
	}
}

// run reads a source into an index in memory.
func run(t *testing.T, src reindex.Source, tenant string, readers int) (reindex.Report, error) {
	t.Helper()
	engine, err := reindex.New(src, reindextest.NewMemory(), &reindex.Config{Readers: readers})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := engine.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	return engine.Run(t.Context(), tenant)
}
