package jsonl_test

import (
	"errors"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"productindex/reindex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(tb testing.TB, name string, content []byte) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// read returns the ids of a sequence up to its first error, which may be a rejection.
func read(seq iter.Seq2[reindex.Product, error]) (ids []string, err error) {
	for p, failed := range seq {
		if failed != nil {
			return ids, failed
		}
		ids = append(ids, p.ID)
	}
	return ids, nil
}

// readAll returns the ids of a sequence, its rejections, and the error that ended it.
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
