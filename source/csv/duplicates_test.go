package csv_test

import (
	"errors"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// The same record twice is one product, and harmless. Another product of the same id is not.
func TestDuplicates(t *testing.T) {
	for content, conflicts := range map[string]int64{
		"id,name\n1,a\n2,b\n1,a\n": 0,
		"id,name\n1,a\n2,b\n1,c\n": 1,
	} {
		for _, readers := range []int{1, 2} {
			engine, err := reindex.New(newSource(t, map[string]string{"acme.csv": content}, nil), reindextest.NewMemory(), &reindex.Config{Readers: readers})
			if err != nil {
				t.Fatal(err)
			}
			r, err := engine.Run(t.Context(), "acme")
			gate, refused := errors.AsType[*reindex.GateError](err)
			if (conflicts > 0) != refused || refused && gate.Rule != reindex.RuleDuplicates || !refused && err != nil {
				t.Errorf("%q: %v", content, err)
			}
			if r.Duplicates != 1 || r.Conflicts != conflicts || r.Expected != -1 {
				t.Errorf("%q: %d duplicates, %d conflicts, expected %d", content, r.Duplicates, r.Conflicts, r.Expected)
			}
			if err := engine.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}
