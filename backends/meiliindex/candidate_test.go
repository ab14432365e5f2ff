package meiliindex

import (
	"io/fs"
	"testing"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/golden"
	"productindex/reindex/reindextest"
)

func TestGolden(t *testing.T) {
	ix, err := New(connect(t, server(t).URL, meilitest.MasterKey), withFastPolls(&Config{}))
	if err != nil {
		t.Fatal(err)
	}
	reindextest.TestGolden(t, ix, func(files fs.FS) reindex.Check { return Golden(golden.Dir(files)) })
}
