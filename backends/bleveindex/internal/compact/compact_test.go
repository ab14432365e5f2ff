package compact

import (
	"testing"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"
)

// Once a buffer has held documents it holds others like them without allocating anything.
func TestBufferIsReused(t *testing.T) {
	buffer := new(Buffer)
	var docs []*compactDocument
	for _, body := range []map[string]any{
		{"name": "red wine", "sizes": []any{1.0, 2.0}, "tags": []any{"a", "b"}},
		{"description": "a dry red, red wine", "price": 7.0},
	} {
		doc := document.NewDocument("id")
		if err := bleve.NewIndexMapping().MapDocument(doc, body); err != nil {
			t.Fatal(err)
		}
		ours, ok := Document(doc, new(Numbers), buffer).(*compactDocument)
		if !ok {
			t.Fatal("the document is not compact")
		}
		ours.VisitFields(func(f index.Field) { f.Analyze() })
		docs = append(docs, ours)
	}
	allocations := testing.AllocsPerRun(100, func() {
		for _, doc := range docs {
			buffer.hold(doc)
		}
	})
	if allocations > 0 {
		t.Errorf("%v allocations", allocations)
	}
	if buffer.hold(docs[0]); len(buffer.frequencies) == 0 {
		t.Error("the buffer holds nothing")
	}
}

func TestNumbersAreBounded(t *testing.T) {
	cache := new(Numbers)
	for n := range 2 * maxNumbers {
		if tokens, _ := cache.of(document.NewNumericField("n", nil, float64(n))); len(tokens) != 16 {
			t.Fatalf("%d has %d tokens", n, len(tokens))
		}
	}
	if len(cache.known) > maxNumbers {
		t.Errorf("%d numbers are kept", len(cache.known))
	}
}
