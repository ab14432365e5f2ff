package reindex_test

import (
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

func TestChanges(t *testing.T) {
	reindextest.TestChangeLog(t, func(*testing.T) reindex.ChangeLog { return reindex.NewChanges(10_000) })
}
