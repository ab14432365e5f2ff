package jsonl_test

import (
	"errors"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// The same line twice is one product, and harmless. Another product of the same id is not.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	for content, conflicts := range map[string]int64{
		one + `{"id":"2"}` + "\n" + one:                    0,
		one + `{"id":"2"}` + "\n" + `{"id":"1","other":1}`: 1,
	} {
		for _, readers := range []int{1, 2} {
			engine, err := reindex.New(memory(t, nil, map[string]string{"c.jsonl": content}), reindextest.NewMemory(), &reindex.Config{Readers: readers})
			if err != nil {
				t.Fatal(err)
			}
			r, err := engine.Run(t.Context(), "c")
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
