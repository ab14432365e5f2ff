package bleveindex

import (
	"io/fs"
	"testing"

	"productindex/reindex"
	"productindex/reindex/golden"
	"productindex/reindex/reindextest"
)

func TestGolden(t *testing.T) {
	check := func(files fs.FS) reindex.Check { return Golden(golden.Dir(files)) }
	reindextest.TestGolden(t, open(t, t.TempDir(), nil), check)
}

func BenchmarkDifference(b *testing.B) { reindextest.BenchmarkDifference(b, open(b, b.TempDir(), nil)) }
