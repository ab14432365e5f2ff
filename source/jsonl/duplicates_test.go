package jsonl_test

import (
	"testing"

	"productindex/source/internal/sourcetest"
	"productindex/source/jsonl"
)

// A repeated line is harmless. Two different products with the same id are not.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	src := func(content string) *jsonl.Source { return memory(t, nil, map[string]string{"c.jsonl": content}) }
	sourcetest.Duplicates(t, "c", src(one+`{"id":"2"}`+"\n"+one), src(one+`{"id":"2"}`+"\n"+`{"id":"1","other":1}`))
}
